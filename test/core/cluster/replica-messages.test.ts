import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { crc32c } from '../../../core/base/crc32c.ts';
import { isCoreError } from '../../../core/base/errors.ts';
import {
  type Envelope,
  ReplicaRecord,
  decodeReplicaMessage,
  encodeReplicaMessage,
} from '../../../core/cluster/replica-messages.ts';
import { PeerInbox } from '../../../core/cluster/peer-inbox.ts';
import type { PeerBody, PeerReply, ReplicaMessage } from '../../../core/replica/types.ts';

// Brands are of the compiler only: plain numbers stand for ids here.

const chunk = { blob: 2 ** 40 + 5, index: 7 };
const identity = { version: 12, assigned: 9 };
const tag = { session: 3, channel: 1, sequence: 44 };
const state = { ...identity, length: 5, crc32c: 99, sealed: true };
const bytes = Buffer.from('hello');
const content = { bytes, crc32c: crc32c(bytes), sealed: true };
const write = { kind: 'write', offset: 9, bytes, crc32c: crc32c(bytes), given: true };
const forward = { kind: 'forward', chunk, identity, tag, remove: false, base: state };

const bodies = [
  { ...forward, body: { kind: 'change', change: write } },
  { ...forward, body: { kind: 'change', change: { kind: 'truncate', length: 3 } } },
  { ...forward, body: { kind: 'change', change: { kind: 'seal' } } },
  { ...forward, body: { kind: 'change', change: write, shape: { expectedBytes: 4096 } } },
  { ...forward, body: { kind: 'full', content } },
  { ...forward, body: { kind: 'full', content: { ...content, shape: { checksumUnitBytes: 9 } } } },
  { ...forward, body: { kind: 'remove' }, remove: true, base: undefined },
  { ...forward, body: undefined },
  { kind: 'sync-rows', after: undefined, limit: 10 },
  { kind: 'sync-rows', after: chunk, limit: 10 },
  { kind: 'sync-write', chunk, identity, content },
  { kind: 'sync-remove', chunk },
  { kind: 'sync-tags', entries: [{ ...tag, chunk, version: 3 }] },
  { kind: 'sync-digest', slice: 5 },
  { kind: 'sync-done' },
  { kind: 'sync-failed', reason: 'why' },
] as unknown as PeerBody[];

const replies = [
  { kind: 'done' },
  { kind: 'done', crc32c: 0 },
  { kind: 'need-full' },
  { kind: 'other-version' },
  { kind: 'rows', rows: [{ chunk, ...state }], upTo: chunk },
  { kind: 'rows', rows: [], upTo: undefined },
  { kind: 'digest', digest: { count: 3, digest: 0xffff_ffff } },
] as unknown as PeerReply[];

const about = { chainVersion: 4, incarnation: 6 };
const messages = [
  ...bodies.map((body) => ({ kind: 'call', ...about, link: 2, sequence: 3, call: 8, body })),
  ...replies.map((reply) => ({ kind: 'reply', ...about, call: 8, reply })),
  { kind: 'query', ...about, query: 11, chunk },
  { kind: 'queried', ...about, query: 11, answer: identity },
  { kind: 'queried', ...about, query: 11, answer: 'missing' },
  { kind: 'queried', ...about, query: 11, answer: undefined },
] as unknown as ReplicaMessage[];

const ends = { from: 101, to: 102 } as unknown as Pick<Envelope, 'from' | 'to'>;

function throughTheWire(message: ReplicaMessage): Envelope {
  const { record, payload } = encodeReplicaMessage({ ...ends, message });
  return decodeReplicaMessage(ReplicaRecord.decode(ReplicaRecord.encode(record)), payload);
}

describe('messages between replicas', () => {
  for (const message of messages) {
    const kind =
      'body' in message ? message.body.kind : 'reply' in message ? message.reply.kind : '';
    test(`${message.kind} ${kind} arrives as it was sent`, () => {
      assert.deepEqual(throughTheWire(message), { ...ends, message });
    });
  }

  test('content that was damaged on the way is refused', () => {
    const [message] = messages as [ReplicaMessage];
    const { record, payload } = encodeReplicaMessage({ ...ends, message });
    const damaged = Buffer.from(payload);
    damaged[2] = (damaged[2] as number) ^ 1;
    assert.throws(
      () => decodeReplicaMessage(record, damaged),
      (error: unknown) => isCoreError(error, 'CHECKSUM_MISMATCH'),
    );
  });

  test('what no sender says is refused', () => {
    const { record } = encodeReplicaMessage({
      ...ends,
      message: messages.at(-1) as ReplicaMessage,
    });
    for (const strange of [{ kind: 9 }, { kind: 1, what: 77 }, { kind: 2, what: 77 }, { kind: 3 }])
      assert.throws(
        () => decodeReplicaMessage({ ...record, ...strange }, Buffer.alloc(0)),
        (error: unknown) => isCoreError(error, 'PROTOCOL'),
      );
  });
});

const delivered = (run: (inbox: PeerInbox) => void): unknown[] => {
  const order: unknown[] = [];
  run(new PeerInbox((message) => order.push(message)));
  return order;
};

const at = (number: number): readonly Envelope[] => [number as unknown as Envelope];

describe('batches of a store', () => {
  test('a small one that overtook a large one waits for it; a repeated one does nothing', () => {
    const order = delivered((inbox) => {
      for (const number of [2, 3, 1, 1, 2, 4])
        inbox.take({ incarnation: 1, stream: 1, number, messages: at(number) });
    });
    assert.deepEqual(order, [1, 2, 3, 4]);
  });

  test('a newer stream, or life of the sender, ends the older one for good', () => {
    const order = delivered((inbox) => {
      const take = (incarnation: number, stream: number, number: number, name: number): void =>
        inbox.take({ incarnation, stream, number, messages: at(name) });
      take(1, 1, 1, 11);
      take(1, 1, 3, 13);
      take(1, 2, 1, 21);
      take(1, 1, 2, 12);
      take(2, 1, 1, 31);
      take(1, 3, 1, 41);
    });
    assert.deepEqual(order, [11, 21, 31]);
  });
});
