// Writer sessions (design 5): a row that every commit of the session reads, written at birth and deleted at the
// end only; expiry and granted blob ids are rows of their own, so that a renewal never aborts a commit. Ending
// a session fences its commits, however late they wake; what it wrote and nothing names is collected then.

import { CoreError, isCoreError } from '../../base/errors.ts';
import { id } from '../../base/ids.ts';
import type { BlobId, SessionId } from '../../base/ids.ts';
import { limits } from '../../base/limits.ts';
import { mark } from '../../base/mark.ts';
import type { Clock } from '../../env/clock.ts';
import { sessionExpiryKey, sessionGrantKey, sessionKey, sessionsRange } from '../keys.ts';
import type { MetaStore, MetaTransaction } from '../meta-store.ts';
import { SessionExpiryRow, SessionGrantRow, SessionRow, decodeRow, encodeRow } from '../rows.ts';
import { takeNumbers } from './numbers.ts';

export interface BlobRange {
  readonly first: number;
  readonly count: number;
}

export class Sessions {
  private readonly store: MetaStore;
  private readonly clock: Clock;
  /** When each session was last heard of, by the monotonic clock: a jump of the wall clock ends nobody.
   *  Sessions of before a restart count from the first look at them. */
  private readonly heard = new Map<SessionId, number>();

  constructor(store: MetaStore, clock: Clock) {
    this.store = store;
    this.clock = clock;
  }

  /** Opens a session with a first range of blob ids. `given`: the manager's number for it.
   *  @throws BUSY when there are too many, INVALID_ARGUMENT when the number is in use */
  async open(role: string, given?: number): Promise<{ session: SessionId; blobs: BlobRange }> {
    const opened = await this.store.transact(async (transaction) => {
      await this.checkRoom(transaction);
      const number = given ?? (await takeNumbers(transaction, 'session', 1));
      const session = id<SessionId>(number);
      if ((await transaction.get(sessionKey(session))) !== undefined) {
        throw new CoreError('INVALID_ARGUMENT', `session ${number} exists`);
      }
      const row: SessionRow = { role, openedMs: this.wallMs() };
      transaction.set(sessionKey(session), encodeRow(SessionRow, row));
      this.setExpiry(transaction, session);
      return { session, blobs: await grant(transaction, session) };
    });
    this.heard.set(opened.session, this.clock.now());
    return opened;
  }

  /** @throws SESSION_ENDED */
  async renew(session: SessionId): Promise<void> {
    await this.store.transact(async (transaction) => {
      requireSession(session, await transaction.get(sessionKey(session)));
      this.setExpiry(transaction, session);
    });
    this.heard.set(session, this.clock.now());
  }

  /** @throws SESSION_ENDED */
  grantBlobs(session: SessionId): Promise<BlobRange> {
    return this.store.transact(async (transaction) => {
      requireSession(session, await transaction.get(sessionKey(session)));
      return grant(transaction, session);
    });
  }

  /** Ends a session; an ended one stays ended. Its granted ranges stay for the janitor. */
  async end(session: SessionId): Promise<void> {
    await this.store.transact(async (transaction) => {
      transaction.delete(sessionKey(session));
      transaction.delete(sessionExpiryKey(session));
    });
    this.heard.delete(session);
  }

  /** Ends the session if it is still expired, with the expiry in the conflict set. True when it ended. */
  async endExpired(session: SessionId): Promise<boolean> {
    const nowMs = this.clock.now();
    const heardMs = this.heard.get(session);
    if (heardMs === undefined) this.heard.set(session, nowMs);
    if (heardMs === undefined || nowMs - heardMs < limits.sessionLeaseMs) return false;
    const ended = await this.store.transact(async (transaction) => {
      const row = await transaction.get(sessionExpiryKey(session));
      if (row !== undefined && decodeRow(SessionExpiryRow, row).expiresMs > this.wallMs()) {
        return false;
      }
      transaction.delete(sessionKey(session));
      transaction.delete(sessionExpiryKey(session));
      return true;
    });
    if (ended) {
      mark('sessions.expired');
      this.heard.delete(session);
    }
    return ended;
  }

