// What clients and other stores ask of the replicas of this process: chunk calls (core/client/chunk-calls.ts) as
// requests to the machines, messages of other stores into them. A machine that ends never answers; the caller is told
// to try again after limits.replicaAnswerMs, so that no request stays for ever.

import { crc32c } from '../base/crc32c.ts';
import { CoreError, toCoreError } from '../base/errors.ts';
import { id } from '../base/ids.ts';
import type { ChainVer, ChunkId, TargetId } from '../base/ids.ts';
import { limits } from '../base/limits.ts';
import {
  chunkOf,
  readChunk,
  refusals,
  removeChunk,
  scanChunks,
  tagOf,
  writeChunk,
} from '../client/chunk-calls.ts';
import type { Clock } from '../env/clock.ts';
import type { Events } from '../env/events.ts';
import type { Replica } from '../replica/replica.ts';
import type {
  ReadAnswer,
  RefusalReason,
  ReplicaRow,
  UpdateAnswer,
  UpdateRequest,
} from '../replica/types.ts';
import type { HandlerAnswer, RpcRegistry } from '../rpc/call.ts';
import type { ChunkChange } from '../store/types.ts';
import { replicaMessages } from './cluster-calls.ts';
import { type Envelope, type ReplicaRecord, decodeReplicaMessage } from './replica-messages.ts';
import type { OpenedTarget, StoreDriver } from './store-driver.ts';

export interface ReplicaServiceParts {
  readonly driver: StoreDriver;
  readonly targets: readonly OpenedTarget[];
  readonly clock: Clock;
  readonly events: Events;
}

interface Asked {
  readonly target: number;
  readonly chainVersion: number;
}

interface Refused {
  readonly refused: number;
  readonly chainVersion: number;
}

export function registerReplicaService(registry: RpcRegistry, parts: ReplicaServiceParts): void {
  registerUpdates(registry, parts);
  registerReads(registry, parts);
  registry.register(replicaMessages, async (request, payload) => {
    const { store, messages, ...batch } = request;
    if (store > limits.storesMax) throw new CoreError('INVALID_ARGUMENT', `no store ${store}`);
    parts.driver.receive(store, { ...batch, messages: decodeAll(parts.events, messages, payload) });
    return { response: {} };
  });
}

// --- updates -----------------------------------------------------------------------------------------

function registerUpdates(registry: RpcRegistry, parts: ReplicaServiceParts): void {
  registry.register(writeChunk, async (request, bytes) => {
    const { offset, crc32c: crc, checksumUnitBytes, expectedBytes } = request;
    const change: ChunkChange = { kind: 'write', offset, bytes, crc32c: crc, given: true };
    const shape = {
      ...(checksumUnitBytes === undefined ? {} : { checksumUnitBytes }),
      ...(expectedBytes === undefined ? {} : { expectedBytes }),
    };
    const answer = await update(parts, request, { change, shape, tag: tagOf(request) });
    // Length and checksum of the whole chunk are known to who asks for them.
    const rest = { length: 0, crc32c: 0 };
    if (!answer.ok) return { response: { version: 0, ...rest, ...refusedOf(answer) } };
    return { response: { version: answer.version, ...rest } };
  });
  registry.register(removeChunk, async (request) => {
    const change: ChunkChange = { kind: 'remove' };
    const answer = await update(parts, request, { change, shape: {}, tag: tagOf(request) });
    return { response: answer.ok ? {} : refusedOf(answer) };
  });
}

async function update(
  parts: ReplicaServiceParts,
  request: Asked & { readonly blob: number; readonly index: number },
  what: Pick<UpdateRequest, 'change' | 'shape' | 'tag'>,
): Promise<UpdateAnswer> {
  return askReplica<UpdateAnswer>(parts, request, (replica, asked, reply) =>
    replica.update({ ...asked, ...what }, reply),
  );
}

// --- reads -------------------------------------------------------------------------------------------

function registerReads(registry: RpcRegistry, parts: ReplicaServiceParts): void {
  registry.register(readChunk, async (request) => {
    const answer = await read(parts, request);
    if (!answer.ok)
      return { response: { version: 0, chunkBytes: 0, crc32c: 0, ...refusedOf(answer) } };
    const { version, bytes } = answer;
    const response = { version, chunkBytes: bytes.length, crc32c: crc32c(bytes) };
    return { response, payload: [bytes] };
  });
  registry.register(scanChunks, (request) => scan(parts, request));
}

async function read(
  parts: ReplicaServiceParts,
  request: Asked & { blob: number; index: number; offset: number; length: number },
): Promise<ReadAnswer> {
  const { offset, length } = request;
  if (length > limits.rpcPayloadBytesMax)
    throw new CoreError('LIMIT_EXCEEDED', `a read of ${length} bytes exceeds a frame`);
  return askReplica<ReadAnswer>(parts, request, (replica, asked, reply) =>
    replica.read({ ...asked, offset, length }, reply),
  );
}

