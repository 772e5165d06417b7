// Reads from any serving replica (design 4.3). A clean chunk is answered; one with a pending update asks the tail which
// version is committed; the tail itself never shows what precedes an update that was pending when it was asked.

import type { ChainVer, ChunkId, TargetId } from '../base/ids.ts';
import { type Chain, successorOf, tailOf } from '../chain/chain.ts';
import type { Operations } from './operations.ts';
import {
  type ReadAnswer,
  type ReadRequest,
  type RefusalReason,
  type ReplicaEnv,
  type ReplicaMessage,
  type ReplicaRow,
  type ReplicaSettings,
  type UpdateIdentity,
  isSameUpdate,
} from './types.ts';

type Query = Extract<ReplicaMessage, { kind: 'query' }>;
type Queried = Extract<ReplicaMessage, { kind: 'queried' }>;

/** A read that was answered with another version this often is passed to the tail. */
const restartsMax = 3;

interface Read {
  readonly request: ReadRequest;
  readonly reply: (answer: ReadAnswer) => void;
  readonly chain: Chain;
  restarts: number;
  ended: boolean;
}

export interface ReadsParts {
  readonly env: ReplicaEnv;
  readonly settings: ReplicaSettings;
  readonly operations: Operations;
  readonly self: TargetId;
  readonly incarnation: number;
}

export class Reads {
  private readonly parts: ReadsParts;
  private chain: Chain | undefined;
  private nextQuery = 1;
  private readonly queries = new Map<number, Read>();
  /** Reads that wait for something. */
  private readonly open = new Set<Read>();

  constructor(parts: ReadsParts) {
    this.parts = parts;
  }

  setChain(chain: Chain): void {
    this.chain = chain;
    this.queries.clear();
    const open = [...this.open];
    this.open.clear();
    for (const read of open) this.refuse(read, 'routing');
  }

  read(request: ReadRequest, reply: (answer: ReadAnswer) => void): void {
    const { chain } = this;
    const refuse = (refused: RefusalReason): void =>
      reply({ ok: false, refused, chainVersion: (chain?.version ?? 0) as ChainVer });
    const serves = chain?.targets.some(
      ({ id, state }) => id === this.parts.self && state === 'SERVING',
    );
    if (chain === undefined || serves !== true || request.chainVersion !== chain.version)
      refuse('routing');
    else if (this.parts.env.leaseHolds()) {
      const read: Read = { request, reply, chain, restarts: 0, ended: false };
      this.open.add(read);
      this.parts.env.after(this.parts.settings.readWaitMs, () => this.refuse(read, 'busy'));
      this.attempt(read);
    } else refuse('fenced');
  }

  private refuse(read: Read, refused: RefusalReason): void {
    const chainVersion = (this.chain?.version ?? 0) as ChainVer;
    this.end(read, { ok: false, refused, chainVersion });
  }

  private end(read: Read, answer: ReadAnswer): void {
    if (read.ended) return;
    read.ended = true;
    this.open.delete(read);
    // The end of the request: an answer that was found without a lease may be old.
    if (answer.ok || 'error' in answer) {
      if (!this.parts.env.leaseHolds()) {
        const chainVersion = (this.chain?.version ?? 0) as ChainVer;
        read.reply({ ok: false, refused: 'fenced', chainVersion });
        return;
      }
    }
    read.reply(answer);
  }

  private attempt(read: Read): void {
    if (read.ended) return;
    const { chunk } = read.request;
    const row = this.parts.env.row(chunk);
    if (row?.pending === undefined) this.serve(read, row, 'committed');
    else if (this.isTail(read.chain))
      this.atTail(chunk, row, () => this.serve(read, this.parts.env.row(chunk), 'committed'));
    else if (read.restarts > restartsMax) this.refuse(read, 'tail');
    else this.ask(read);
  }

  private isTail(chain: Chain): boolean {
    return tailOf(chain)?.id === this.parts.self;
  }

  /** Runs `show` when the committed content is what a reader who came now may see. */
  private atTail(chunk: ChunkId, row: ReplicaRow | undefined, show: () => void): void {
    const pending = row?.pending;
    const { chain } = this;
    const alone = chain !== undefined && successorOf(chain, this.parts.self) === undefined;
    // Without a successor a pending update of this chain version was shown nowhere yet.
    if (pending === undefined || (alone && pending.assigned === chain.version)) show();
    else this.parts.operations.whenResolved(chunk, show);
  }

  private serve(read: Read, row: ReplicaRow | undefined, which: 'committed' | 'pending'): void {
    const state = which === 'committed' ? row?.committed : row?.pending;
    const { chunk, offset, length } = read.request;
    if (read.ended) return;
    if (state === undefined || (which === 'pending' && row?.pending?.remove === true)) {
      this.end(read, { ok: false, error: 'CHUNK_NOT_FOUND' });
      return;
    }
    this.parts.env.read(chunk, which, { offset, length }, (bytes) => {
      if (bytes === undefined) this.end(read, { ok: false, error: 'CORRUPT' });
      else this.end(read, { ok: true, version: state.version, bytes });
    });
  }

  // --- asking the tail ---------------------------------------------------------------------------

  private ask(read: Read): void {
    const tail = tailOf(read.chain);
    if (tail === undefined) return;
    const query = this.nextQuery++;
    this.queries.set(query, read);
    const { incarnation } = this.parts;
    const { chunk } = read.request;
    const { version: chainVersion } = read.chain;
    this.parts.env.send(tail.id, { kind: 'query', chainVersion, incarnation, query, chunk });
  }

  /** At the tail. */
  onQuery(message: Query, reply: (message: Queried) => void): void {
    const { kind: _, chunk, ...about } = message;
    const answer = (value: Queried['answer']): void =>
      reply({ kind: 'queried', ...about, answer: value });
    const { chain } = this;
    const mine =
      chain !== undefined && chain.version === message.chainVersion && this.isTail(chain);
    if (!mine || !this.parts.env.leaseHolds()) {
      answer(undefined);
      return;
    }
    let answered = false;
    this.atTail(chunk, this.parts.env.row(chunk), () => {
      if (answered || this.chain !== chain) return;
      answered = true;
      const committed = this.parts.env.row(chunk)?.committed;
      answer(this.parts.env.leaseHolds() ? identityOf(committed) : undefined);
    });
    this.parts.env.after(this.parts.settings.readWaitMs, () => {
      if (answered) return;
      answered = true;
      answer(undefined);
    });
  }

  onQueried(message: Queried): void {
    const read = this.queries.get(message.query);
    if (read === undefined || message.incarnation !== this.parts.incarnation) return;
    this.queries.delete(message.query);
    if (read.ended || read.chain !== this.chain || message.chainVersion !== read.chain.version)
      return;
    const { answer } = message;
    if (answer === undefined) {
      this.refuse(read, 'busy');
      return;
    }
    const row = this.parts.env.row(read.request.chunk);
    const committed = row?.committed;
    const pending = row?.pending;
    if (answer === 'missing') {
      if (committed === undefined || pending?.remove === true)
        this.end(read, { ok: false, error: 'CHUNK_NOT_FOUND' });
      else this.again(read);
    } else if (isSameUpdate(answer, committed)) this.serve(read, row, 'committed');
    else if (pending !== undefined && isSameUpdate(answer, pending))
      this.serve(read, row, 'pending');
    else this.again(read);
  }

  private again(read: Read): void {
    read.restarts++;
    this.attempt(read);
  }
}

function identityOf(state: UpdateIdentity | undefined): UpdateIdentity | 'missing' {
  return state === undefined ? 'missing' : { version: state.version, assigned: state.assigned };
}
