// The manager of the chains: it judges who lives, changes chains by `nextChain`, and publishes them (design 4.4). A
// machine that never waits: time and heartbeats come in, rows go out through `persist`, which compares the lease in
// the same transaction. It acknowledges nobody outside its own lease, and judges nobody by time in which it did not
// turn itself.

import type { ChainId, ChainVer, StoreId, TargetId } from '../base/ids.ts';
import { type Chain, type ChainTarget, targetsIn } from '../chain/chain.ts';
import { explainChain } from '../chain/explain.ts';
import { type TargetFacts, nextChain } from '../chain/next-chain.ts';
import type {
  FencingSettings,
  Heartbeat,
  HeartbeatAck,
  Routing,
  TargetReport,
} from '../chain/membership.ts';

export interface ManagerEnv {
  /** Writes the chain if this manager still has the lease; then `done(true)`. `done(false)`: the lease is lost. */
  persist(chain: Chain, done: (ok: boolean) => void): void;
  /** To all stores and clients that listen. */
  publish(routing: Routing): void;
  /** Now or later another manager acts: this one has nothing to say any more. */
  deposed(): void;
}

interface StoreFacts {
  incarnation: number;
  sequence: number;
  heardMs: number;
  readonly reports: Map<TargetId, TargetReport>;
}

export interface ManagerParts {
  readonly fencing: FencingSettings;
  readonly env: ManagerEnv;
  readonly chains: readonly Chain[];
  /** Of the last published routing, which the new one follows. */
  readonly routing: number;
  /** When the lease was taken: the former one had ended by then. */
  readonly nowMs: number;
  /** Send time of the renewal that was confirmed last. */
  readonly leaseSentMs: number;
}

export class Manager {
  private readonly parts: ManagerParts;
  private readonly chains = new Map<ChainId, Chain>();
  private readonly stores = new Map<StoreId, StoreFacts>();
  private readonly chainOf = new Map<TargetId, ChainId>();
  /** When each target's lease was renewed last. */
  private readonly renewedMs = new Map<TargetId, number>();
  /** Asked to leave, and not gone yet. */
  private readonly demoting = new Set<TargetId>();
  private readonly changing = new Set<ChainId>();
  private routingVersion: number;
  private leaseSentMs: number;
  private turnedMs: number;
  /** Nobody is judged by silence before this. */
  private newSinceMs: number;
  private over = false;

  constructor(parts: ManagerParts) {
    this.parts = parts;
    this.routingVersion = parts.routing + 1;
    this.leaseSentMs = parts.leaseSentMs;
    this.turnedMs = parts.nowMs;
    this.newSinceMs = parts.nowMs;
    for (const chain of parts.chains) {
      this.chains.set(chain.id, chain);
      for (const { id } of chain.targets) this.chainOf.set(id, chain.id);
    }
  }

  get routing(): Routing {
    return { version: this.routingVersion, chains: [...this.chains.values()] };
  }

  /** A renewal of the lease was confirmed that was sent then. */
  renewed(sentMs: number): void {
    this.leaseSentMs = Math.max(this.leaseSentMs, sentMs);
  }

  private holdsLease(nowMs: number): boolean {
    return !this.over && nowMs - this.leaseSentMs < this.parts.fencing.managerLeaseMs;
  }

  /** Another manager has the lease. */
  depose(): void {
    if (this.over) return;
    this.over = true;
    this.parts.env.deposed();
  }

  // --- heartbeats --------------------------------------------------------------------------------

  /** @returns undefined when nothing may be acknowledged */
  heartbeat(beat: Heartbeat, nowMs: number): HeartbeatAck | undefined {
    this.turn(nowMs);
    if (!this.holdsLease(nowMs) || !this.note(beat, nowMs)) return undefined;
    const ours = beat.targets.filter(({ target }) => this.chainOf.has(target));
    const demoted = ours.map(({ target }) => target).filter((target) => this.demoting.has(target));
    const renewed = ours.filter((report) => this.mayRenew(report)).map(({ target }) => target);
    for (const target of renewed) this.renewedMs.set(target, nowMs);
    const { incarnation, sentMs } = beat;
    const ack = { incarnation, sentMs, renewed, demoted };
    return beat.routing < this.routingVersion ? { ...ack, routing: this.routing } : ack;
  }

