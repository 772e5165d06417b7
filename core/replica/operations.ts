// Updates that hold their chunk's lock, and their way along the chain (design 4.2): persisted as pending → forwarded →
// committed when the successor has it → whoever waits is told. A pending update belongs to the replica that holds it:
// whatever happens to those who asked for it, each holder that serves drives it to its end, before anything newer on
// that chunk.

import { assert } from '../base/assert.ts';
import type { ChunkId, TargetId, UpdateVer } from '../base/ids.ts';
import { type Chain, successorOf } from '../chain/chain.ts';
import type { UpdateTag } from '../store/types.ts';
import type { ChunkLocks } from './chunk-locks.ts';
import type { SuccessorLink } from './links.ts';
import {
  type ContentState,
  type PeerReply,
  type PendingState,
  type ReplicaEnv,
  type ReplicaRow,
  type StoreOutcome,
  type UpdateBody,
  type UpdateIdentity,
  chunkKey,
  isSameUpdate,
} from './types.ts';

/** Who waits for an operation: told once, that it is done or that the chain changed. */
export interface Waiter {
  done(version: UpdateVer, crc32c: number): void;
  refused(): void;
}

/** An update that holds its chunk's lock. */
export interface Operation {
  readonly chunk: ChunkId;
  readonly identity: UpdateIdentity;
  readonly tag: UpdateTag;
  readonly remove: boolean;
  /** What makes it, while it is known; a pending update found on disk is known by its content alone. */
  readonly body: UpdateBody | undefined;
  readonly base: ContentState | undefined;
  waiters: Waiter[];
  /** Its pending record is durable here. */
  persisted: boolean;
  /** Counts the ways begun along the chain: what belongs to an earlier one is dropped. */
  way: number;
}

export type NewOperation = Omit<Operation, 'waiters' | 'persisted' | 'way'>;

export interface OperationsParts {
  readonly env: ReplicaEnv;
  readonly locks: ChunkLocks;
  readonly link: SuccessorLink;
  readonly self: TargetId;
}

export class Operations {
  private readonly env: ReplicaEnv;
  private readonly locks: ChunkLocks;
  private readonly link: SuccessorLink;
  private readonly self: TargetId;
  private chain: Chain | undefined;
  /** While pending updates of former times are being dropped, none is brought to its end. */
  private forgetting = false;
  private readonly operations = new Map<string, Operation>();
  /** Runs when a pending update of the chunk was committed. */
  private readonly resolved = new Map<string, (() => void)[]>();

  constructor({ env, locks, link, self }: OperationsParts) {
    this.env = env;
    this.locks = locks;
    this.link = link;
    this.self = self;
  }

  // --- the chain ---------------------------------------------------------------------------------

  /** The link is reset and who waited for a lock refused already. Who waits for an operation is refused; what is
   *  pending starts its way anew. */
  setChain(chain: Chain, forgetting: boolean): void {
    this.chain = chain;
    this.forgetting = forgetting;
    this.resolved.clear();
    const active = [...this.operations.values()];
    for (const operation of active) {
      const { waiters } = operation;
      operation.waiters = [];
      for (const waiter of waiters) waiter.refused();
    }
    for (const operation of active) if (operation.persisted) this.advance(operation);
    if (this.role === 'SERVING') this.driveAll();
  }

  /** The pending updates and tags of former times are gone from disk. */
  forgotten(): void {
    this.forgetting = false;
  }

  /** Undefined for a target that takes no writes. */
  get role(): 'SERVING' | 'SYNCING' | undefined {
    const state = this.chain?.targets.find(({ id }) => id === this.self)?.state;
    return state === 'SERVING' || state === 'SYNCING' ? state : undefined;
  }

  find(chunk: ChunkId): Operation | undefined {
    return this.operations.get(chunkKey(chunk));
  }

  /** Each pending update that nobody works on. Whoever comes later stands behind it. */
  private driveAll(): void {
    for (const chunk of this.env.pendingChunks())
      if (this.find(chunk) === undefined && !this.locks.isHeld(chunk)) this.drive(chunk);
  }

  private drive(chunk: ChunkId): void {
    this.locks.acquire(
      chunk,
      () => {
        const row = this.env.row(chunk);
        if (row?.pending === undefined) this.locks.release(chunk);
        else this.advance(this.adopt(chunk, row, row.pending));
      },
      () => undefined,
    );
  }

  // --- beginnings, with the lock held ------------------------------------------------------------

