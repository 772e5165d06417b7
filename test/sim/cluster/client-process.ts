// A client of the simulation: writes through heads, reads from any serving replica, tries again with the same tag, and
// writes down what it did and when. It keeps only routing; everything else it knows is in its history.

import { Buffer } from 'node:buffer';
import { crc32c } from '../../../core/base/crc32c.ts';
import type { ChainId, ChunkId, SessionId, TargetId } from '../../../core/base/ids.ts';
import { type Chain, headOf, tailOf, targetsIn } from '../../../core/chain/chain.ts';
import type { Routing } from '../../../core/chain/membership.ts';
import type { ReadAnswer, RefusalReason, UpdateAnswer } from '../../../core/replica/types.ts';
import type { ChunkChange, UpdateTag } from '../../../core/store/types.ts';
import type { HistoryEntry } from './history.ts';
import type { ManagerProcess } from './manager-process.ts';
import type { Network } from './network.ts';
import { SimProcess } from './process.ts';
import type { StoreProcess } from './store-process.ts';
import type { World } from './world.ts';

export interface ClientProcessParts {
  readonly world: World;
  readonly network: Network;
  readonly number: number;
  readonly storeOf: (target: TargetId) => StoreProcess;
  readonly managers: () => readonly ManagerProcess[];
  readonly chainOf: (chunk: ChunkId) => ChainId;
  readonly chunks: readonly ChunkId[];
  readonly history: HistoryEntry[];
  /** How often it asks for routing when nobody told it that its own is old. */
  readonly pollMs: number;
  /** Share of the answers to updates that never arrive. */
  readonly answerLoss: () => number;
}

const attemptMs = 700;
const giveUpMs = 12_000;
const pauseMs = 40;

interface Attempt<Answer> {
  readonly startedMs: number;
  send(chain: Chain, reply: (answer: Answer) => void): boolean;
  /** @param newest whether nothing was sent since what it answers */
  answered(answer: Answer, newest: boolean): boolean;
  gaveUp(): void;
}

export class ClientProcess extends SimProcess {
  private readonly parts: ClientProcessParts;
  private routing: Routing | undefined;
  private sequence = 0;
  private readonly channels: number[];
  /** Ends the loops. */
  stopped = false;
  running = 0;

  constructor(parts: ClientProcessParts) {
    super(`client ${parts.number}`, parts.world, parts.network);
    this.parts = parts;
    this.channels = Array.from({ length: 4 }, (_, channel) => channel);
  }

  protected override onStart(): void {
    this.askRouting();
    this.every(this.parts.pollMs, () => this.askRouting());
  }

  protected override onKill(): void {
    this.stopped = true;
  }

  private askRouting(): void {
    for (const manager of this.parts.managers())
      this.send(manager, () => manager.onRoutingAsked(this, (routing) => this.onRouting(routing)));
  }

  /** @returns that the operation goes on */
  private refused(reason: RefusalReason): false {
    if (reason === 'routing') this.askRouting();
    return false;
  }

  onRouting(routing: Routing): void {
    if (routing.version > (this.routing?.version ?? -1)) this.routing = routing;
  }

  /** One operation after the other until `stopped`. */
  loop(thinkMs: number): void {
    if (this.stopped) return;
    this.operation(() => this.after(this.world.prng.unit() * thinkMs, () => this.loop(thinkMs)));
  }

  private operation(done: () => void): void {
    const { prng } = this.world;
    const chunk = prng.pick(this.parts.chunks);
    const chosen = prng.below(20);
    if (chosen < 9) this.read(chunk, undefined, done);
    else this.update(chunk, this.change(chosen), done);
  }

  private change(chosen: number): ChunkChange {
    const { prng } = this.world;
    if (chosen === 19) return { kind: 'remove' };
    if (chosen === 18) return { kind: 'truncate', length: prng.below(48) };
    const bytes = Buffer.from(`${this.parts.number}.${this.sequence};`);
    const offset = prng.chance(0.5) ? 0 : prng.below(40);
    return { kind: 'write', offset, bytes, crc32c: crc32c(bytes) };
  }

