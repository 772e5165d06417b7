// One connection with both its directions: decoder and inbox for what comes, outbox for what goes. Used by
// client and server, which decide what the messages mean. Whatever throws while bytes are decoded ends the
// connection: a peer that breaks the protocol is told once and dropped.

import { Buffer } from 'node:buffer';
import { CoreError, toCoreError } from '../base/errors.ts';
import type { Connection } from '../env/net.ts';
import { encodeFailure } from './control.ts';
import { frameType } from './frame.ts';
import { FrameDecoder } from './frame-decoder.ts';
import { Inbox } from './inbox.ts';
import type { InboxOwner } from './inbox.ts';
import { Outbox } from './outbox.ts';

export interface ChannelOwner extends InboxOwner {
  /** Once; the channel is dead. */
  onClosed(error: CoreError): void;
  /** The peer read some of what had waited. */
  onDrained(): void;
}

const empty = Buffer.alloc(0);

export class Channel {
  readonly outbox: Outbox;
  readonly inbox: Inbox;
  readonly decoder: FrameDecoder;
  private readonly connection: Connection;
  private readonly owner: ChannelOwner;
  private closed = false;

  constructor(connection: Connection, owner: ChannelOwner, controlBytesMax: number) {
    this.connection = connection;
    this.owner = owner;
    this.outbox = new Outbox(connection, () => owner.onDrained());
    this.inbox = new Inbox(owner);
    const decoder = new FrameDecoder(this.inbox, controlBytesMax);
    this.decoder = decoder;
    connection.onData = (bytes) => {
      if (this.closed) return;
      try {
        decoder.push(bytes);
      } catch (error) {
        this.abort(toCoreError(error));
      }
    };
    connection.readInto = () => decoder.vacancy();
    connection.onDrain = () => {
      if (!this.closed) this.outbox.drained();
    };
    connection.onClose = (error) => this.onClose(error);
  }

  /** A frame of the connection itself: number 0, never behind other messages' payloads. */
  sendControl(type: (typeof frameType)[keyof typeof frameType], control: Uint8Array = empty): void {
    this.outbox.send({ type, lane: 0, call: 0, number: 0, control });
  }

  /** Tells the peer why, then closes. */
  abort(error: CoreError): void {
    if (this.closed) return;
    this.sendControl(frameType.failure, encodeFailure(error));
    this.close(error);
  }

  /** Flushes what was handed over and closes; `onClosed` is called before this returns. */
  close(error: CoreError): void {
    if (this.closed) return;
    this.closed = true;
    this.connection.end();
    this.owner.onClosed(error);
  }

  destroy(error: CoreError): void {
    if (this.closed) return;
    this.closed = true;
    this.connection.destroy();
    this.owner.onClosed(error);
  }

  private onClose(error: Error | undefined): void {
    if (this.closed) return;
    this.closed = true;
    const detail = error === undefined ? 'the peer closed the connection' : error.message;
    this.owner.onClosed(new CoreError('UNAVAILABLE', detail, { cause: error }));
  }
}