  private setExpiry(transaction: MetaTransaction, session: SessionId): void {
    const expiresMs = this.wallMs() + limits.sessionLeaseMs;
    transaction.set(sessionExpiryKey(session), encodeRow(SessionExpiryRow, { expiresMs }));
  }

  private async checkRoom(transaction: MetaTransaction): Promise<void> {
    const rows = await transaction.snapshot.range({
      ...sessionsRange('live'),
      limit: limits.sessionsMax,
    });
    if (rows.length < limits.sessionsMax) return;
    throw new CoreError('BUSY', `${rows.length} writer sessions are open`);
  }

  private wallMs(): number {
    return Math.max(0, Math.floor(this.clock.wallMs()));
  }
}

/** @throws SESSION_ENDED */
export function requireSession(session: number, row: Uint8Array | undefined): void {
  if (row !== undefined) return;
  throw new CoreError('SESSION_ENDED', `writer session ${session} was ended; open a new one`);
}

async function grant(transaction: MetaTransaction, session: SessionId): Promise<BlobRange> {
  const count = limits.blobsPerGrant;
  const first = await takeNumbers(transaction, 'blob', count);
  const key = sessionGrantKey(session, id<BlobId>(first));
  transaction.set(key, encodeRow(SessionGrantRow, { count }));
  return { first, count };
}

/** Blob ids of one session, handed out one by one. */
export class BlobIds {
  private readonly more: () => Promise<BlobRange>;
  private next: number;
  private end: number;
  private refill: Promise<void> | undefined;

  constructor(first: BlobRange, more: () => Promise<BlobRange>) {
    this.next = first.first;
    this.end = first.first + first.count;
    this.more = more;
  }

  async take(): Promise<BlobId> {
    while (this.next === this.end) {
      this.refill ??= this.fetch();
      // oxlint-disable-next-line no-await-in-loop -- others may have used the range up meanwhile
      await this.refill;
    }
    return id<BlobId>(this.next++);
  }

  private async fetch(): Promise<void> {
    try {
      const { first, count } = await this.more();
      this.next = first;
      this.end = first + count;
    } finally {
      this.refill = undefined;
    }
  }
}

/** The session of this process itself, which writes the blobs of small content. Opened again when it was
 *  ended: its blobs that nothing names are collected, so that no commit may name one after that. */
export class OwnSession {
  private readonly sessions: Sessions;
  private readonly role: string;
  private current: { readonly session: SessionId; readonly blobs: BlobIds };
  private reopening: Promise<void> | undefined;

  private constructor(sessions: Sessions, role: string, current: OwnSession['current']) {
    this.sessions = sessions;
    this.role = role;
    this.current = current;
  }

  static async open(sessions: Sessions, role: string): Promise<OwnSession> {
    return new OwnSession(sessions, role, await begin(sessions, role));
  }

  get session(): SessionId {
    return this.current.session;
  }

  /** A blob id, and the session whose range it is from. */
  async takeBlob(): Promise<{ session: SessionId; blob: BlobId }> {
    const { session, blobs } = this.current;
    return { session, blob: await blobs.take() };
  }

  async renew(): Promise<void> {
    try {
      await this.sessions.renew(this.session);
    } catch (error) {
      if (!isCoreError(error, 'SESSION_ENDED')) throw error;
      await this.replace(this.session);
    }
  }

  /** Opens a new session in place of `ended`, once for all who found it so. */
  async replace(ended: SessionId): Promise<void> {
    if (this.session !== ended) return;
    mark('sessions.own-replaced');
    this.reopening ??= this.reopen();
    await this.reopening;
  }

  private async reopen(): Promise<void> {
    try {
      this.current = await begin(this.sessions, this.role);
    } finally {
      this.reopening = undefined;
    }
  }

  end(): Promise<void> {
    return this.sessions.end(this.session);
  }
}

async function begin(sessions: Sessions, role: string): Promise<OwnSession['current']> {
  const { session, blobs } = await sessions.open(role);
  return { session, blobs: new BlobIds(blobs, () => sessions.grantBlobs(session)) };
}
