// Runs the manager of the chains (core/manager) in the process that has the metadata: time, rows and listeners. It is
// the only one on its machine: the lock of the data directory is held as long as the process lives, so the lease is
// taken at once and kept without writing. The rows still compare it (manager-rows.ts).

import { CoreError, toCoreError } from '../base/errors.ts';
import type { StoreId } from '../base/ids.ts';
import { limits } from '../base/limits.ts';
import type { Chain } from '../chain/chain.ts';
import type { FencingSettings, Heartbeat, HeartbeatAck, Routing } from '../chain/membership.ts';
import type { Clock, Timer } from '../env/clock.ts';
import type { Events } from '../env/events.ts';
import { Manager } from '../manager/manager.ts';
import type { MetaStore } from '../meta/meta-store.ts';
import { type StoreSaid, formChains } from './forming.ts';
import { ManagerRows } from './manager-rows.ts';
import type { PlannedChain } from './plan.ts';

export interface ManagerDriverParts {
  readonly store: MetaStore;
  readonly clock: Clock;
  readonly events: Events;
  readonly fencing: FencingSettings;
  /** Chains of a cluster that has none yet. */
  readonly plan: readonly PlannedChain[];
  /** A name that no other process has. */
  readonly holder: string;
}

/** After losing the lease, or the answer to a write: time for the metadata to settle. */
const againMs = 500;

export class ManagerDriver {
  private readonly parts: ManagerDriverParts;
  private readonly rows: ManagerRows;
  private manager: Manager | undefined;
  private forming = false;
  /** Why chains cannot be made. */
  private obstacle: string | undefined;
  private readonly said = new Map<StoreId, StoreSaid>();
  private readonly waiting = new Set<() => void>();
  private readonly listeners = new Set<(routing: Routing) => void>();
  private readonly timers = new Set<Timer>();
  private closed = false;

  private constructor(parts: ManagerDriverParts) {
    this.parts = parts;
    this.rows = new ManagerRows(parts.store, parts.holder);
  }

  static async open(parts: ManagerDriverParts): Promise<ManagerDriver> {
    const driver = new ManagerDriver(parts);
    await driver.take();
    const { scanMs, managerRenewMs } = parts.fencing;
    driver.every(scanMs, async () => driver.manager?.scan(parts.clock.now()));
    driver.every(managerRenewMs, () => driver.renew());
    return driver;
  }

  close(): void {
    this.closed = true;
    for (const timer of this.timers) timer.cancel();
    for (const wake of this.waiting) wake();
  }

  get routing(): Routing | undefined {
    return this.manager?.routing;
  }

  /** Calls `listener` with every routing from now on, and with the present one at once. */
  onRouting(listener: (routing: Routing) => void): void {
    this.listeners.add(listener);
    if (this.manager !== undefined) listener(this.manager.routing);
  }

  get stores(): ReadonlyMap<StoreId, StoreSaid> {
    return this.said;
  }

  explain(): ReturnType<Manager['explain']> {
    return this.manager?.explain(this.parts.clock.now()) ?? [];
  }

  /** Why there are no chains; undefined when there are. */
  get unformed(): string | undefined {
    if (this.manager !== undefined) return undefined;
    return this.obstacle ?? 'waits for the first report of every store';
  }

  // --- calls of stores and clients ---------------------------------------------------------------

  nextProcess(): Promise<number> {
    return this.rows.nextProcess();
  }

  /** @returns undefined when nothing may be acknowledged */
  heartbeat(beat: Heartbeat, offline: string | undefined): HeartbeatAck | undefined {
    const heardMs = this.parts.clock.now();
    const { incarnation } = beat;
    const known = this.said.get(beat.store);
    if (known === undefined || known.incarnation <= incarnation) {
      const reports = new Map(beat.targets.map((report) => [report.target, report]));
      this.said.set(beat.store, { heardMs, incarnation, offline, reports });
    }
    if (this.manager === undefined) void this.form();
    return this.manager?.heartbeat(beat, heardMs);
  }

  /** Something newer than version `known`, or undefined after limits.routingPollMs. @throws CoreError BUSY */
  async newer(known: number): Promise<Routing | undefined> {
    const newest = (): Routing | undefined =>
      this.routing !== undefined && this.routing.version > known ? this.routing : undefined;
    if (newest() === undefined) await this.published(limits.routingPollMs);
    return newest();
  }

