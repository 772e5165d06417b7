// The way of an update along the chain (design 4.2): locked → persisted as pending → forwarded → committed when the
// successor has it → answered. A pending update belongs to the replica that holds it: whatever happens to those who
// asked for it, each holder that serves drives it to its end, before anything newer on that chunk.

import { assert } from '../base/assert.ts';
import type { ChainVer, ChunkId, TargetId, UpdateVer } from '../base/ids.ts';
import { type Chain, headOf, predecessorOf, successorOf } from '../chain/chain.ts';
import type { ChunkLocks } from './chunk-locks.ts';
import type { Filling } from './filling.ts';
import type { SuccessorLink } from './links.ts';
import { type Refusal, admitUpdate } from './admission.ts';
import {
  type ContentState,
  type PeerBody,
  type PeerReply,
  type PendingState,
  type ReplicaEnv,
  type ReplicaRow,
  type StoreOutcome,
  type UpdateAnswer,
  type UpdateBody,
  type UpdateIdentity,
  type UpdateRequest,
  chunkKey,
  isSameUpdate,
} from './types.ts';
import type { UpdateTag } from '../store/types.ts';

type Forward = Extract<PeerBody, { kind: 'forward' }>;

/** Who waits for an operation: told once, that it is done or that the chain changed. */
interface Waiter {
  done(version: UpdateVer, crc32c: number): void;
  refused(): void;
}

/** An update that holds its chunk's lock. */
interface Operation {
  readonly chunk: ChunkId;
  readonly identity: UpdateIdentity;
  readonly tag: UpdateTag;
  readonly remove: boolean;
  /** What makes it, while it is known; a pending update found on disk is known by its content alone. */
  body: UpdateBody | undefined;
  readonly base: ContentState | undefined;
  waiters: Waiter[];
  /** Its pending record is durable here. */
  persisted: boolean;
  /** Counts the ways begun along the chain: what belongs to an earlier one is dropped. */
  way: number;
}

export interface UpdatesParts {
  readonly env: ReplicaEnv;
  readonly locks: ChunkLocks;
  readonly link: SuccessorLink;
  readonly filling: Filling;
  readonly self: TargetId;
}

export class Updates {
  private readonly env: ReplicaEnv;
  private readonly locks: ChunkLocks;
  private readonly link: SuccessorLink;
  private readonly parts: UpdatesParts;
  private chain: Chain | undefined;
  /** While pending updates of former times are being dropped, none is brought to its end. */
  private forgetting = false;
  private readonly operations = new Map<string, Operation>();
  /** Requests of clients that are queued or run, by tag: a repeated one joins. */
  private readonly running = new Map<string, ((answer: UpdateAnswer) => void)[]>();
  /** Runs when a pending update of the chunk was committed. */
  private readonly resolved = new Map<string, (() => void)[]>();

  constructor(parts: UpdatesParts) {
    this.parts = parts;
    this.env = parts.env;
    this.locks = parts.locks;
    this.link = parts.link;
  }

  // --- the chain ---------------------------------------------------------------------------------

  /** The link is reset and who waited for a lock refused already. Who waits for an operation is refused; what is
   *  pending starts its way anew. */
  setChain(chain: Chain, forgetting: boolean): void {
    this.chain = chain;
    this.forgetting = forgetting;
    this.resolved.clear();
    this.refuseRunning();
    const active = [...this.operations.values()];
    for (const operation of active) {
      const { waiters } = operation;
      operation.waiters = [];
      for (const waiter of waiters) waiter.refused();
    }
    for (const operation of active) if (operation.persisted) this.advance(operation);
    if (this.role() === 'serving') this.driveAll();
  }

  /** The pending updates and tags of former times are gone from disk. */
  forgotten(): void {
    this.forgetting = false;
  }

  private role(): 'serving' | 'syncing' | undefined {
    const state = this.chain?.targets.find(({ id }) => id === this.parts.self)?.state;
    if (state === 'SERVING') return 'serving';
    return state === 'SYNCING' ? 'syncing' : undefined;
  }

  private refuseRunning(): void {
    const waiting = [...this.running.values()].flat();
    this.running.clear();
    for (const answer of waiting) answer(this.refusal('routing'));
  }