  update(chunk: ChunkId, change: ChunkChange, done: () => void): void {
    const channel = this.channels.shift() ?? 0;
    const session = this.parts.number as SessionId;
    const tag: UpdateTag = { session, channel, sequence: ++this.sequence };
    const entry: HistoryEntry = {
      client: this.parts.number,
      chunk,
      operation: change,
      tag,
      startMs: this.world.nowMs,
      endMs: undefined,
      outcome: undefined,
    };
    this.parts.history.push(entry);
    const end = (): void => {
      this.channels.push(channel);
      done();
    };
    this.attempt<UpdateAnswer>(chunk, {
      startedMs: this.world.nowMs,
      send: (chain, reply) => {
        const head = headOf(chain);
        if (head === undefined) return false;
        const request = { chainVersion: chain.version, chunk, change, tag };
        const store = this.parts.storeOf(head.id);
        this.send(store, () =>
          store.update(head.id, request, (answer) => {
            if (!this.world.prng.chance(this.parts.answerLoss()))
              store.send(this, () => reply(answer));
          }),
        );
        return true;
      },
      answered: (answer, newest) => {
        if (!answer.ok && 'refused' in answer) return this.refused(answer.refused);
        // What was sent since, under a newer chain version, may still have the effect.
        if (!answer.ok && !newest) return false;
        // CANCELLED: superseded by a later use of the channel; nothing is said about the effect.
        if (answer.ok) this.end(entry, { kind: 'done' });
        else if (answer.error !== 'CANCELLED')
          this.end(entry, { kind: 'error', error: answer.error });
        end();
        return true;
      },
      gaveUp: end,
    });
  }

  /** @param from the target to ask; any that serves when undefined */
  read(chunk: ChunkId, from: TargetId | undefined, done: () => void): void {
    const entry: HistoryEntry = {
      client: this.parts.number,
      chunk,
      operation: { kind: 'read' },
      startMs: this.world.nowMs,
      endMs: undefined,
      outcome: undefined,
    };
    let askTail = false;
    this.attempt<ReadAnswer>(chunk, {
      startedMs: this.world.nowMs,
      send: (chain, reply) => {
        const serving = targetsIn(chain, 'SERVING');
        if (serving.length === 0) return false;
        const chosen = askTail ? tailOf(chain)?.id : this.world.prng.pick(serving).id;
        const target = from ?? chosen;
        if (target === undefined) return false;
        const request = { chainVersion: chain.version, chunk, offset: 0, length: 1 << 20 };
        const store = this.parts.storeOf(target);
        this.send(store, () =>
          store.read(target, request, (answer) => store.send(this, () => reply(answer))),
        );
        return true;
      },
      answered: (answer) => {
        if (answer.ok) {
          this.parts.history.push(entry);
          this.end(entry, { kind: 'bytes', bytes: Buffer.from(answer.bytes).toString('latin1') });
        } else if ('refused' in answer) {
          askTail = answer.refused === 'tail';
          return this.refused(answer.refused);
        } else {
          this.parts.history.push(entry);
          this.end(entry, { kind: 'error', error: answer.error });
        }
        done();
        return true;
      },
      gaveUp: done,
    });
  }

  private end(entry: HistoryEntry, outcome: HistoryEntry['outcome']): void {
    entry.endMs = this.world.nowMs;
    entry.outcome = outcome;
  }

  /** Sends until something final is answered, or for so long. */
  private attempt<Answer>(chunk: ChunkId, attempt: Attempt<Answer>): void {
    this.running++;
    let over = false;
    let number = 0;
    const once = (): void => {
      if (over) return;
      if (this.world.nowMs - attempt.startedMs > giveUpMs) {
        over = true;
        this.running--;
        attempt.gaveUp();
        return;
      }
      const mine = ++number;
      const again = (ms: number): void =>
        this.after(ms, () => {
          if (mine === number) once();
        });
      const id = this.parts.chainOf(chunk);
      const chain = this.routing?.chains.find((it) => it.id === id);
      const sent =
        chain !== undefined &&
        attempt.send(chain, (answer) => {
          if (over) return;
          if (attempt.answered(answer, mine === number)) {
            over = true;
            this.running--;
          } else again(pauseMs);
        });
      again(sent ? attemptMs : pauseMs * 3);
    };
    once();
  }
}
