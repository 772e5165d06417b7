// What replicas say to each other, as bytes (docs/internals/rpc.md, "Cluster"): a control record per message, and the
// bytes of chunks raw beside it, one after another. Pure. Content carries its checksum in its record; the receiver
// verifies it here, so that what was damaged on the way counts as lost and never reaches a replica.

import { crc32c } from '../base/crc32c.ts';
import { CoreError } from '../base/errors.ts';
import { id } from '../base/ids.ts';
import type { ChainVer, ChunkId, TargetId, UpdateVer } from '../base/ids.ts';
import { bool, many, message, nested, optional, string, uint } from '../base/message.ts';
import type { MessageOf } from '../base/message.ts';
import type {
  ContentState,
  PeerBody,
  PeerReply,
  ReplicaMessage,
  TagEntry,
  UpdateBody,
  UpdateIdentity,
} from '../replica/types.ts';
import type { ChunkShape, UpdateTag } from '../store/types.ts';

/** A message with its two ends. */
export interface Envelope {
  readonly from: TargetId;
  readonly to: TargetId;
  readonly message: ReplicaMessage;
}

const Chunk = message('ChunkId', { blob: uint(1), index: uint(2) });
const Identity = message('UpdateIdentity', { version: uint(1), assigned: uint(2) });
const Tag = message('UpdateTag', { session: uint(1), channel: uint(2), sequence: uint(3) });

const Content = message('ContentState', {
  version: uint(1),
  assigned: uint(2),
  length: uint(3),
  crc32c: uint(4),
  sealed: bool(5),
});

/** What an update does. `bytes` of the payload belong to a write and to full content. */
const Body = message('UpdateBody', {
  what: uint(1),
  offset: uint(2),
  length: uint(3),
  crc32c: uint(4),
  sealed: bool(5),
  /** Shape of the chunk: a hint. */
  unitBytes: optional(uint(6)),
  expectedBytes: optional(uint(7)),
});
const bodyKind = { write: 1, truncate: 2, seal: 3, remove: 4, full: 5 } as const;

const Row = message('SnapshotRow', { chunk: nested(1, Chunk), state: nested(2, Content) });

const Entry = message('TagEntry', {
  tag: nested(1, Tag),
  chunk: nested(2, Chunk),
  version: uint(3),
});
/** In the payload: a table of many sessions is larger than a control message may be. */
const Entries = message('TagEntries', { entries: many(nested(1, Entry)) });

/** One of each kind stands for all: members that a kind does not use are absent. */
const Record = message('ReplicaMessage', {
  from: uint(1),
  to: uint(2),
  kind: uint(3),
  chainVersion: uint(4),
  incarnation: uint(5),
  link: uint(6),
  sequence: uint(7),
  /** Of the call or the query. */
  number: uint(8),
  /** Kind of the call's body, the reply or the answer. */
  what: uint(9),
  chunk: optional(nested(10, Chunk)),
  identity: optional(nested(11, Identity)),
  tag: optional(nested(12, Tag)),
  remove: bool(13),
  body: optional(nested(14, Body)),
  base: optional(nested(15, Content)),
  limit: uint(16),
  reason: optional(string(17)),
  crc32c: optional(uint(18)),
  rows: many(nested(19, Row)),
  count: uint(20),
  /** Of the payload, which follows that of the records before. */
  payloadBytes: uint(21),
});
type Record = MessageOf<typeof Record>;

export const ReplicaRecord = Record;
export type ReplicaRecord = Record;

const kinds = { call: 1, reply: 2, query: 3, queried: 4 } as const;
const calls = {
  forward: 1,
  'sync-rows': 2,
  'sync-write': 3,
  'sync-remove': 4,
  'sync-tags': 5,
  'sync-digest': 6,
  'sync-done': 7,
  'sync-failed': 8,
} as const satisfies { readonly [Kind in PeerBody['kind']]: number };
const replies = {
  done: 1,
  'need-full': 2,
  'other-version': 3,
  rows: 4,
  digest: 5,
} as const satisfies { readonly [Kind in PeerReply['kind']]: number };
const answers = { refused: 0, missing: 1, version: 2 } as const;

type Detail = Partial<Record> & { readonly payload?: Uint8Array };

// --- encoding --------------------------------------------------------------------------------------

export interface EncodedMessage {
  readonly record: Record;
  readonly payload: Uint8Array;
}

const none = new Uint8Array(0);

export function encodeReplicaMessage({ from, to, message: given }: Envelope): EncodedMessage {
  const { payload = none, ...detail } = detailOf(given);
  const { chainVersion, incarnation } = given;
  const record: Record = {
    from,
    to,
    kind: kinds[given.kind],
    chainVersion,
    incarnation,
    link: 0,
    sequence: 0,
    number: 0,
    what: 0,
    remove: false,
    limit: 0,
    rows: [],
    count: 0,
    ...detail,
    payloadBytes: payload.length,
  };
  return { record, payload };
}