  private refusal(refused: 'routing' | 'fenced' | 'busy'): UpdateAnswer {
    return { ok: false, refused, chainVersion: (this.chain?.version ?? 0) as ChainVer };
  }

  /** Each pending update that nobody works on. Whoever comes later stands behind it. */
  private driveAll(): void {
    for (const chunk of this.env.pendingChunks())
      if (!this.operations.has(chunkKey(chunk)) && !this.locks.isHeld(chunk)) this.drive(chunk);
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

  /** An operation for a pending update that was found, with the lock held. */
  private adopt(chunk: ChunkId, row: ReplicaRow, pending: PendingState): Operation {
    const { version, assigned, tag, remove } = pending;
    const identity = { version, assigned };
    return this.begin({ chunk, identity, tag, remove, body: undefined, base: row.committed }, true);
  }

  private begin(
    parts: Pick<Operation, 'chunk' | 'identity' | 'tag' | 'remove' | 'body' | 'base'>,
    persisted: boolean,
  ): Operation {
    const operation: Operation = { ...parts, waiters: [], persisted, way: 0 };
    this.operations.set(chunkKey(parts.chunk), operation);
    return operation;
  }

  // --- from a client, at the head ----------------------------------------------------------------

  update(request: UpdateRequest, reply: (answer: UpdateAnswer) => void): void {
    const { chain } = this;
    if (chain === undefined || request.chainVersion !== chain.version) {
      reply(this.refusal('routing'));
      return;
    }
    if (headOf(chain)?.id !== this.parts.self) {
      reply(this.refusal('routing'));
      return;
    }
    if (!this.env.leaseHolds()) {
      reply(this.refusal('fenced'));
      return;
    }
    const { tag, chunk } = request;
    const key = `${tag.session}/${tag.channel}/${tag.sequence}`;
    const others = this.running.get(key);
    if (others !== undefined) {
      others.push(reply);
      return;
    }
    this.running.set(key, [reply]);
    const answer = (value: UpdateAnswer): void => {
      const waiting = this.running.get(key) ?? [];
      this.running.delete(key);
      // The end of the request: what was done without a lease is not said to be done.
      const said = value.ok && !this.env.leaseHolds() ? this.refusal('fenced') : value;
      for (const each of waiting) each(said);
    };
    this.locks.acquire(
      chunk,
      () => this.startClient(request, answer),
      () => undefined,
    );
  }

  private startClient(request: UpdateRequest, answer: (value: UpdateAnswer) => void): void {
    const { chunk, change, tag } = request;
    const row = this.env.row(chunk);
    if (row?.pending !== undefined) {
      // Its holder finishes it first; then the request is looked at anew.
      const operation = this.adopt(chunk, row, row.pending);
      this.queueAgain(request, answer);
      this.advance(operation);
      return;
    }
    const known = this.env.tag(tag.session, tag.channel);
    if (known !== undefined && known.sequence >= tag.sequence) {
      this.locks.release(chunk);
      if (known.sequence > tag.sequence) answer({ ok: false, error: 'CANCELLED' });
      else answer({ ok: true, version: known.version });
      return;
    }
    const refusal: Refusal | undefined = admitUpdate(change, row?.committed);
    if (refusal !== undefined) {
      this.locks.release(chunk);
      answer(refusal);
      return;
    }
    const version = ((row?.committed?.version ?? 0) + 1) as UpdateVer;
    const { version: assigned } = this.chain as Chain;
    const body: UpdateBody = change.kind === 'remove' ? change : { kind: 'change', change };
    const remove = change.kind === 'remove';
    const identity = { version, assigned };
    const base = row?.committed;
    const operation = this.begin({ chunk, identity, tag, remove, body, base }, false);
    operation.waiters.push({
      done: (done) => answer({ ok: true, version: done }),
      refused: () => undefined,
    });
    this.persist(operation, (error) => answer({ ok: false, error }));
  }

  /** Behind the operation that holds the lock now. */
  private queueAgain(request: UpdateRequest, answer: (value: UpdateAnswer) => void): void {
    this.locks.acquire(
      request.chunk,
      () => this.startClient(request, answer),
      () => undefined,
    );
  }

  private persist(
    operation: Operation,
    failed: (error: Extract<StoreOutcome, { ok: false }>['error']) => void,
  ): void {
    const { chunk, identity, tag, body } = operation;
    assert(body !== undefined, 'what is persisted is known');
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

  // --- along the chain ---------------------------------------------------------------------------

  /** The operation's pending record is durable: on to the present successor, or to the end. */
  private advance(operation: Operation): void {
    operation.way++;
    const { chain } = this;
    if (chain === undefined || this.role() === undefined || this.forgetting) {
      // It stays pending on disk: a later chain version says what becomes of it, or it is dropped.
      this.finish(operation);
      return;
    }
    if (successorOf(chain, this.parts.self) === undefined) this.commit(operation);
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
    const pending = this.env.row(chunk)?.pending;
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
      this.forward(operation, { kind: 'full', content: { bytes, crc32c, sealed } });
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

  // --- from the predecessor ----------------------------------------------------------------------

  onForward(message: Forward, reply: (reply: PeerReply) => void): void {
    const waiter: Waiter = {
      done: (_version, crc32c) => reply({ kind: 'done', crc32c }),
      refused: () => reply({ kind: 'other-version' }),
    };
    const operation = this.operations.get(chunkKey(message.chunk));
    if (operation !== undefined && isSameUpdate(operation.identity, message.identity)) {
      operation.waiters.push(waiter);
      return;
    }
    this.locks.acquire(
      message.chunk,
      () => this.startForward(message, reply, waiter),
      () => waiter.refused(),
    );
  }

  private startForward(message: Forward, reply: (reply: PeerReply) => void, waiter: Waiter): void {
    const { chunk } = message;
    const { chain } = this;
    if (chain === undefined || predecessorOf(chain, this.parts.self) === undefined) {
      this.locks.release(chunk);
      waiter.refused();
      return;
    }
    const row = this.env.row(chunk);
    if (this.role() === 'syncing')
      this.parts.filling.forward(message, row, {
        reply: (answer) => {
          this.locks.release(chunk);
          reply(answer);
        },
        apply: () => this.apply(message, row?.committed, waiter),
      });
    else this.follow(message, row, reply, waiter);
  }

  /** At a target that serves: it has exactly what came before. */
  private follow(
    message: Forward,
    row: ReplicaRow | undefined,
    reply: (reply: PeerReply) => void,
    waiter: Waiter,
  ): void {
    const { chunk, identity } = message;
    if (row?.pending !== undefined) {
      const operation = this.adopt(chunk, row, row.pending);
      if (isSameUpdate(row.pending, identity)) operation.waiters.push(waiter);
      else this.afterwards(message, reply, waiter);
      this.advance(operation);
      return;
    }
    const committed = row?.committed;
    const have = committed?.version ?? 0;
    const isRepeat =
      have === identity.version
        ? isSameUpdate(committed, identity)
        : have > identity.version || (committed === undefined && message.remove);
    if (isRepeat) {
      this.locks.release(chunk);
      // A later version may be here: its checksum says nothing of this one.
      const crc32c = have === identity.version ? committed?.crc32c : undefined;
      reply(crc32c === undefined ? { kind: 'done' } : { kind: 'done', crc32c });
      return;
    }
    if (have + 1 !== identity.version) {
      this.env.fatal(
        `chunk ${chunkKey(chunk)}: update ${identity.version} of chain version ${identity.assigned} does not ` +
          `follow ${have} of ${committed?.assigned ?? 0}`,
      );
      return;
    }
    if (message.body === undefined) {
      this.locks.release(chunk);
      reply({ kind: 'need-full' });
      return;
    }
    this.apply(message, committed, waiter);
  }

  private afterwards(message: Forward, reply: (reply: PeerReply) => void, waiter: Waiter): void {
    this.locks.acquire(
      message.chunk,
      () => this.startForward(message, reply, waiter),
      () => waiter.refused(),
    );
  }

  private apply(message: Forward, base: ContentState | undefined, waiter: Waiter): void {
    const { chunk, identity, tag, remove, body } = message;
    const operation = this.begin({ chunk, identity, tag, remove, body, base }, false);
    operation.waiters.push(waiter);
    this.persist(operation, (error) => {
      // Only the head refuses; whoever comes after applies, or leaves.
      this.env.fatal(`chunk ${chunkKey(chunk)}: an update could not be applied: ${error}`);
    });
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
