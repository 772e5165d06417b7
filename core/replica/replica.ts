// One target as a member of its chain: a machine that never waits (design 4.2, 4.3, 4.5). It takes requests of clients,
// messages of other replicas and new versions of the chain, and acts through `ReplicaEnv`. Whoever drives it gives it
// a new chain version before any message that names it, and nothing after `fatal`.

import type { TargetId } from '../base/ids.ts';
import { type Chain, type PublicState, predecessorOf, successorOf } from '../chain/chain.ts';
import { ChunkLocks } from './chunk-locks.ts';
import { Filling } from './filling.ts';
import { Forwarded } from './forwarded.ts';
import { Head } from './head.ts';
import { PredecessorGate, SuccessorLink } from './links.ts';
import { Operations } from './operations.ts';
import { Reads } from './reads.ts';
import { Resync } from './resync.ts';
import { digestOf } from './slices.ts';
import type {
  PeerBody,
  PeerReply,
  ReadAnswer,
  ReadRequest,
  ReplicaEnv,
  ReplicaMessage,
  ReplicaSettings,
  SnapshotRow,
  UpdateAnswer,
  UpdateRequest,
} from './types.ts';

export interface ReplicaParts {
  readonly self: TargetId;
  /** Of this process; no two that served the target have the same. */
  readonly incarnation: number;
  readonly env: ReplicaEnv;
  readonly settings: ReplicaSettings;
}

export class Replica {
  private readonly parts: ReplicaParts;
  private readonly locks = new ChunkLocks();
  private readonly link: SuccessorLink;
  private readonly gate = new PredecessorGate();
  private readonly filling: Filling;
  private readonly operations: Operations;
  private readonly head: Head;
  private readonly forwarded: Forwarded;
  private readonly reads: Reads;
  private readonly resync: Resync;
  private chain: Chain | undefined;
  /** SYNCING: the pending updates and tags of former times are dropped, and calls may be looked at. */
  private forgotten = false;
  private readonly early: (() => void)[] = [];

  constructor(parts: ReplicaParts) {
    const { env, settings, self, incarnation } = parts;
    this.parts = parts;
    this.link = new SuccessorLink(env, settings, incarnation);
    const { locks, link } = this;
    this.filling = new Filling({ env, locks });
    const { filling } = this;
    this.operations = new Operations({ env, locks, link, self });
    const { operations } = this;
    this.head = new Head({ env, locks, operations, self });
    this.forwarded = new Forwarded({ env, locks, operations, filling, self });
    this.reads = new Reads({ env, settings, operations, self, incarnation });
    this.resync = new Resync({ env, settings, locks, link, self });
  }

  get chainVersion(): number {
    return this.chain?.version ?? 0;
  }

  /** By the chain version that it acts under. */
  get state(): PublicState | undefined {
    return this.chain?.targets.find(({ id }) => id === this.parts.self)?.state;
  }

  /** A newer version of the chain; it is noted on disk already when this target serves in it. */
  setChain(chain: Chain): void {
    if (chain.version <= this.chainVersion) return;
    const { self, env } = this.parts;
    this.chain = chain;
    this.gate.reset();
    this.early.length = 0;
    this.link.reset(chain.version, successorOf(chain, self)?.id);
    // Before any lock falls free: who waits for one came under another version.
    this.locks.refuseWaiting();
    this.resync.dropLocks();
    this.reads.setChain(chain);
    const { state } = this;
    this.forgotten = state !== 'SYNCING';
    if (state === 'SYNCING') {
      env.persist({ kind: 'forget' }, () => {
        if (this.chain !== chain) return;
        this.forgotten = true;
        this.operations.forgotten();
        for (const run of this.early.splice(0)) run();
      });
    }
    this.filling.setChain(chain);
    this.forwarded.setChain(chain);
    this.head.setChain(chain);
    this.operations.setChain(chain, !this.forgotten);
    this.resync.setChain(chain);
  }

  update(request: UpdateRequest, reply: (answer: UpdateAnswer) => void): void {
    this.head.update(request, reply);
  }

  read(request: ReadRequest, reply: (answer: ReadAnswer) => void): void {
    this.reads.read(request, reply);
  }

  receive(from: TargetId, message: ReplicaMessage): void {
    switch (message.kind) {
      case 'call':
        this.onCall(from, message);
        return;
      case 'reply':
        this.link.onReply(message);
        return;
      case 'query':
        this.reads.onQuery(message, (answer) => this.parts.env.send(from, answer));
        return;
      case 'queried':
        this.reads.onQueried(message);
    }
  }

  private onCall(from: TargetId, message: Extract<ReplicaMessage, { kind: 'call' }>): void {
    const { chain } = this;
    const { self, env } = this.parts;
    const { chainVersion, incarnation, call, body } = message;
    const reply = (answer: PeerReply): void =>
      env.send(from, { kind: 'reply', chainVersion, incarnation, call, reply: answer });
    if (
      chain === undefined ||
      chain.version !== chainVersion ||
      predecessorOf(chain, self)?.id !== from
    ) {
      reply({ kind: 'other-version' });
      return;
    }
    if (!this.gate.admits(message)) return;
    if (this.forgotten) this.handle(body, reply);
    else this.early.push(() => this.handle(body, reply));
  }

  private handle(body: PeerBody, reply: (answer: PeerReply) => void): void {
    const { env, settings } = this.parts;
    switch (body.kind) {
      case 'forward':
        this.forwarded.receive(body, reply);
        return;
      case 'sync-rows':
        this.snapshot(body, reply);
        return;
      case 'sync-write':
        this.filling.onWrite(body, reply);
        return;
      case 'sync-remove':
        this.filling.onRemove(body.chunk, reply);
        return;
      case 'sync-tags':
        env.persist({ kind: 'tags', entries: body.entries }, () => reply({ kind: 'done' }));
        return;
      case 'sync-digest': {
        const { slices, syncRows: page } = settings;
        digestOf(env, { slice: body.slice, slices, page }, (digest) =>
          reply({ kind: 'digest', digest }),
        );
        return;
      }
      case 'sync-done':
        this.complete(reply);
        return;
      case 'sync-failed':
        env.fatal(`it cannot be filled: ${body.reason}`);
    }
  }

  private snapshot(
    { after, limit }: Extract<PeerBody, { kind: 'sync-rows' }>,
    reply: (answer: PeerReply) => void,
  ): void {
    this.parts.env.rows(after, limit, (rows) => {
      const known = rows.flatMap(([chunk, { committed }]): SnapshotRow[] =>
        committed === undefined ? [] : [{ chunk, ...committed }],
      );
      const upTo = rows.length < limit ? undefined : rows.at(-1)?.[0];
      reply({ kind: 'rows', rows: known, upTo });
    });
  }

  /** Filled: the version is noted before anybody counts on it (completeSince of core/chain). */
  private complete(reply: (answer: PeerReply) => void): void {
    const { chain } = this;
    const { env } = this.parts;
    if (chain === undefined) return;
    env.persist({ kind: 'note', version: chain.version }, () => {
      if (this.chain !== chain) return;
      env.upToDate();
      reply({ kind: 'done' });
    });
  }
}
