// One attempt after another of a call on a chain, until something final is answered or the time is over: whom to ask,
// what a refusal means, when to give an attempt up (design 4.7). The same tag goes with each attempt of an update.

import { CoreError, type ErrorName, isCoreError, toCoreError } from '../base/errors.ts';
import type { StoreId, TargetId } from '../base/ids.ts';
import { limits } from '../base/limits.ts';
import { type Chain, headOf, tailOf, targetsIn } from '../chain/chain.ts';
import type { Clock } from '../env/clock.ts';
import type { RpcClient } from '../rpc/call.ts';
import { refusals } from './chunk-calls.ts';
import type { RoutingCache } from './routing-cache.ts';

/** What answers of chain calls have in common: `refused` is absent when it was done. */
export interface ChainResponse {
  readonly refused?: number | undefined;
  readonly chainVersion?: number | undefined;
}

export interface Attempt {
  readonly rpc: RpcClient;
  readonly target: TargetId;
  readonly chainVersion: number;
  readonly signal: AbortSignal;
  readonly deadlineMs: number;
}

export interface ChainCallsParts {
  readonly clock: Clock;
  readonly routing: RoutingCache;
  /** Way to a store; undefined while nobody said where it is. */
  readonly peer: (store: StoreId) => RpcClient | undefined;
}

export interface ChainCall<Answer extends { readonly response: ChainResponse }> {
  /** For messages. */
  readonly what: string;
  /** Asked again for every attempt: chains change. @throws CoreError UNAVAILABLE */
  readonly chain: () => Chain;
  readonly run: (attempt: Attempt) => Promise<Answer>;
  /** No further attempt is made once it answers true. */
  readonly stopped: () => boolean;
}

/** Failures of one attempt that another one may cure. */
const curable: readonly ErrorName[] = [
  'UNAVAILABLE',
  'DEADLINE_EXCEEDED',
  'BUSY',
  'DISK_OFFLINE',
  'CANCELLED',
];
/** An answer about another chain version comes with the next routing, or soon. */
const pauseMsMax = 250;

export class ChainCalls {
  private readonly parts: ChainCallsParts;
  /** Calls under way, by store. */
  private readonly load = new Map<StoreId, number>();
  /** Until when a replica is avoided. */
  private readonly avoided = new Map<TargetId, number>();
  private turn = 0;

  constructor(parts: ChainCallsParts) {
    this.parts = parts;
  }

  /** An update, at the head. @throws CoreError DEADLINE_EXCEEDED when nobody knows whether it was done */
  async update<Answer extends { readonly response: ChainResponse }>(
    call: ChainCall<Answer>,
  ): Promise<Answer> {
    return this.repeat(call, 'whether it was done is unknown', async () => {
      const chain = call.chain();
      const head = headOf(chain);
      if (head === undefined) throw unserved(chain);
      const stays = (): boolean => headOf(call.chain())?.id === head.id;
      return this.attempt(call, { chain, ...head }, limits.clientAttemptMs, stays);
    });
  }

  /** A read, from the replica that has least to do among those that did not fail lately. */
  async read<Answer extends { readonly response: ChainResponse }>(
    call: ChainCall<Answer>,
  ): Promise<Answer> {
    let askTail = false;
    let patienceMs: number = limits.clientReadPatienceMs;
    let damaged = 0;
    return this.repeat(call, 'no replica answered', async () => {
      const chain = call.chain();
      const target = askTail ? tailOf(chain) : this.choose(chain);
      if (target === undefined) throw unserved(chain);
      const stays = (): boolean =>
        call.chain().targets.some(({ id, state }) => id === target.id && state === 'SERVING');
      try {
        const answer = await this.attempt(call, { chain, ...target }, patienceMs, stays);
        askTail = answer.response.refused === refusals.tail;
        if (answer.response.refused === refusals.fenced) this.avoid(target.id);
        return answer;
      } catch (error) {
        this.avoid(target.id);
        patienceMs = Math.min(2 * patienceMs, limits.clientAttemptMs);
        // Its own copy is damaged: the others are whole, or all say so.
        if (!isCoreError(error, 'CORRUPT') || ++damaged >= chain.targets.length) throw error;
        throw new CoreError('UNAVAILABLE', error.message, { cause: error });
      }
    });
  }

