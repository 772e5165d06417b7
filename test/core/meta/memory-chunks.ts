// A ChunkStore in memory for tests of the metadata: one target, whole chunks, no journal. Counts what is staged
// and not ended, so that a test sees a stage that was forgotten.

import { Buffer } from 'node:buffer';
import assert from 'node:assert/strict';
import { crc32c } from '../../../core/base/crc32c.ts';
import { CoreError } from '../../../core/base/errors.ts';
import { id } from '../../../core/base/ids.ts';
import type {
  ChainVer,
  ChunkId,
  RecordNumber,
  TargetId,
  UpdateVer,
} from '../../../core/base/ids.ts';
import type {
  ChunkRead,
  ChunkState,
  ChunkStore,
  ChunkUpdate,
  StagedUpdate,
  StoreSpace,
  Ticket,
} from '../../../core/store/types.ts';

const nameOf = ({ blob, index }: ChunkId): string =>
  `${blob.toString().padStart(16, '0')}/${index.toString().padStart(10, '0')}`;

const idOf = (name: string): ChunkId => {
  const [blob, index] = name.split('/');
  return { blob: id(Number(blob)), index: Number(index) };
};

export class MemoryChunks implements ChunkStore {
  readonly chunks = new Map<string, Buffer>();
  /** Staged and neither submitted nor aborted. */
  staged = 0;
  removed = 0;
  full = false;
  private records = 0;

  /** Stores bytes without a copy: many large chunks of one content take its memory once. */
  share(chunk: ChunkId, bytes: Buffer): void {
    this.chunks.set(nameOf(chunk), bytes);
  }

  stage({ chunk, change }: ChunkUpdate): Promise<StagedUpdate> {
    this.staged++;
    const next = this.next(nameOf(chunk), change);
    const end = (): void => {
      assert.ok(this.staged > 0);
      this.staged--;
    };
    return Promise.resolve({
      next: next === undefined ? undefined : stateOf(next),
      submit: () => {
        end();
        return this.put(nameOf(chunk), next);
      },
      abort: end,
    });
  }

  async update(update: ChunkUpdate): Promise<ChunkState | undefined> {
    const staged = await this.stage(update);
    await staged.submit().durable;
    return staged.next;
  }

  private next(name: string, change: ChunkUpdate['change']): Buffer | undefined {
    const old = this.chunks.get(name);
    switch (change.kind) {
      case 'write': {
        if (change.crc32c !== undefined) assert.equal(crc32c(change.bytes), change.crc32c);
        const end = change.offset + change.bytes.length;
        const next = Buffer.alloc(Math.max(end, old?.length ?? 0));
        old?.copy(next);
        next.set(change.bytes, change.offset);
        return next;
      }
      case 'remove':
        if (old === undefined) throw new CoreError('CHUNK_NOT_FOUND', name);
        return undefined;
      case 'truncate':
      case 'seal':
        throw new CoreError('NOT_IMPLEMENTED', change.kind);
    }
  }

  private put(name: string, bytes: Buffer | undefined): Ticket {
    if (bytes === undefined) {
      this.chunks.delete(name);
      this.removed++;
    } else this.chunks.set(name, bytes);
    return { number: ++this.records as RecordNumber, durable: Promise.resolve() };
  }

  read(_target: TargetId, chunk: ChunkId, offset: number, length: number): Promise<ChunkRead> {
    const whole = this.chunks.get(nameOf(chunk));
    if (whole === undefined) return Promise.reject(new CoreError('CHUNK_NOT_FOUND', nameOf(chunk)));
    const bytes = whole.subarray(offset, offset + length);
    return Promise.resolve({ state: stateOf(whole), bytes, crc32c: crc32c(bytes) });
  }

  place(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  stat(_target: TargetId, chunk: ChunkId): Promise<ChunkState | undefined> {
    const whole = this.chunks.get(nameOf(chunk));
    return Promise.resolve(whole === undefined ? undefined : stateOf(whole));
  }

  scan(
    _target: TargetId,
    after: ChunkId | undefined,
    limit: number,
  ): Promise<{ chunk: ChunkId; state: ChunkState }[]> {
    const from = after === undefined ? '' : nameOf(after);
    const names = [...this.chunks.keys()].filter((name) => name > from).toSorted();
    return Promise.resolve(
      names.slice(0, limit).map((name) => ({
        chunk: idOf(name),
        state: stateOf(this.chunks.get(name) as Buffer),
      })),
    );
  }

  admit(): void {
    if (this.full) throw new CoreError('DISK_FULL', 'the test says so');
  }

  space(): StoreSpace {
    return { totalBytes: 0, freeBytes: 0, usedBytes: 0, full: false };
  }
}

const states = new WeakMap<Buffer, ChunkState>();

function stateOf(bytes: Buffer): ChunkState {
  let state = states.get(bytes);
  if (state === undefined) {
    state = freshState(bytes);
    states.set(bytes, state);
  }
  return state;
}

function freshState(bytes: Buffer): ChunkState {
  return {
    version: 1 as UpdateVer,
    chainVersion: 1 as ChainVer,
    length: bytes.length,
    crc32c: crc32c(bytes),
    sealed: false,
    log: false,
  };
}
