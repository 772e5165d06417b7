// What a target that is being filled takes from its predecessor (design 4.2, 4.5): live updates, whole chunks, removals.
// It has no successor, so that everything is committed as soon as it is durable; and nothing of it counts before the
// target serves.

import { assert } from '../base/assert.ts';
import type { ChunkId } from '../base/ids.ts';
import type { Chain } from '../chain/chain.ts';
import type { UpdateTag } from '../store/types.ts';
import type { ChunkLocks } from './chunk-locks.ts';
import {
  type ContentState,
  type FullContent,
  type PeerBody,
  type PeerReply,
  type ReplicaEnv,
  type ReplicaRow,
  type StoreWrite,
  type UpdateIdentity,
  isNewer,
  isSameContent,
  isSameUpdate,
} from './types.ts';

type Reply = (reply: PeerReply) => void;

export class Filling {
  private readonly env: ReplicaEnv;
  private readonly locks: ChunkLocks;
  private chain: Chain | undefined;

  constructor({ env, locks }: { readonly env: ReplicaEnv; readonly locks: ChunkLocks }) {
    this.env = env;
    this.locks = locks;
  }

  setChain(chain: Chain): void {
    this.chain = chain;
  }

  /** A live update, with the chunk's lock held: a change needs exactly the base that the sender had.
   *  @param then `reply` answers and lets go of the lock; `apply` goes on as with any update */
  forward(
    message: Extract<PeerBody, { kind: 'forward' }>,
    row: ReplicaRow | undefined,
    then: { readonly reply: Reply; readonly apply: () => void },
  ): void {
    const { chunk, identity, body, remove, tag } = message;
    const committed = row?.committed;
    assert(row?.pending === undefined, 'pending updates were dropped before SYNCING');
    if (committed !== undefined && isSameUpdate(committed, identity))
      then.reply({ kind: 'done', crc32c: committed.crc32c });
    else if (this.isNewerOfThisChain(committed, identity)) then.reply({ kind: 'done' });
    else if (remove)
      this.write({ kind: 'erase', chunk, identity, tag }, { kind: 'done', crc32c: 0 }, then.reply);
    else if (body?.kind === 'change' && isSameContent(committed, message.base)) then.apply();
    else if (body?.kind === 'full')
      this.replace(chunk, { identity, tag, content: body.content }, then.reply);
    else then.reply({ kind: 'need-full' });
  }

  /** A whole chunk of a resync. */
  onWrite(message: Extract<PeerBody, { kind: 'sync-write' }>, reply: Reply): void {
    const { chunk, identity, content } = message;
    this.underLock(chunk, reply, (finish) => {
      const committed = this.env.row(chunk)?.committed;
      const has = isSameUpdate(committed, identity) && committed?.crc32c === content.crc32c;
      if (has || this.isNewerOfThisChain(committed, identity)) finish({ kind: 'done' });
      else this.replace(chunk, { identity, tag: undefined, content }, finish);
    });
  }

  onRemove(chunk: ChunkId, reply: Reply): void {
    this.underLock(chunk, reply, (finish) => {
      if (this.env.row(chunk) === undefined) finish({ kind: 'done' });
      else
        this.write(
          { kind: 'erase', chunk, identity: undefined, tag: undefined },
          { kind: 'done' },
          finish,
        );
    });
  }

  /** A sync write never lowers a version that was committed under the present chain version. */
  private isNewerOfThisChain(
    committed: ContentState | undefined,
    identity: UpdateIdentity,
  ): boolean {
    if (committed?.assigned !== this.chain?.version) return false;
    return committed !== undefined && isNewer(committed, identity);
  }

  private replace(
    chunk: ChunkId,
    parts: {
      readonly identity: UpdateIdentity;
      readonly tag: UpdateTag | undefined;
      readonly content: FullContent;
    },
    finish: Reply,
  ): void {
    const { crc32c } = parts.content;
    this.write({ kind: 'replace', chunk, ...parts }, { kind: 'done', crc32c }, finish);
  }

  private write(write: StoreWrite, reply: PeerReply, finish: Reply): void {
    this.env.persist(write, (outcome) => {
      if (outcome.ok) finish(reply);
      else this.env.fatal(`a ${write.kind} could not be applied: ${outcome.error}`);
    });
  }

  private underLock(chunk: ChunkId, reply: Reply, run: (finish: Reply) => void): void {
    this.locks.acquire(
      chunk,
      () =>
        run((answer) => {
          this.locks.release(chunk);
          reply(answer);
        }),
      () => reply({ kind: 'other-version' }),
    );
  }
}
