// A store process: a host with its targets, on disks that outlive it.

import type { StoreId, TargetId } from '../../../core/base/ids.ts';
import type { FencingSettings, HeartbeatAck, Routing } from '../../../core/chain/membership.ts';
import { StoreHost } from '../../../core/replica/host.ts';
import type {
  ReadAnswer,
  ReadRequest,
  ReplicaMessage,
  ReplicaSettings,
  UpdateAnswer,
  UpdateRequest,
} from '../../../core/replica/types.ts';
import type { FaultPoints } from './fault-points.ts';
import type { ManagerProcess } from './manager-process.ts';
import type { Network } from './network.ts';
import type { Observer } from './observer.ts';
import { SimProcess } from './process.ts';
import type { ClusterTarget, MakeTarget } from './sim-target.ts';
import { DiskImage } from './target-disk.ts';
import type { World } from './world.ts';

/** A store whose disk failed is looked after. */
const replacedMs = 3000;

export interface StoreProcessParts {
  readonly world: World;
  readonly network: Network;
  readonly observer: Observer;
  readonly store: StoreId;
  readonly targets: readonly TargetId[];
  readonly fencing: FencingSettings;
  readonly settings: ReplicaSettings;
  /** Of any target in the cluster. */
  readonly storeOf: (target: TargetId) => StoreProcess;
  readonly managers: () => readonly ManagerProcess[];
  readonly points: FaultPoints;
  readonly onFatal: (store: StoreProcess, target: TargetId, reason: string) => void;
  readonly makeTarget: MakeTarget;
}

export class StoreProcess extends SimProcess {
  private readonly parts: StoreProcessParts;
  readonly disks = new Map<TargetId, DiskImage>();
  /** What each disk was before it was filled the last time. */
  readonly copies = new Map<TargetId, DiskImage>();
  private targets = new Map<TargetId, ClusterTarget>();
  private host: StoreHost | undefined;
  private readonly serving = new Set<TargetId>();
  private identities = 0;

  constructor(parts: StoreProcessParts) {
    super(`store ${parts.store}`, parts.world, parts.network);
    this.parts = parts;
    for (const target of parts.targets) this.wipe(target);
  }

  get store(): StoreId {
    return this.parts.store;
  }

  /** An empty disk in the target's place; only while the process is dead. */
  wipe(target: TargetId): void {
    const identity = `disk ${target}.${++this.identities}`;
    this.disks.set(target, new DiskImage(identity));
  }

  /** In the place of the present one; only while the process is dead. */
  putDisk(target: TargetId, disk: DiskImage): void {
    this.disks.set(target, disk);
  }

  target(id: TargetId): ClusterTarget | undefined {
    return this.targets.get(id);
  }

  protected override onStart(): void {
    this.targets = new Map(
      [...this.disks].map(([id, image]) => [id, this.openTarget(id, image)] as const),
    );
    const { targets } = this;
    let opening = targets.size;
    for (const target of targets.values())
      target.open(() => {
        if (--opening === 0 && targets === this.targets) this.serve();
      });
  }

  private serve(): void {
    const { fencing, settings, store } = this.parts;
    const targets = [...this.targets].map(([id, { noted, env }]) => {
      const identity = this.disks.get(id)?.identity ?? '';
      return { id, identity, noted, env };
    });
    this.host = new StoreHost({
      store,
      incarnation: this.incarnation,
      targets,
      fencing,
      settings,
      now: () => this.nowMs,
      changed: () => this.after(0, () => this.beat()),
      failed: (target, reason) => this.parts.onFatal(this, target, reason),
    });
    this.beat();
    this.every(fencing.heartbeatMs, () => this.beat());
  }

  /** Whatever happens in this process may make a target serve. */
  override run(what: () => void): void {
    super.run(() => {
      what();
      for (const id of this.targets.keys()) {
        const serves = this.host?.replica(id)?.state === 'SERVING';
        if (serves && !this.serving.has(id)) this.parts.observer.serves(id);
        if (serves) this.serving.add(id);
        else this.serving.delete(id);
      }
    });
  }

  private openTarget(id: TargetId, image: DiskImage): ClusterTarget {
    const { world, observer } = this.parts;
    return this.parts.makeTarget({
      world,
      id,
      image,
      send: (to, message) => {
        const store = this.parts.storeOf(to);
        this.send(store, () => store.receive(id, to, message));
      },
      later: (ms, run) => this.after(ms, run),
      observer,
      forgets: (copy) => this.copies.set(id, copy),
      reach: (point) => this.parts.points.reach(this, point),
      serves: () => this.host?.replica(id)?.state === 'SERVING',
      // A failed sync ends the disk; this store has one, so the process ends.
      onIoError: () => this.replace(),
    });
  }

  /** It goes down, and comes back after a while with what was wrong mended. */
  replace(): void {
    this.kill();
    this.world.after(replacedMs, () => this.start());
  }

  protected override onKill(): void {
    for (const target of this.targets.values()) target.crash();
    this.host = undefined;
    this.serving.clear();
  }

  private beat(): void {
    const beat = this.host?.heartbeat();
    if (beat === undefined) return;
    for (const manager of this.parts.managers())
      this.send(manager, () => manager.onHeartbeat(this, beat));
  }

  onAck(ack: HeartbeatAck): void {
    this.host?.onAck(ack);
  }

  onRouting(routing: Routing): void {
    this.host?.onRouting(routing);
  }

  receive(from: TargetId, to: TargetId, message: ReplicaMessage): void {
    this.host?.replica(to)?.receive(from, message);
  }

  update(target: TargetId, request: UpdateRequest, reply: (answer: UpdateAnswer) => void): void {
    this.host?.replica(target)?.update(request, reply);
  }

  read(target: TargetId, request: ReadRequest, reply: (answer: ReadAnswer) => void): void {
    this.host?.replica(target)?.read(request, reply);
  }
}