  private choose(chain: Chain): { readonly id: TargetId; readonly store: StoreId } | undefined {
    const nowMs = this.parts.clock.now();
    const serving = targetsIn(chain, 'SERVING');
    const sound = serving.filter(({ id }) => (this.avoided.get(id) ?? -Infinity) <= nowMs);
    const candidates = sound.length > 0 ? sound : serving;
    const first = this.turn++ % Math.max(1, candidates.length);
    const turned = [...candidates.slice(first), ...candidates.slice(0, first)];
    const loadOf = (store: StoreId): number => this.load.get(store) ?? 0;
    return turned.reduce<(typeof turned)[number] | undefined>(
      (best, each) => (best === undefined || loadOf(each.store) < loadOf(best.store) ? each : best),
      undefined,
    );
  }

  private avoid(target: TargetId): void {
    this.avoided.set(target, this.parts.clock.now() + limits.clientAvoidMs);
  }

  private async repeat<Answer extends { readonly response: ChainResponse }>(
    call: Pick<ChainCall<Answer>, 'what' | 'stopped'>,
    atTheEnd: string,
    once: () => Promise<Answer>,
  ): Promise<Answer> {
    const { clock, routing } = this.parts;
    const endMs = clock.now() + limits.clientRetryMs;
    let pauseMs: number = limits.clientRetryPauseMsMin;
    for (;;) {
      let why: string;
      try {
        // oxlint-disable-next-line no-await-in-loop -- one attempt after another
        const answer = await once();
        if (answer.response.refused === undefined) return answer;
        why = reasonOf(answer.response);
      } catch (error) {
        const helps = curable.some((name) => isCoreError(error, name));
        if (!helps || call.stopped()) throw error;
        why = toCoreError(error).message;
      }
      if (call.stopped()) throw new CoreError('CANCELLED', `${call.what} was given up`);
      if (clock.now() + pauseMs > endMs)
        throw new CoreError('DEADLINE_EXCEEDED', `${call.what}: ${atTheEnd}: ${why}`);
      // oxlint-disable-next-line no-await-in-loop
      await routing.changed(pauseMs);
      pauseMs = Math.min(2 * pauseMs, pauseMsMax);
    }
  }

  /** @param stays no longer true: the replica is not the one to ask any more, whatever it is doing */
  private async attempt<Answer extends { readonly response: ChainResponse }>(
    call: ChainCall<Answer>,
    at: { readonly chain: Chain; readonly id: TargetId; readonly store: StoreId },
    deadlineMs: number,
    stays: () => boolean,
  ): Promise<Answer> {
    const { routing, peer } = this.parts;
    const rpc = peer(at.store);
    if (rpc === undefined)
      throw new CoreError('UNAVAILABLE', `nobody told where store ${at.store} is`);
    const abort = new AbortController();
    const stop = routing.onChange(() => {
      if (call.stopped() || !stays()) abort.abort();
    });
    this.load.set(at.store, (this.load.get(at.store) ?? 0) + 1);
    try {
      const { version: chainVersion } = at.chain;
      const { signal } = abort;
      return await call.run({ rpc, target: at.id, chainVersion, signal, deadlineMs });
    } finally {
      stop();
      this.load.set(at.store, (this.load.get(at.store) ?? 1) - 1);
    }
  }
}

function reasonOf({ refused, chainVersion }: ChainResponse): string {
  const name = Object.entries(refusals).find(([, number]) => number === refused)?.[0] ?? refused;
  return `a replica of chain version ${chainVersion ?? 0} answered ${name}`;
}

function unserved({ id }: Chain): CoreError {
  return new CoreError('UNAVAILABLE', `no replica of chain ${id} serves`);
}