  /** @returns false for a heartbeat that is older than what is known */
  private note(beat: Heartbeat, nowMs: number): boolean {
    const known = this.stores.get(beat.store);
    if (known !== undefined) {
      if (beat.incarnation < known.incarnation) return false;
      if (beat.incarnation === known.incarnation && beat.sequence <= known.sequence) return false;
    }
    const reports = new Map(beat.targets.map((report) => [report.target, report]));
    const { incarnation, sequence } = beat;
    this.stores.set(beat.store, { incarnation, sequence, heardMs: nowMs, reports });
    for (const { target, local } of beat.targets)
      if (local === 'OFFLINE') this.demoting.delete(target);
    return true;
  }

  /** Only who serves by the present chain is kept serving; who is asked to leave is renewed no more. */
  private mayRenew({ target, local }: TargetReport): boolean {
    if (local === 'OFFLINE' || this.demoting.has(target)) return false;
    const chain = this.chains.get(this.chainOf.get(target) as ChainId);
    // A change that leaves it out may be on its way to disk.
    if (chain === undefined || this.changing.has(chain.id)) return false;
    return chain.targets.some(({ id, state }) => id === target && state === 'SERVING');
  }

  // --- judgement ---------------------------------------------------------------------------------

  /** Call every `scanMs`. */
  scan(nowMs: number): void {
    this.turn(nowMs);
    if (!this.holdsLease(nowMs)) return;
    for (const chain of this.chains.values())
      if (!this.changing.has(chain.id)) this.judge(chain, nowMs);
  }

  /** Time in which this process did not turn is no evidence against anybody. */
  private turn(nowMs: number): void {
    if (nowMs - this.turnedMs > this.parts.fencing.managerGapMs) this.newSinceMs = nowMs;
    this.turnedMs = nowMs;
  }

  private judge(chain: Chain, nowMs: number): void {
    const next = nextChain(chain, (target) => this.factsOf(chain, target, nowMs));
    if (next !== chain) this.change(next);
  }

  private change(next: Chain): void {
    this.changing.add(next.id);
    this.parts.env.persist(next, (ok) => {
      if (this.over) return;
      if (!ok) {
        this.depose();
        return;
      }
      this.changing.delete(next.id);
      this.chains.set(next.id, next);
      for (const { id, state } of next.targets) if (state !== 'SERVING') this.demoting.delete(id);
      this.routingVersion++;
      this.parts.env.publish(this.routing);
    });
  }

  private factsOf(chain: Chain, id: TargetId, nowMs: number): TargetFacts {
    const target = chain.targets.find((it) => it.id === id) as ChainTarget;
    const store = this.stores.get(target.store);
    const report = store?.reports.get(id);
    const { deadMs } = this.parts.fencing;
    const heard = Math.max(
      store?.heardMs ?? -Infinity,
      this.renewedMs.get(id) ?? -Infinity,
      this.newSinceMs,
    );
    const { identity, completeSince } = target;
    const renewed = Math.max(this.renewedMs.get(id) ?? -Infinity, this.newSinceMs);
    // Silent for so long, or asked to leave and renewed no more for so long: its lease has ended by itself.
    if (nowMs - heard > deadMs || (this.demoting.has(id) && nowMs - renewed > deadMs))
      return { local: 'OFFLINE', identity: report?.identity, noted: report?.noted ?? zero };
    if (report === undefined) {
      // Not heard of yet, and not to be judged: who serves goes on as it is.
      const serves = target.state === 'SERVING' || target.state === 'SYNCING';
      return serves
        ? { local: 'ONLINE', identity, noted: completeSince }
        : { local: 'OFFLINE', identity: undefined, noted: zero };
    }
    const { noted, local, chainVersion } = report;
    // What was said under another version says only that it lives.
    const current = local === 'UPTODATE' && chainVersion !== chain.version ? 'ONLINE' : local;
    return { local: current, identity: report.identity, noted };
  }

  // --- operators ---------------------------------------------------------------------------------

  /** The target is asked to leave its chain; it may come back as one to be filled. */
  demote(target: TargetId): void {
    const chain = this.chains.get(this.chainOf.get(target) as ChainId);
    const serving = chain === undefined ? [] : targetsIn(chain, 'SERVING');
    // The last one would take the data with it.
    if (serving.length > 1 && serving.some(({ id }) => id === target)) this.demoting.add(target);
  }

  /** Why targets do not serve. */
  explain(nowMs: number) {
    return [...this.chains.values()].flatMap((chain) =>
      explainChain(chain, (target) => this.factsOf(chain, target, nowMs)).map((reason) => ({
        chain: chain.id,
        ...reason,
      })),
    );
  }
}

const zero = 0 as ChainVer;