/** Rows of a replica that serves: what was acknowledged is in them, committed or pending. */
async function scan(
  parts: ReplicaServiceParts,
  request: Asked & { after?: { blob: number; index: number } | undefined; limit: number },
): Promise<HandlerAnswer<ScanResponse>> {
  const replica = replicaOf(parts, request);
  const env = parts.targets.find((target) => target.id === request.target)?.env;
  if (replica === undefined || env === undefined)
    return { response: { chunks: [], ...refusedOf(strange) } };
  const serves = (): boolean =>
    replica.state === 'SERVING' && replica.chainVersion === request.chainVersion;
  const limit = Math.min(request.limit, limits.metaRangeEntriesMax);
  const after = request.after === undefined ? undefined : chunkOf(request.after);
  const rows = await new Promise<readonly (readonly [ChunkId, ReplicaRow])[]>((resolve) =>
    env.rows(after, limit, resolve),
  );
  if (!serves()) {
    const { chainVersion } = replica;
    return { response: { chunks: [], refused: refusals.routing, chainVersion } };
  }
  return { response: { chunks: rows.map(foundOf) } };
}

type ScanResponse = ReturnType<typeof scanChunks.response.decode>;

function foundOf([chunk, row]: readonly [ChunkId, ReplicaRow]): ScanResponse['chunks'][number] {
  const { version, length, crc32c: crc } = row.committed ?? { version: 0, length: 0, crc32c: 0 };
  return { ...chunk, version, length, crc32c: crc, pending: row.pending !== undefined };
}

// --- common ------------------------------------------------------------------------------------------

/** Of a target that this process does not have, or that failed. */
const strange = { ok: false, refused: 'routing', chainVersion: id<ChainVer>(0) } as const;

function replicaOf({ driver }: ReplicaServiceParts, { target }: Asked): Replica | undefined {
  return driver.host.replica(id<TargetId>(target));
}

/** Brings the chunk's row into memory, where a machine that never waits finds it. */
async function warm({ targets }: ReplicaServiceParts, { target }: Asked, chunk: ChunkId) {
  await targets.find(({ id: each }) => each === target)?.warm?.(chunk);
}

type AnyAnswer = UpdateAnswer | ReadAnswer;

/** Asks the machine of the target about the chunk, whose row is in memory by then. */
async function askReplica<Answer extends AnyAnswer>(
  parts: ReplicaServiceParts,
  request: Asked & { readonly blob: number; readonly index: number },
  ask: (
    replica: Replica,
    asked: { readonly chainVersion: ChainVer; readonly chunk: ChunkId },
    reply: (answer: Answer | BusyAnswer) => void,
  ) => void,
): Promise<Answer | BusyAnswer> {
  const chunk = chunkOf(request);
  await warm(parts, request, chunk);
  const replica = replicaOf(parts, request);
  if (replica === undefined) return strange;
  const asked = { chainVersion: id<ChainVer>(request.chainVersion), chunk };
  return answerOf<Answer>(parts, replica, (reply) => ask(replica, asked, reply));
}

function answerOf<Answer extends AnyAnswer>(
  { clock }: ReplicaServiceParts,
  replica: Replica,
  ask: (reply: (answer: Answer | BusyAnswer) => void) => void,
): Promise<Answer | BusyAnswer> {
  return new Promise((resolve) => {
    const timer = clock.after(limits.replicaAnswerMs, () => {
      const chainVersion = id<ChainVer>(replica.chainVersion);
      resolve({ ok: false, refused: 'busy', chainVersion });
    });
    ask((answer) => {
      timer.cancel();
      resolve(answer);
    });
  });
}

interface BusyAnswer {
  readonly ok: false;
  readonly refused: RefusalReason;
  readonly chainVersion: ChainVer;
}

/** @throws CoreError what the replica answered, when it is final */
function refusedOf(answer: Extract<AnyAnswer, { ok: false }>): Refused {
  if ('refused' in answer)
    return { refused: refusals[answer.refused], chainVersion: answer.chainVersion };
  throw new CoreError(answer.error, 'the replica refused it');
}

/** Messages of a batch; damaged ones are lost. */
function decodeAll(
  events: Events,
  records: readonly ReplicaRecord[],
  payload: Uint8Array,
): Envelope[] {
  let at = 0;
  return records.flatMap((record) => {
    const bytes = payload.subarray(at, (at += record.payloadBytes));
    try {
      return [decodeReplicaMessage(record, bytes)];
    } catch (error) {
      events.emit('warn', 'store.message-damaged', { error: toCoreError(error).message });
      return [];
    }
  });
}
