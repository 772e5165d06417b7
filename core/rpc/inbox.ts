// The receiving side of a connection: frames in, whole messages out. The payload of a message is gathered
// in one buffer of its announced size, which the owner of the connection gives when it admits it; data
// frames must fit what was announced. Everything else is a violation that ends the connection.

import { Buffer } from 'node:buffer';
import { crc32c } from '../base/crc32c.ts';
import { frameType, refused } from './frame.ts';
import type { FrameHeader } from './frame.ts';
import type { FrameSink } from './frame-decoder.ts';

export interface Incoming {
  readonly header: FrameHeader;
  readonly control: Buffer;
  /** Owned by the receiver. Undefined when the payload was not admitted and went nowhere. */
  readonly payload: Buffer | undefined;
}

export interface InboxOwner {
  /** Memory for the message's payload, `payloadBytes` long, or undefined to let it go by. Called once per
   *  message that has one. @throws CoreError PROTOCOL when the peer exceeds its credits */
  admit(header: FrameHeader): Buffer | undefined;
  onMessage(message: Incoming): void;
}

interface Gathering extends Incoming {
  received: number;
}

const empty = Buffer.alloc(0);

export class Inbox implements FrameSink {
  private readonly owner: InboxOwner;
  /** Messages of several frames, by number. Bounded by the byte credits that the owner gave. */
  private readonly gathering = new Map<number, Gathering>();
  private current: Gathering | undefined;

  constructor(owner: InboxOwner) {
    this.owner = owner;
  }

  /** The sender withdrew the rest of a message. False when none of that number was arriving. */
  forget(number: number): boolean {
    return this.gathering.delete(number);
  }

  onFrame(header: FrameHeader, control: Buffer): Uint8Array | undefined {
    const message =
      header.type === frameType.data ? this.gathered(header) : this.begin(header, control);
    this.current = message;
    const { received, payload } = message;
    return payload?.subarray(received, received + header.pieceBytes);
  }

  onPiece(header: FrameHeader): void {
    const message = this.current as Gathering;
    this.current = undefined;
    message.received += header.pieceBytes;
    if (message.received < message.header.payloadBytes) return;
    if (header.type === frameType.data) this.gathering.delete(header.number);
    const { payloadCrc } = message.header;
    if (payloadCrc !== undefined && message.payload !== undefined) {
      if (crc32c(message.payload) !== payloadCrc) throw refused('carries a damaged payload');
    }
    this.owner.onMessage(message);
  }

  private begin(header: FrameHeader, control: Buffer): Gathering {
    // A cancel or a failure is about the message that is arriving: its rest does not come.
    const about = header.type === frameType.cancel || header.type === frameType.failure;
    if (!about && this.gathering.has(header.number))
      throw refused('repeats the number of an open message');
    const bytes = header.payloadBytes;
    const payload = bytes === 0 ? empty : this.owner.admit(header);
    const message: Gathering = { header, control, payload, received: 0 };
    if (header.pieceBytes < bytes) this.gathering.set(header.number, message);
    return message;
  }

  private gathered(header: FrameHeader): Gathering {
    const message = this.gathering.get(header.number);
    if (message === undefined) throw refused('continues a message that is not open');
    const rest = message.header.payloadBytes - message.received;
    if (header.pieceBytes === 0 || header.pieceBytes > rest || header.controlBytes > 0)
      throw refused('does not fit the message that it continues');
    return message;
  }
}
