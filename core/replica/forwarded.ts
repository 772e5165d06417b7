// Updates that the predecessor forwards (design 4.2). A target that serves has exactly what came before, and knows an
// update again by its identity; it applies what follows, and never refuses it for a reason of its own.

import type { TargetId } from '../base/ids.ts';
import { type Chain, predecessorOf } from '../chain/chain.ts';
import type { ChunkLocks } from './chunk-locks.ts';
import type { Filling } from './filling.ts';
import type { Operations, Waiter } from './operations.ts';
import {
  type ContentState,
  type PeerBody,
  type PeerReply,
  type ReplicaEnv,
  type ReplicaRow,
  chunkKey,
  isNewer,
  isSameUpdate,
} from './types.ts';

type Forward = Extract<PeerBody, { kind: 'forward' }>;
type Reply = (reply: PeerReply) => void;

export interface ForwardedParts {
  readonly env: ReplicaEnv;
  readonly locks: ChunkLocks;
  readonly operations: Operations;
  readonly filling: Filling;
  readonly self: TargetId;
}

export class Forwarded {
  private readonly parts: ForwardedParts;
  private chain: Chain | undefined;

  constructor(parts: ForwardedParts) {
    this.parts = parts;
  }

  setChain(chain: Chain): void {
    this.chain = chain;
  }

  receive(message: Forward, reply: Reply): void {
    const waiter: Waiter = {
      done: (_version, crc32c) => reply({ kind: 'done', crc32c }),
      refused: () => reply({ kind: 'other-version' }),
    };
    const operation = this.parts.operations.find(message.chunk);
    if (operation !== undefined && isSameUpdate(operation.identity, message.identity))
      operation.waiters.push(waiter);
    else this.queue(message, reply, waiter);
  }

  private queue(message: Forward, reply: Reply, waiter: Waiter): void {
    this.parts.locks.acquire(
      message.chunk,
      () => this.start(message, reply, waiter),
      () => waiter.refused(),
    );
  }

  private start(message: Forward, reply: Reply, waiter: Waiter): void {
    const { chunk } = message;
    const { chain } = this;
    const { env, locks, operations, filling, self } = this.parts;
    if (chain === undefined || predecessorOf(chain, self) === undefined) {
      locks.release(chunk);
      waiter.refused();
      return;
    }
    const row = env.row(chunk);
    if (operations.role === 'SYNCING')
      filling.forward(message, row, {
        reply: (answer) => {
          locks.release(chunk);
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
    reply: Reply,
    waiter: Waiter,
  ): void {
    const { chunk, identity } = message;
    const { env, locks } = this.parts;
    if (row?.pending !== undefined) {
      const operation = this.parts.operations.adopt(chunk, row, row.pending);
      if (isSameUpdate(row.pending, identity)) operation.waiters.push(waiter);
      else this.queue(message, reply, waiter);
      this.parts.operations.advance(operation);
      return;
    }
    const committed = row?.committed;
    const have = committed?.version ?? 0;
    if (isRepeat(message, committed)) {
      locks.release(chunk);
      // A later version may be here: its checksum says nothing of this one.
      const crc32c = have === identity.version ? committed?.crc32c : undefined;
      reply(crc32c === undefined ? { kind: 'done' } : { kind: 'done', crc32c });
    } else if (!isSameUpdate(committed, message.base))
      env.fatal(
        `chunk ${chunkKey(chunk)}: update ${identity.version} of chain version ${identity.assigned} does not ` +
          `follow ${have} of ${committed?.assigned ?? 0}`,
      );
    else if (message.body === undefined) {
      locks.release(chunk);
      reply({ kind: 'need-full' });
    } else this.apply(message, committed, waiter);
  }

  private apply(message: Forward, base: ContentState | undefined, waiter: Waiter): void {
    const { chunk, identity, tag, remove, body } = message;
    this.parts.operations.begin({ chunk, identity, tag, remove, body, base }, waiter, (error) => {
      // Only the head refuses; whoever comes after applies, or leaves.
      this.parts.env.fatal(`chunk ${chunkKey(chunk)}: an update could not be applied: ${error}`);
    });
  }
}

/** Whether the update was committed here before. */
function isRepeat({ identity, remove }: Forward, committed: ContentState | undefined): boolean {
  if (committed === undefined) return remove;
  return isSameUpdate(committed, identity) || isNewer(committed, identity);
}