  /** For a pending update that was found; `advance` sets it going. */
  adopt(chunk: ChunkId, row: ReplicaRow, pending: PendingState): Operation {
    const { version, assigned, tag, remove } = pending;
    const identity = { version, assigned };
    return this.add({ chunk, identity, tag, remove, body: undefined, base: row.committed }, true);
  }

  /** A new update, which goes on by itself once it is durable.
   *  @param failed the store refused it: nothing was changed, and the lock is free */
  begin(
    update: NewOperation,
    waiter: Waiter,
    failed: (error: Extract<StoreOutcome, { ok: false }>['error']) => void,
  ): void {
    const { chunk, identity, tag, body } = update;
    assert(body !== undefined, 'what is persisted is known');
    const operation = this.add(update, false);
    operation.waiters.push(waiter);
    this.env.persist({ kind: 'pending', chunk, identity, tag, body }, (outcome) => {
      if (!outcome.ok) {
        this.finish(operation);
        failed(outcome.error);
        return;
      }
      operation.persisted = true;
      this.advance(operation);
    });
  }

  private add(update: NewOperation, persisted: boolean): Operation {
    const { chunk, identity, tag, remove, body, base } = update;
    const waiters: Waiter[] = [];
    const operation = { chunk, identity, tag, remove, body, base, waiters, persisted, way: 0 };
    this.operations.set(chunkKey(chunk), operation);
    return operation;
  }

  // --- along the chain ---------------------------------------------------------------------------

  /** The operation's pending record is durable: on to the present successor, or to the end. */
  advance(operation: Operation): void {
    operation.way++;
    const { chain } = this;
    if (chain === undefined || this.role === undefined || this.forgetting) {
      // It stays pending on disk: a later chain version says what becomes of it, or it is dropped.
      this.finish(operation);
      return;
    }
    if (successorOf(chain, this.self) === undefined) this.commit(operation);
    else this.forward(operation, operation.body);
  }

  private forward(operation: Operation, body: UpdateBody | undefined): void {
    const { chunk, identity, tag, remove, base, way } = operation;
    this.link.call({ kind: 'forward', chunk, identity, tag, remove, body, base }, (reply) => {
      if (operation.way === way) this.onForwarded(operation, reply);
    });
  }

  private onForwarded(operation: Operation, reply: PeerReply): void {
    if (reply.kind === 'need-full') this.forwardFull(operation);
    else if (reply.kind === 'done') {
      const pending = this.env.row(operation.chunk)?.pending;
      const mine = pending?.crc32c;
      if (reply.crc32c !== undefined && mine !== undefined && reply.crc32c !== mine) {
        this.env.fatal(`chunk ${chunkKey(operation.chunk)}: the successor holds other bytes`);
        return;
      }
      this.commit(operation);
    }
  }

  private forwardFull(operation: Operation): void {
    const { chunk, way } = operation;
    const row = this.env.row(chunk);
    const pending = row?.pending;
    assert(pending !== undefined, 'what is driven is pending');
    if (pending.remove) {
      this.forward(operation, { kind: 'remove' });
      return;
    }
    this.env.read(chunk, 'pending', { offset: 0, length: pending.length }, (bytes) => {
      if (operation.way !== way) return;
      if (bytes === undefined) {
        this.env.fatal(`chunk ${chunkKey(chunk)}: its pending update cannot be read`);
        return;
      }
      const { crc32c, sealed } = pending;
      const { shape } = row ?? {};
      this.forward(operation, { kind: 'full', content: { bytes, crc32c, sealed, shape } });
    });
  }

  private commit(operation: Operation): void {
    const { chunk, identity } = operation;
    const pending = this.env.row(chunk)?.pending;
    assert(isSameUpdate(pending, identity), 'what is committed is pending');
    this.env.commit(chunk);
    const { waiters } = operation;
    this.finish(operation);
    for (const waiter of waiters) waiter.done(identity.version, pending?.crc32c ?? 0);
    const key = chunkKey(chunk);
    const readers = this.resolved.get(key) ?? [];
    this.resolved.delete(key);
    for (const reader of readers) reader();
  }

  private finish(operation: Operation): void {
    operation.way++;
    this.operations.delete(chunkKey(operation.chunk));
    this.locks.release(operation.chunk);
  }

  // --- for readers -------------------------------------------------------------------------------

  /** `run` is called when the update that is pending on the chunk now is committed. */
  whenResolved(chunk: ChunkId, run: () => void): void {
    const key = chunkKey(chunk);
    const waiting = this.resolved.get(key);
    if (waiting === undefined) this.resolved.set(key, [run]);
    else waiting.push(run);
  }
}
