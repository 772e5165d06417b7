// Blob client and chunk service joined without a wire, over a chunk store of maps. Failures are put between
// the two: lost requests, lost answers, damaged bytes.

import { crc32c } from '../../../core/base/crc32c.ts';
import { CoreError } from '../../../core/base/errors.ts';
import type { ErrorName } from '../../../core/base/errors.ts';
import { id } from '../../../core/base/ids.ts';
import type { BlobId, ChainVer, ChunkId, SessionId, TargetId } from '../../../core/base/ids.ts';
import { ChunkBlobClient } from '../../../core/client/blob-client.ts';
import { Channels } from '../../../core/client/channels.ts';
import { registerChunkService } from '../../../core/client/chunk-service.ts';
import { singleTargetChunks } from '../../../core/client/single-target-chunks.ts';
import type { BlobLayout } from '../../../core/client/types.ts';
import type { Answer, Call, CallOptions, RpcClient } from '../../../core/rpc/call.ts';
import { CallTable } from '../../../core/rpc/call-table.ts';
import { localClient } from '../../../core/rpc/local.ts';
import type { ChunkRead, ChunkState, ChunkStore, ChunkUpdate } from '../../../core/store/types.ts';
import { SimClock } from '../../sim/clock.ts';

export const target = { target: id<TargetId>(1), chainVersion: id<ChainVer>(1) };

/** Chunks in memory; applies a tag once. */
export class MapStore {
  readonly chunks = new Map<string, Buffer>();
  readonly updates: ChunkUpdate[] = [];
  private readonly applied = new Map<string, ChunkState>();

  async update(update: ChunkUpdate): Promise<ChunkState> {
    const { change, tag } = update;
    if (change.kind !== 'write') throw new CoreError('NOT_IMPLEMENTED', change.kind);
    const name = `${tag.session}/${tag.channel}/${tag.sequence}`;
    const before = this.applied.get(name);
    this.updates.push(update);
    if (before !== undefined) return before;
    if (crc32c(change.bytes) !== change.crc32c) throw new CoreError('CHECKSUM_MISMATCH', 'damaged');
    const key = nameOf(update.chunk);
    const old = this.chunks.get(key) ?? Buffer.alloc(0);
    const next = Buffer.alloc(Math.max(old.length, change.offset + change.bytes.length));
    next.set(old);
    next.set(change.bytes, change.offset);
    this.chunks.set(key, next);
    const state: ChunkState = {
      version: id(1),
      chainVersion: target.chainVersion,
      length: next.length,
      crc32c: crc32c(next),
      sealed: false,
      log: false,
    };
    this.applied.set(name, state);
    return state;
  }

  async read(_: TargetId, chunk: ChunkId, offset: number, length: number): Promise<ChunkRead> {
    const stored = this.chunks.get(nameOf(chunk));
    if (stored === undefined) throw new CoreError('CHUNK_NOT_FOUND', nameOf(chunk));
    const bytes = Buffer.from(stored.subarray(offset, offset + length));
    const state: ChunkState = {
      version: id(1),
      chainVersion: target.chainVersion,
      length: stored.length,
      crc32c: 0,
      sealed: false,
      log: false,
    };
    return { state, bytes, crc32c: crc32c(bytes) };
  }

  async place(): Promise<undefined> {}

  contentOf(blob: BlobId): Buffer {
    const chunks: Buffer[] = [];
    for (let index = 0; ; index++) {
      const chunk = this.chunks.get(nameOf({ blob, index }));
      if (chunk === undefined) return Buffer.concat(chunks);
      chunks.push(chunk);
    }
  }
}

const nameOf = ({ blob, index }: ChunkId): string => `${blob}/${index}`;

export type Fault = 'request lost' | 'answer lost' | 'damaged' | ErrorName;

export class ClientRig {
  readonly clock = new SimClock();
  readonly store = new MapStore();
  readonly discarded: BlobId[] = [];
  readonly layout: BlobLayout;
  readonly blobs: ChunkBlobClient;
  /** What happens to the next calls, in order. */
  readonly faults: Fault[] = [];
  /** What the calls carried, as a connection holds it. */
  readonly payloads: (readonly Uint8Array[])[] = [];
  /** Calls that have begun and those that run. */
  calls = 0;
  running = 0;
  runningMax = 0;
  private gate: Promise<void> = Promise.resolve();
  private nextBlob = 100;

  constructor(chunkBytes: number) {
    this.layout = { table: 1, tableVersion: 1, chunkBytes, stripe: 1, seed: 0 };
    const table = new CallTable();
    registerChunkService(table, this.store as unknown as ChunkStore, target);
    const rpc = this.faulty(localClient(table, 'write', 'test'));
    const channels = new Channels(id<SessionId>(7));
    this.blobs = new ChunkBlobClient({
      chunks: singleTargetChunks({ rpc, clock: this.clock, ...target }),
      takeBlob: async () => {
        const blob = id<BlobId>(this.nextBlob++);
        const discard = async (): Promise<void> => void this.discarded.push(blob);
        return { blob, layout: this.layout, channels, discard };
      },
    });
  }

  /** Holds every call until the answered function is called. */
  shut(): () => void {
    let open: (() => void) | undefined;
    this.gate = new Promise((resolve) => (open = resolve));
    return () => open?.();
  }

  private faulty(inner: RpcClient): RpcClient {
    return {
      call: async <Request extends object, Response extends object>(
        call: Call<Request, Response>,
        request: Request,
        options?: CallOptions,
      ): Promise<Answer<Response>> => {
        this.calls++;
        this.payloads.push(options?.payload ?? []);
        this.running++;
        this.runningMax = Math.max(this.runningMax, this.running);
        try {
          await this.gate;
          const fault = this.faults.shift();
          if (fault === 'request lost') throw new CoreError('UNAVAILABLE', fault);
          if (fault !== undefined && fault !== 'answer lost' && fault !== 'damaged')
            throw new CoreError(fault, 'injected');
          const answer = await inner.call(call, request, options);
          if (fault === 'answer lost') throw new CoreError('DEADLINE_EXCEEDED', fault);
          if (fault === 'damaged') answer.payload[0] = (answer.payload[0] as number) ^ 1;
          return answer;
        } finally {
          this.running--;
        }
      },
    };
  }
}

/** Bytes with a period that no chunk, piece or unit shares, so that a misplaced run shows. */
export function content(bytes: number, seed = 1): Buffer {
  const period = Buffer.alloc(65_521);
  for (let at = 0; at < period.length; at++) period[at] = (at * 31 + (at >> 8) * 7 + seed) & 0xff;
  return Buffer.alloc(bytes, period);
}