function detailOf(given: ReplicaMessage): Detail {
  switch (given.kind) {
    case 'call': {
      const { link, sequence, call: number, body } = given;
      return { link, sequence, number, what: calls[body.kind], ...bodyDetail(body) };
    }
    case 'reply':
      return { number: given.call, what: replies[given.reply.kind], ...replyDetail(given.reply) };
    case 'query':
      return { number: given.query, chunk: given.chunk };
    case 'queried': {
      const { query: number, answer } = given;
      if (answer === undefined) return { number, what: answers.refused };
      if (answer === 'missing') return { number, what: answers.missing };
      return { number, what: answers.version, identity: answer };
    }
  }
}

function bodyDetail(body: PeerBody): Detail {
  switch (body.kind) {
    case 'forward': {
      const { chunk, identity, tag, remove, base } = body;
      const based = base === undefined ? {} : { base: { ...base } };
      return { chunk, identity, tag, remove, ...based, ...updateDetail(body.body) };
    }
    case 'sync-rows':
      return { limit: body.limit, ...(body.after === undefined ? {} : { chunk: body.after }) };
    case 'sync-write': {
      const { chunk, identity, content } = body;
      return { chunk, identity, ...updateDetail({ kind: 'full', content }) };
    }
    case 'sync-remove':
      return { chunk: body.chunk };
    case 'sync-tags':
      return { payload: Entries.encode({ entries: body.entries.map(entryToMessage) }) };
    case 'sync-digest':
      return { count: body.slice };
    case 'sync-done':
      return {};
    case 'sync-failed':
      return { reason: body.reason };
  }
}

function updateDetail(body: UpdateBody | undefined): Detail {
  if (body === undefined) return {};
  const empty = { offset: 0, length: 0, crc32c: 0, sealed: false };
  if (body.kind === 'remove') return { body: { ...empty, what: bodyKind.remove } };
  if (body.kind === 'full') {
    const { bytes, crc32c: crc, sealed, shape } = body.content;
    const { length } = bytes;
    const full = { ...empty, what: bodyKind.full, length, crc32c: crc, sealed };
    return { body: { ...full, ...shapeDetail(shape) }, payload: bytes };
  }
  const { change, shape } = body;
  if (change.kind === 'write') {
    const { offset, bytes, crc32c: stated } = change;
    const crc = stated ?? crc32c(bytes);
    const write = { ...empty, what: bodyKind.write, offset, length: bytes.length, crc32c: crc };
    return { body: { ...write, ...shapeDetail(shape) }, payload: bytes };
  }
  const length = change.kind === 'truncate' ? change.length : 0;
  return { body: { ...empty, what: bodyKind[change.kind], length } };
}

function shapeDetail(
  shape: ChunkShape | undefined,
): Pick<MessageOf<typeof Body>, 'unitBytes' | 'expectedBytes'> {
  const { checksumUnitBytes: unitBytes, expectedBytes } = shape ?? {};
  return {
    ...(unitBytes === undefined ? {} : { unitBytes }),
    ...(expectedBytes === undefined ? {} : { expectedBytes }),
  };
}

function replyDetail(reply: PeerReply): Detail {
  switch (reply.kind) {
    case 'done':
      return reply.crc32c === undefined ? {} : { crc32c: reply.crc32c };
    case 'need-full':
    case 'other-version':
      return {};
    case 'rows':
      return {
        rows: reply.rows.map(({ chunk, ...state }) => ({ chunk, state })),
        ...(reply.upTo === undefined ? {} : { chunk: reply.upTo }),
      };
    case 'digest':
      return { count: reply.digest.count, crc32c: reply.digest.digest };
  }
}

function entryToMessage({ chunk, version, ...tag }: TagEntry): MessageOf<typeof Entry> {
  return { tag, chunk, version };
}

// --- decoding --------------------------------------------------------------------------------------

/** @throws CoreError PROTOCOL for what no sender says, CHECKSUM_MISMATCH for damaged content */
export function decodeReplicaMessage(record: Record, payload: Uint8Array): Envelope {
  if (payload.length !== record.payloadBytes) throw malformed('a payload of another length');
  return {
    from: id<TargetId>(record.from),
    to: id<TargetId>(record.to),
    message: messageOf(record, payload),
  };
}

function messageOf(record: Record, payload: Uint8Array): ReplicaMessage {
  const { incarnation, link, sequence, number } = record;
  const chainVersion = id<ChainVer>(record.chainVersion);
  switch (record.kind) {
    case kinds.call: {
      const body = bodyOf(record, payload);
      return { kind: 'call', chainVersion, incarnation, link, sequence, call: number, body };
    }
    case kinds.reply:
      return { kind: 'reply', chainVersion, incarnation, call: number, reply: replyOf(record) };
    case kinds.query:
      return { kind: 'query', chainVersion, incarnation, query: number, chunk: chunkOf(record) };
    case kinds.queried: {
      const answer = answerOf(record);
      return { kind: 'queried', chainVersion, incarnation, query: number, answer };
    }
    default:
      throw malformed(`kind ${record.kind}`);
  }
}

function answerOf(record: Record): UpdateIdentity | 'missing' | undefined {
  if (record.what === answers.refused) return undefined;
  return record.what === answers.missing ? 'missing' : identityOf(record);
}

