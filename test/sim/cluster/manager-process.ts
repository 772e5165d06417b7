// A manager process and the rows that managers share: a lease that is renewed by counting, and the chains, each written
// together with a compare of the lease. The rows are linearizable; an answer may get lost.

import type { ChainId } from '../../../core/base/ids.ts';
import type { Chain } from '../../../core/chain/chain.ts';
import type { FencingSettings, Heartbeat, Routing } from '../../../core/chain/membership.ts';
import { Manager } from '../../../core/manager/manager.ts';
import type { FaultPoints } from './fault-points.ts';
import type { Network } from './network.ts';
import { SimProcess } from './process.ts';
import type { StoreProcess } from './store-process.ts';
import type { World } from './world.ts';

/** What the metadata store holds of it. */
export class ManagerRows {
  lease = { holder: '', count: 0 };
  readonly chains = new Map<ChainId, Chain>();
  routing = 0;
  /** Of an answer to get lost. */
  loss = 0;
  /** A transaction may take so much longer. */
  slowMs = 0;
  /** Managers, by name, whose transactions do not arrive until that time. */
  readonly cutOff = new Map<string, number>();

  constructor(chains: readonly Chain[]) {
    for (const chain of chains) this.chains.set(chain.id, chain);
  }

  /** Nobody holds it from now on; what its holder still writes fails. */
  endLease(): void {
    this.lease = { holder: '', count: this.lease.count + 1 };
  }
}

export interface ManagerProcessParts {
  readonly world: World;
  readonly network: Network;
  readonly name: string;
  readonly rows: ManagerRows;
  readonly fencing: FencingSettings;
  readonly stores: readonly StoreProcess[];
  readonly points: FaultPoints;
  /** Clients listen, too. */
  readonly listeners: () => readonly { process: SimProcess; onRouting(routing: Routing): void }[];
}

export class ManagerProcess extends SimProcess {
  private readonly parts: ManagerProcessParts;
  private manager: Manager | undefined;
  /** Lease as it was last seen, and since when it has been so. */
  private seen = { count: -1, sinceMs: 0 };

  constructor(parts: ManagerProcessParts) {
    super(parts.name, parts.world, parts.network);
    this.parts = parts;
  }

  get active(): Manager | undefined {
    return this.manager;
  }

  protected override onStart(): void {
    const { managerRenewMs, scanMs } = this.parts.fencing;
    this.seen = { count: -1, sinceMs: this.nowMs };
    this.every(managerRenewMs, () => {
      if (this.manager === undefined) this.campaign();
      else this.renew(this.manager);
    });
    this.every(scanMs, () => this.manager?.scan(this.nowMs));
  }

  protected override onKill(): void {
    this.manager = undefined;
  }

  /** One transaction on the shared rows; the answer takes its time, or gets lost. */
  private transact<T>(run: (rows: ManagerRows) => T, done: (result: T | undefined) => void): void {
    const { rows, world } = this.parts;
    const { prng } = world;
    if ((rows.cutOff.get(this.name) ?? 0) > world.nowMs)
      return this.after(500, () => done(undefined));
    world.after(0.2 + prng.unit() * (1 + rows.slowMs), () => {
      const result = run(rows);
      const lost = prng.chance(rows.loss);
      this.after(lost ? 500 : 0.2 + prng.unit(), () => done(lost ? undefined : result));
    });
  }

  // --- the lease ---------------------------------------------------------------------------------

  /** Takes the lease when nobody renewed it for its whole time, by this process's clock. */
  private campaign(): void {
    const { managerLeaseMs } = this.parts.fencing;
    this.transact(
      ({ lease }) => lease.count,
      (count) => {
        if (count === undefined || this.manager !== undefined) return;
        if (count !== this.seen.count) this.seen = { count, sinceMs: this.nowMs };
        else if (this.nowMs - this.seen.sinceMs > managerLeaseMs) this.take(count);
      },
    );
  }

  private take(count: number): void {
    const sentMs = this.nowMs;
    this.transact(
      (rows) => {
        if (rows.lease.count !== count) return undefined;
        rows.lease = { holder: this.holder, count: count + 1 };
        return { chains: [...rows.chains.values()], routing: rows.routing };
      },
      (taken) => {
        if (taken === undefined || this.manager !== undefined) return;
        const { fencing } = this.parts;
        const manager: Manager = new Manager({
          fencing,
          ...taken,
          nowMs: this.nowMs,
          leaseSentMs: sentMs,
          env: {
            persist: (chain, done) => this.persist(chain, done),
            publish: (routing) => this.publish(routing),
            deposed: () => {
              if (this.manager === manager) this.manager = undefined;
            },
          },
        });
        this.manager = manager;
        this.reach('lease taken');
        this.publish(manager.routing);
      },
    );
  }

  private get holder(): string {
    return `${this.name} ${this.incarnation}`;
  }

  private renew(manager: Manager): void {
    const sentMs = this.nowMs;
    const { holder } = this;
    this.transact(
      (rows) => {
        if (rows.lease.holder !== holder) return false;
        rows.lease = { holder, count: rows.lease.count + 1 };
        return true;
      },
      (ok) => {
        if (ok === true) manager.renewed(sentMs);
        else if (ok === false) manager.depose();
      },
    );
  }

  private persist(chain: Chain, done: (ok: boolean) => void): void {
    const { holder } = this;
    this.transact(
      (rows) => {
        if (rows.lease.holder !== holder) return false;
        rows.chains.set(chain.id, chain);
        rows.routing++;
        return true;
      },
      // An unknown outcome: whoever takes the lease next reads what is there.
      (ok) => {
        this.reach('chain durable');
        done(ok === true);
      },
    );
  }

  private reach(point: string): void {
    this.parts.points.reach(this, point);
  }

  private publish(routing: Routing): void {
    for (const store of this.parts.stores) {
      this.send(store, () => store.onRouting(routing));
      this.reach('publish');
    }
    for (const listener of this.parts.listeners())
      this.send(listener.process, () => listener.onRouting(routing));
  }

  // --- messages ----------------------------------------------------------------------------------

  onHeartbeat(store: StoreProcess, beat: Heartbeat): void {
    const ack = this.manager?.heartbeat(beat, this.nowMs);
    if (ack !== undefined) this.send(store, () => store.onAck(ack));
  }

  onRoutingAsked(from: SimProcess, reply: (routing: Routing) => void): void {
    const routing = this.manager?.routing;
    if (routing !== undefined) this.send(from, () => reply(routing));
  }
}
