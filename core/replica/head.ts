// Updates of clients, at the head of the chain (design 4.2): it answers what is known by its tag, refuses what has no
// effect whoever tries it, and assigns the next version to the rest.

import type { ErrorName } from '../base/errors.ts';
import type { ChainVer, TargetId, UpdateVer } from '../base/ids.ts';
import { type Chain, headOf } from '../chain/chain.ts';
import type { UpdateTag } from '../store/types.ts';
import { admitUpdate } from './admission.ts';
import type { ChunkLocks } from './chunk-locks.ts';
import type { Operations } from './operations.ts';
import type { ReplicaEnv, UpdateAnswer, UpdateBody, UpdateRequest } from './types.ts';

type Reply = (answer: UpdateAnswer) => void;

export interface HeadParts {
  readonly env: ReplicaEnv;
  readonly locks: ChunkLocks;
  readonly operations: Operations;
  readonly self: TargetId;
}

export class Head {
  private readonly env: ReplicaEnv;
  private readonly locks: ChunkLocks;
  private readonly operations: Operations;
  private readonly self: TargetId;
  private chain: Chain | undefined;
  /** Requests that are queued or run, by tag: a repeated one joins. */
  private readonly running = new Map<string, Reply[]>();
  /** Newest request of each channel that was answered with an error: a copy of it that arrives late must have no
   *  effect either. No copy is admitted under another chain version, so that it is forgotten with this one. One entry
   *  for each channel of the sessions that live (design 4.2: 64 a session). */
  private readonly refused = new Map<
    string,
    { readonly tag: UpdateTag; readonly answer: UpdateAnswer }
  >();

  /** Highest version of a removal that was assigned under this chain version. A chunk that is made anew begins behind
   *  it, or (version, chain version) would name a second update. */
  private removedVersion = 0;

  constructor({ env, locks, operations, self }: HeadParts) {
    this.env = env;
    this.locks = locks;
    this.operations = operations;
    this.self = self;
  }

  /** Who waits is refused; repeated under the new version, the request finds its pending update, or its tag. */
  setChain(chain: Chain): void {
    this.chain = chain;
    const waiting = [...this.running.values()].flat();
    this.running.clear();
    this.refused.clear();
    this.removedVersion = 0;
    for (const reply of waiting) reply(this.refusal('routing'));
  }

  private refusal(refused: 'routing' | 'fenced' | 'busy'): UpdateAnswer {
    return { ok: false, refused, chainVersion: (this.chain?.version ?? 0) as ChainVer };
  }

  update(request: UpdateRequest, reply: Reply): void {
    const { chain } = this;
    if (
      chain === undefined ||
      request.chainVersion !== chain.version ||
      headOf(chain)?.id !== this.self
    ) {
      reply(this.refusal('routing'));
      return;
    }
    if (!this.env.leaseHolds()) {
      reply(this.refusal('fenced'));
      return;
    }
    const { tag } = request;
    const key = `${tag.session}/${tag.channel}/${tag.sequence}`;
    const others = this.running.get(key);
    if (others !== undefined) {
      others.push(reply);
      return;
    }
    this.running.set(key, [reply]);
    this.queue(request, (answer) => {
      const waiting = this.running.get(key) ?? [];
      this.running.delete(key);
      // The end of the request: what was done, or found impossible, without a lease is not said.
      const said = this.env.leaseHolds() ? answer : this.refusal('fenced');
      if (waiting.length > 0) this.remember(tag, said);
      for (const each of waiting) each(said);
    });
  }

  private remember(tag: UpdateTag, answer: UpdateAnswer): void {
    if (!answer.ok && 'error' in answer && answer.error !== 'CANCELLED')
      this.refused.set(channelOf(tag), { tag, answer });
  }

  private queue(request: UpdateRequest, answer: Reply): void {
    this.locks.acquire(
      request.chunk,
      () => this.start(request, answer),
      () => undefined,
    );
  }

  /** Of a request that was answered before, or whose channel was used again since. */
  private knownAnswer(tag: UpdateTag): UpdateAnswer | undefined {
    const done = this.env.tag(tag.session, tag.channel);
    const refused = this.refused.get(channelOf(tag));
    const newest = Math.max(done?.sequence ?? 0, refused?.tag.sequence ?? 0);
    if (newest > tag.sequence) return { ok: false, error: 'CANCELLED' };
    if (done?.sequence === tag.sequence) return { ok: true, version: done.version };
    return refused?.tag.sequence === tag.sequence ? refused.answer : undefined;
  }

  private start(request: UpdateRequest, answer: Reply): void {
    const { chunk, change, tag } = request;
    const row = this.env.row(chunk);
    if (row?.pending !== undefined) {
      // Its holder finishes it first; then the request is looked at anew.
      const operation = this.operations.adopt(chunk, row, row.pending);
      this.queue(request, answer);
      this.operations.advance(operation);
      return;
    }
    const known = this.knownAnswer(tag) ?? refusalOf(admitUpdate(change, row?.committed));
    if (known !== undefined) {
      this.locks.release(chunk);
      answer(known);
      return;
    }
    const base = row?.committed;
    const { version: assigned } = this.chain as Chain;
    const version = ((base?.version ?? this.removedVersion) + 1) as UpdateVer;
    const identity = { version, assigned };
    const remove = change.kind === 'remove';
    const { shape } = request;
    if (remove) this.removedVersion = Math.max(this.removedVersion, version);
    const body: UpdateBody = remove ? change : { kind: 'change', change, shape };
    this.operations.begin(
      { chunk, identity, tag, remove, body, base },
      { done: () => answer({ ok: true, version }), refused: () => undefined },
      (error) => answer({ ok: false, error }),
    );
  }
}

function refusalOf(error: ErrorName | undefined): UpdateAnswer | undefined {
  return error === undefined ? undefined : { ok: false, error };
}

function channelOf({ session, channel }: UpdateTag): string {
  return `${session}/${channel}`;
}
