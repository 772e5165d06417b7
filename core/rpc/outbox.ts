// The sending side of a connection: messages in, frames out. Small messages go first, large ones take
// turns piece by piece, so that a call of 1 KiB never waits for a payload of 4 MiB; every other time
// that the connection takes more, a large piece goes before anything else, so that small ones starve nobody. Holds views of what
// callers gave (never copies more than `inlineBytesMax`) and writes no more while the peer is slow: what
// waits here is bounded by the credits that the peer gave.

import { Buffer } from 'node:buffer';
import { assert } from '../base/assert.ts';
import { crc32cParts } from '../base/crc32c.ts';
import { limits } from '../base/limits.ts';
import type { Connection } from '../env/net.ts';
import { isSmall } from './credits.ts';
import { frameType, headerBytes, writeHeader } from './frame.ts';
import type { FrameHeader, FrameType } from './frame.ts';

/** A message on its way out. The parts must not change until it is gone. */
export interface Outgoing {
  readonly type: FrameType;
  readonly lane: number;
  readonly call: number;
  readonly number: number;
  readonly deadlineMs?: number;
  readonly answerBytes?: number;
  readonly control: Uint8Array;
  readonly payload?: readonly Uint8Array[] | undefined;
  /** The control part carries a checksum of the payload; the frame needs none. */
  readonly payloadProtected?: boolean | undefined;
  /** Nobody reads the payload any more. Not called when the connection ends before that. */
  readonly onSent?: (() => void) | undefined;
}

/** Payloads up to this size are copied behind their header: cheaper than one more part to write. */
const inlineBytesMax = 4096;
const slabBytes = 64 * 1024;
const nothing: readonly Uint8Array[] = [];
/** What a message that waits costs beside its bytes: its header and a few objects of the heap. */
export const overheadBytes = 512;

/** A message with the position of what is still to be sent. */
class Sending {
  readonly message: Outgoing;
  readonly payloadBytes: number;
  readonly payloadCrc: number | undefined;
  sentBytes = 0;
  begun = false;
  private part = 0;
  private partOffset = 0;

  constructor(message: Outgoing) {
    const payload = message.payload ?? nothing;
    this.message = message;
    this.payloadBytes = payload.reduce((sum, part) => sum + part.length, 0);
    const checked = this.payloadBytes > 0 && message.payloadProtected !== true;
    this.payloadCrc = checked ? crc32cParts(payload) : undefined;
  }

  /** What of it waits, beside the payload, until its first frame is written. */
  get headBytes(): number {
    return this.message.control.length + overheadBytes;
  }

  get nextPieceBytes(): number {
    return Math.min(this.payloadBytes - this.sentBytes, limits.rpcPieceBytes);
  }

  /** Views of the next `bytes` of the payload. */
  take(bytes: number): Uint8Array[] {
    const views: Uint8Array[] = [];
    let rest = bytes;
    while (rest > 0) {
      const part = (this.message.payload ?? nothing)[this.part] as Uint8Array;
      const count = Math.min(rest, part.length - this.partOffset);
      if (count > 0) views.push(part.subarray(this.partOffset, this.partOffset + count));
      rest -= count;
      this.partOffset += count;
      if (this.partOffset === part.length) {
        this.part++;
        this.partOffset = 0;
      }
    }
    this.sentBytes += bytes;
    return views;
  }
}

export class Outbox {
  private readonly connection: Connection;
  private readonly onDrained: () => void;
  /** Messages of at most `rpcSmallBytes`, in order. */
  private small: Sending[] = [];
  /** Larger messages, in turns. */
  private readonly large: Sending[] = [];
  private blocked = false;
  /** Who goes first when the connection takes more: in turns. */
  private largeFirst = false;
  private waitingBytes = 0;

  private slab = Buffer.allocUnsafeSlow(slabBytes);
  private slabAt = 0;

  /** @param onDrained the connection took what it had, and got what fits of the rest */
  constructor(connection: Connection, onDrained: () => void) {
    this.connection = connection;
    this.onDrained = onDrained;
  }

  /** Bytes that wait for the peer to read. */
  get queuedBytes(): number {
    return this.waitingBytes + this.connection.queuedBytes;
  }

