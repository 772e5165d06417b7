// This process as a writer: a session of the namespace that is renewed while the process lives, the blob ids
// that it was granted, and the channels of its chunk writes. A session that the namespace ended is replaced by
// a new one; what the old one had begun fails with SESSION_ENDED (design 5).

import { CoreError, isCoreError, toCoreError } from '../base/errors.ts';
import { id } from '../base/ids.ts';
import type { BlobId, SessionId } from '../base/ids.ts';
import { limits } from '../base/limits.ts';
import type { Clock, Timer } from '../env/clock.ts';
import type { Events } from '../env/events.ts';
import { Channels } from './channels.ts';
import { pause } from './retry.ts';
import type { BlobLayout, WriterSession } from './types.ts';

/** Blob ids [first, first + count). */
export interface BlobGrant {
  readonly first: number;
  readonly count: number;
}

export interface OpenedSession {
  readonly session: SessionId;
  readonly leaseMs: number;
  readonly blobs: BlobGrant;
  readonly layout: BlobLayout;
  readonly payloadBytesMax: number;
}

/** The namespace's side of sessions. */
export interface SessionPort {
  open(): Promise<OpenedSession>;
  /** @throws SESSION_ENDED */
  renew(session: SessionId): Promise<{ readonly leaseMs: number }>;
  end(session: SessionId): Promise<void>;
  grant(session: SessionId): Promise<BlobGrant>;
  discard(session: SessionId, blobs: readonly BlobId[]): Promise<void>;
}

/** A blob id with what writing it needs, all of one session. */
export interface FreshBlob {
  readonly blob: BlobId;
  readonly layout: BlobLayout;
  readonly channels: Channels;
  /** Gives the blob up; best effort. */
  discard(): Promise<void>;
}

interface Current extends OpenedSession {
  readonly channels: Channels;
  /** Ranges with unused ids, in order of use. */
  readonly stock: { next: number; end: number }[];
  stocked: number;
  /** The grant under way, shared by all who wait for it. */
  granting: Promise<void> | undefined;
}

export class RenewedSession implements WriterSession {
  private readonly port: SessionPort;
  private readonly clock: Clock;
  private readonly events: Events;
  private current: Current | undefined;
  private timer: Timer | undefined;
  private closed = false;

  private constructor(port: SessionPort, clock: Clock, events: Events) {
    this.port = port;
    this.clock = clock;
    this.events = events;
  }

  /** @throws what the namespace refuses the session with */
  static async open(port: SessionPort, clock: Clock, events: Events): Promise<RenewedSession> {
    const session = new RenewedSession(port, clock, events);
    await session.begin();
    return session;
  }

  get session(): SessionId {
    return this.present.session;
  }

  get payloadBytesMax(): number {
    return this.present.payloadBytesMax;
  }

  /** An id that nobody used. @throws SESSION_ENDED, UNAVAILABLE */
  async takeBlob(): Promise<FreshBlob> {
    const current = this.present;
    if (current.stocked < limits.blobStockMin) {
      const granting = this.restock(current);
      if (current.stocked === 0) await granting;
      else granting.catch(() => undefined); // whoever finds the stock empty asks again
    }
    const blob = id<BlobId>(takeFrom(current));
    const { layout, channels, session } = current;
    return { blob, layout, channels, discard: () => this.discard(session, blob) };
  }

  /** Ends the session: nothing of this process writes any more. */
  async close(): Promise<void> {
    this.closed = true;
    this.timer?.cancel();
    const current = this.current;
    this.current = undefined;
    if (current === undefined) return;
    // Unsaid, the session ends with its lease.
    await this.port.end(current.session).catch(() => undefined);
  }

  private get present(): Current {
    if (this.current === undefined)
      throw new CoreError('UNAVAILABLE', 'this process has no writer session at the moment');
    return this.current;
  }

  private async begin(): Promise<void> {
    const opened = await this.port.open();
    const { first, count } = opened.blobs;
    this.current = {
      ...opened,
      channels: new Channels(opened.session),
      stock: [{ next: first, end: first + count }],
      stocked: count,
      granting: undefined,
    };
    this.renewLater(opened.leaseMs / 3);
  }

  private restock(current: Current): Promise<void> {
    current.granting ??= this.grant(current).finally(() => (current.granting = undefined));
    return current.granting;
  }

  private async grant(current: Current): Promise<void> {
    const { first, count } = await this.port.grant(current.session);
    current.stock.push({ next: first, end: first + count });
    current.stocked += count;
  }

  private async discard(session: SessionId, blob: BlobId): Promise<void> {
    try {
      await this.port.discard(session, [blob]);
    } catch (error) {
      // The end of the session says it.
      this.events.emit('debug', 'session.discard-failed', { error: toCoreError(error).message });
    }
  }

  private renewLater(delayMs: number): void {
    if (this.closed) return;
    this.timer = this.clock.after(delayMs, () => void this.renew());
  }

  private async renew(): Promise<void> {
    const { session, leaseMs } = this.present;
    try {
      await this.port.renew(session);
      this.renewLater(leaseMs / 3);
    } catch (error) {
      if (isCoreError(error, 'SESSION_ENDED')) await this.replace(session);
      else this.renewLater(leaseMs / 30);
    }
  }

  /** The namespace ended the session, for instance because this process stood still for too long. */
  private async replace(ended: SessionId): Promise<void> {
    this.events.emit('warn', 'session.ended', { session: ended });
    this.current = undefined;
    for (let pauseMs: number = limits.clientRetryPauseMsMin; !this.closed;) {
      try {
        // oxlint-disable-next-line no-await-in-loop -- until there is one
        await this.begin();
        return;
      } catch (error) {
        this.events.emit('warn', 'session.not-opened', { error: toCoreError(error).message });
      }
      // oxlint-disable-next-line no-await-in-loop
      await pause(this.clock, pauseMs);
      pauseMs = Math.min(2 * pauseMs, limits.clientRetryPauseMsMax);
    }
  }
}

/** @throws UNAVAILABLE when the stock is empty: others took what was granted */
function takeFrom(current: Current): number {
  const [range] = current.stock;
  if (range === undefined) throw new CoreError('UNAVAILABLE', 'no blob ids are in stock');
  const blob = range.next++;
  current.stocked--;
  if (range.next === range.end) current.stock.shift();
  return blob;
}