  private async published(ms: number): Promise<void> {
    if (this.waiting.size >= limits.routingWaitersMax)
      throw new CoreError('BUSY', `${this.waiting.size} processes wait for routing already`);
    await new Promise<void>((resolve) => {
      const timer = this.parts.clock.after(ms, () => wake());
      const wake = (): void => {
        timer.cancel();
        this.waiting.delete(wake);
        resolve();
      };
      this.waiting.add(wake);
      if (this.closed) wake();
    });
  }

  // --- the lease ---------------------------------------------------------------------------------

  private async take(): Promise<void> {
    const leaseSentMs = this.parts.clock.now();
    const { chains, routing } = await this.rows.take();
    if (chains.length > 0) this.begin(chains, routing, leaseSentMs);
  }

  private begin(chains: readonly Chain[], routing: number, leaseSentMs: number): void {
    const { fencing, clock, events } = this.parts;
    const manager: Manager = new Manager({
      fencing,
      chains,
      routing,
      nowMs: clock.now(),
      leaseSentMs,
      env: {
        persist: (chain, done) => void this.persist(chain, done),
        publish: (published) => this.publish(published),
        deposed: () => {
          if (this.manager !== manager) return;
          this.manager = undefined;
          events.emit('warn', 'manager.deposed');
          this.after(againMs, () => void this.takeAgain());
        },
      },
    });
    this.manager = manager;
    events.emit('info', 'manager.leads', { chains: chains.length, routing });
    this.publish(manager.routing);
  }

  private async takeAgain(): Promise<void> {
    if (this.closed || this.manager !== undefined) return;
    try {
      await this.take();
    } catch (error) {
      const { message } = toCoreError(error);
      this.parts.events.emit('warn', 'manager.lease-not-taken', { error: message });
      this.after(againMs, () => void this.takeAgain());
    }
  }

  private async renew(): Promise<void> {
    const { manager } = this;
    if (manager === undefined) return;
    const sentMs = this.parts.clock.now();
    if (await this.rows.holds()) manager.renewed(sentMs);
    else manager.depose();
  }

  private async persist(chain: Chain, done: (ok: boolean) => void): Promise<void> {
    try {
      done(await this.rows.write([chain]));
    } catch (error) {
      // Perhaps it was written: whoever takes the lease next reads what is there.
      const { message } = toCoreError(error);
      this.parts.events.emit('error', 'manager.chain-not-written', { chain: chain.id, message });
      done(false);
    }
  }

  private publish(routing: Routing): void {
    for (const { id, version, targets } of routing.chains) {
      const states = targets.map(({ id: target, state }) => `${target} ${state}`).join(', ');
      this.parts.events.emit('debug', 'manager.chain', { chain: id, version, states });
    }
    for (const listener of this.listeners) listener(routing);
    for (const wake of this.waiting) wake();
  }

  // --- the first chains --------------------------------------------------------------------------

  /** Makes the planned chains once every store has told the identities of its targets. */
  private async form(): Promise<void> {
    if (this.forming || this.closed) return;
    const formed = formChains(this.parts.plan, this.said);
    this.obstacle = typeof formed === 'string' ? formed : undefined;
    if (typeof formed === 'string') return;
    this.forming = true;
    const sentMs = this.parts.clock.now();
    try {
      if (await this.rows.write(formed)) this.begin(formed, formed.length, sentMs);
    } catch (error) {
      const { message } = toCoreError(error);
      this.parts.events.emit('error', 'manager.chains-not-made', { message });
    } finally {
      this.forming = false;
    }
  }

  // --- time --------------------------------------------------------------------------------------

  private every(ms: number, run: () => Promise<void>): void {
    this.after(ms, () => {
      run()
        .catch((error: unknown) => {
          const { message } = toCoreError(error);
          this.parts.events.emit('warn', 'manager.step-failed', { message });
        })
        .finally(() => this.every(ms, run));
    });
  }

  private after(ms: number, run: () => void): void {
    if (this.closed) return;
    const timer = this.parts.clock.after(ms, () => {
      this.timers.delete(timer);
      run();
    });
    this.timers.add(timer);
  }
}