  /** Everything was handed to the connection. */
  get idle(): boolean {
    return this.small.length === 0 && this.large.length === 0;
  }

  send(message: Outgoing): void {
    const sending = new Sending(message);
    const small = isSmall(sending.payloadBytes);
    if (small && !this.blocked && this.small.length === 0) {
      this.writeFrame(sending);
      return;
    }
    this.waitingBytes += sending.payloadBytes + sending.headBytes;
    (small ? this.small : this.large).push(sending);
    this.pump();
  }

  /** Takes a message back. Answers how much of it is out: nothing, a part, or all (nothing to take back). */
  withdraw(message: Outgoing): 'unsent' | 'begun' | 'sent' {
    for (const queue of [this.small, this.large]) {
      const index = queue.findIndex((sending) => sending.message === message);
      if (index < 0) continue;
      const [sending] = queue.splice(index, 1) as [Sending];
      this.waitingBytes -= sending.payloadBytes - sending.sentBytes;
      if (sending.begun) return 'begun';
      this.waitingBytes -= sending.headBytes;
      return 'unsent';
    }
    return 'sent';
  }

  /** The connection took what it had. */
  drained(): void {
    this.blocked = false;
    this.largeFirst = !this.largeFirst;
    if (this.largeFirst) this.pumpLarge();
    this.pump();
    this.onDrained();
  }

  private pump(): void {
    while (!this.blocked && (this.small.length > 0 || this.large.length > 0)) {
      const small = this.small;
      this.small = [];
      let written = 0;
      while (written < small.length && !this.blocked) {
        const sending = small[written++] as Sending;
        this.waitingBytes -= sending.payloadBytes + sending.headBytes;
        this.writeFrame(sending);
      }
      if (written < small.length) {
        this.small = small.slice(written).concat(this.small);
        return;
      }
      this.pumpLarge();
    }
  }

  /** One piece of the large message whose turn it is. */
  private pumpLarge(): void {
    const sending = this.blocked ? undefined : this.large.shift();
    if (sending === undefined) return;
    if (!sending.begun) this.waitingBytes -= sending.headBytes;
    this.waitingBytes -= sending.nextPieceBytes;
    this.writeFrame(sending);
    if (sending.sentBytes < sending.payloadBytes) this.large.push(sending);
  }

  private writeFrame(sending: Sending): void {
    const { message } = sending;
    const control = sending.begun ? undefined : message.control;
    const header: FrameHeader = {
      type: sending.begun ? frameType.data : message.type,
      lane: message.lane,
      call: message.call,
      number: message.number,
      deadlineMs: message.deadlineMs ?? 0,
      answerBytes: message.answerBytes ?? 0,
      controlBytes: control?.length ?? 0,
      payloadBytes: sending.payloadBytes,
      pieceBytes: sending.nextPieceBytes,
      payloadCrc: sending.payloadCrc,
    };
    sending.begun = true;
    const inline = header.pieceBytes <= inlineBytesMax;
    const bytes = headerBytes + header.controlBytes + (inline ? header.pieceBytes : 0);
    const at = this.room(bytes);
    const slab = this.slab;
    if (control !== undefined) slab.set(control, at + headerBytes);
    writeHeader(slab, at, header);
    const piece = sending.take(header.pieceBytes);
    if (inline) {
      let to = at + headerBytes + header.controlBytes;
      for (const view of piece) {
        slab.set(view, to);
        to += view.length;
      }
    }
    const head = slab.subarray(at, at + bytes);
    // What was written before the last piece is taken before it.
    const onTaken = sending.sentBytes === sending.payloadBytes ? message.onSent : undefined;
    if (!this.connection.write(inline ? [head] : [head, ...piece], onTaken)) this.blocked = true;
  }

  /** Room in a slab that nobody writes again, for the kernel may still have to take it. */
  private room(bytes: number): number {
    if (this.slabAt + bytes > this.slab.length) {
      this.slab = Buffer.allocUnsafeSlow(Math.max(slabBytes, bytes));
      this.slabAt = 0;
    }
    const at = this.slabAt;
    this.slabAt += bytes;
    assert(this.slabAt <= this.slab.length, 'a frame head fits its slab');
    return at;
  }
}
