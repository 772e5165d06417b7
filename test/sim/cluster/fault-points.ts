// Steps of a process at which it can die: every write that is begun and that is durable, every commit, every kind of
// message sent, and those of a manager. A point that no run of many hits is a fault of the simulation.

import type { ReplicaMessage, StoreWrite } from '../../../core/replica/types.ts';
import { Crashed, type SimProcess } from './process.ts';
import type { World } from './world.ts';

const writes = ['pending', 'replace', 'erase', 'forget', 'tags', 'note'] as const;
const calls = [
  'forward',
  'sync-rows',
  'sync-write',
  'sync-remove',
  'sync-tags',
  'sync-digest',
  'sync-done',
] as const;
const replies = ['done', 'need-full', 'rows', 'digest'] as const;

export const storePoints: readonly string[] = [
  ...writes.map((kind) => `persist ${kind}`),
  ...writes.map((kind) => `durable ${kind}`),
  'commit',
  ...calls.map((kind) => `send ${kind}`),
  ...replies.map((kind) => `answer ${kind}`),
  'query',
  'queried',
];
export const managerPoints: readonly string[] = ['lease taken', 'chain durable', 'publish'];

/** At most so many wait for their step at the same time; an older one gives way. */
const armedMax = 4;

interface Armed {
  readonly process: SimProcess;
  readonly point: string;
  readonly downMs: number;
}

export class FaultPoints {
  private readonly world: World;
  private armed: Armed[] = [];
  readonly hits = new Map<string, number>();

  constructor(world: World) {
    this.world = world;
  }

  /** The process dies the next time that it takes this step, and comes back after `downMs`. */
  arm(armed: Armed): void {
    if (this.armed.length === armedMax) this.armed.shift();
    this.armed.push(armed);
  }

  disarm(): void {
    this.armed = [];
  }

  /** The process takes the step. @throws Crashed when it dies there */
  reach(process: SimProcess, point: string): void {
    if (this.armed.length === 0) return;
    const armed = this.armed.find((it) => it.process === process && it.point === point);
    if (armed === undefined || !process.alive) return;
    this.armed = this.armed.filter((it) => it !== armed);
    this.hits.set(point, (this.hits.get(point) ?? 0) + 1);
    process.kill();
    this.world.after(armed.downMs, () => process.start());
    throw new Crashed();
  }
}

export function pointOfWrite(stage: 'persist' | 'durable', { kind }: StoreWrite): string {
  return `${stage} ${kind}`;
}

export function pointOfMessage(message: ReplicaMessage): string {
  if (message.kind === 'call') return `send ${message.body.kind}`;
  return message.kind === 'reply' ? `answer ${message.reply.kind}` : message.kind;
}