function bodyOf(record: Record, payload: Uint8Array): PeerBody {
  switch (record.what) {
    case calls.forward:
      return {
        kind: 'forward',
        chunk: chunkOf(record),
        identity: identityOf(record),
        tag: tagOf(record.tag),
        remove: record.remove,
        body: record.body === undefined ? undefined : updateOf(record.body, payload),
        base: record.base === undefined ? undefined : contentOf(record.base),
      };
    case calls['sync-rows']: {
      const after = record.chunk === undefined ? undefined : chunkOf(record);
      return { kind: 'sync-rows', after, limit: record.limit };
    }
    case calls['sync-write']: {
      const update = record.body === undefined ? undefined : updateOf(record.body, payload);
      if (update?.kind !== 'full') throw malformed('a sync-write without content');
      const [chunk, identity] = [chunkOf(record), identityOf(record)];
      return { kind: 'sync-write', chunk, identity, content: update.content };
    }
    case calls['sync-remove']:
      return { kind: 'sync-remove', chunk: chunkOf(record) };
    case calls['sync-tags']:
      return { kind: 'sync-tags', entries: Entries.decode(payload).entries.map(entryOf) };
    case calls['sync-digest']:
      return { kind: 'sync-digest', slice: record.count };
    case calls['sync-done']:
      return { kind: 'sync-done' };
    case calls['sync-failed']:
      return { kind: 'sync-failed', reason: record.reason ?? '' };
    default:
      throw malformed(`call ${record.what}`);
  }
}

function updateOf(body: MessageOf<typeof Body>, bytes: Uint8Array): UpdateBody {
  const { what, offset, length, crc32c: crc, sealed } = body;
  if (what === bodyKind.write || what === bodyKind.full) {
    if (length !== bytes.length) throw malformed('content of another length');
    if (crc32c(bytes) !== crc)
      throw new CoreError('CHECKSUM_MISMATCH', 'content was damaged between two stores');
    const shape = shapeOf(body);
    if (what === bodyKind.full)
      return { kind: 'full', content: { bytes, crc32c: crc, sealed, ...shape } };
    const change = { kind: 'write', offset, bytes, crc32c: crc, given: true } as const;
    return { kind: 'change', change, ...shape };
  }
  if (what === bodyKind.remove) return { kind: 'remove' };
  if (what === bodyKind.seal) return { kind: 'change', change: { kind: 'seal' } };
  if (what !== bodyKind.truncate) throw malformed(`update ${what}`);
  return { kind: 'change', change: { kind: 'truncate', length } };
}

function shapeOf({ unitBytes, expectedBytes }: MessageOf<typeof Body>): {
  readonly shape?: ChunkShape;
} {
  if (unitBytes === undefined && expectedBytes === undefined) return {};
  return {
    shape: {
      ...(unitBytes === undefined ? {} : { checksumUnitBytes: unitBytes }),
      ...(expectedBytes === undefined ? {} : { expectedBytes }),
    },
  };
}

function replyOf(record: Record): PeerReply {
  switch (record.what) {
    case replies.done:
      return { kind: 'done', ...(record.crc32c === undefined ? {} : { crc32c: record.crc32c }) };
    case replies['need-full']:
      return { kind: 'need-full' };
    case replies['other-version']:
      return { kind: 'other-version' };
    case replies.rows: {
      const upTo = record.chunk === undefined ? undefined : chunkOf(record);
      const rows = record.rows.map((row) => ({ chunk: chunkOf(row), ...contentOf(row.state) }));
      return { kind: 'rows', rows, upTo };
    }
    case replies.digest:
      return { kind: 'digest', digest: { count: record.count, digest: record.crc32c ?? 0 } };
    default:
      throw malformed(`reply ${record.what}`);
  }
}

function chunkOf({ chunk }: { readonly chunk?: MessageOf<typeof Chunk> | undefined }): ChunkId {
  if (chunk === undefined || chunk.index > 0xffff_ffff) throw malformed('a message without chunk');
  return { blob: id(chunk.blob), index: chunk.index };
}

function identityOf({ identity }: Record): UpdateIdentity {
  if (identity === undefined) throw malformed('a message without version');
  return { version: id<UpdateVer>(identity.version), assigned: id<ChainVer>(identity.assigned) };
}

function tagOf(tag: MessageOf<typeof Tag> | undefined): UpdateTag {
  if (tag === undefined) throw malformed('an update without tag');
  return { session: id(tag.session), channel: tag.channel, sequence: tag.sequence };
}

function contentOf(state: MessageOf<typeof Content>): ContentState {
  const { length, crc32c: crc, sealed } = state;
  const version = id<UpdateVer>(state.version);
  return { version, assigned: id<ChainVer>(state.assigned), length, crc32c: crc, sealed };
}

function entryOf({ tag, chunk, version }: MessageOf<typeof Entry>): TagEntry {
  return { ...tagOf(tag), chunk: chunkOf({ chunk }), version: id<UpdateVer>(version) };
}

function malformed(what: string): CoreError {
  return new CoreError('PROTOCOL', `a message between replicas has ${what}`);
}
