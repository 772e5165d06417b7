// One connection of a client, from hello to its end: sends calls within the credits that the server gave
// and matches answers to them by number. Knows nothing of reconnecting or of calls that wait.

import { Buffer } from 'node:buffer';
import { CoreError, toCoreError } from '../base/errors.ts';
import { limits } from '../base/limits.ts';
import type { Connection } from '../env/net.ts';
import { Channel } from './channel.ts';
import type { ChannelOwner } from './channel.ts';
import { Credit, decodeFailure, Hello, protocolVersion, Welcome } from './control.ts';
import { Credits } from './credits.ts';
import { frameType, refused } from './frame.ts';
import type { FrameHeader } from './frame.ts';
import type { Incoming } from './inbox.ts';
import type { PayloadPool } from './payload-pool.ts';
import type { PendingCall } from './pending-call.ts';

export interface ClientConnectionOwner {
  /** Memory of lent answers. */
  readonly payloads: PayloadPool;
  /** The server let us in. */
  onWelcome(incarnation: Uint8Array): void;
  /** The call ended; its credit is free again. */
  onAnswer(call: PendingCall, answer: Incoming): void;
  onFailure(call: PendingCall, error: CoreError): void;
  /** Credits came back. */
  onCredit(): void;
  /** The server is stopping: answers still come, new calls belong on the next connection. */
  onGoodbye(connection: ClientConnection): void;
  onLost(lost: LostConnection): void;
}

export interface LostConnection {
  readonly connection: ClientConnection;
  readonly error: CoreError;
  /** Calls that the server certainly has not executed. */
  readonly unsent: readonly PendingCall[];
  /** Calls whose outcome nobody knows. */
  readonly unknown: readonly PendingCall[];
}

export class ClientConnection implements ChannelOwner {
  private readonly owner: ClientConnectionOwner;
  private readonly channel: Channel;
  private readonly credits = new Credits([]);
  private readonly open = new Map<number, PendingCall>();
  private lastNumber = 0;
  private refusal: CoreError | undefined;
  /** Between welcome and goodbye. */
  usable = false;

  constructor(
    connection: Connection,
    hello: { role: string; token: Uint8Array },
    owner: ClientConnectionOwner,
  ) {
    this.owner = owner;
    this.channel = new Channel(connection, this, limits.rpcControlBytesMax);
    const { role, token } = hello;
    const control = Hello.encode({ version: protocolVersion, role, token });
    this.channel.sendControl(frameType.hello, control);
  }

  fits(call: PendingCall): boolean {
    return this.usable && this.credits.fits(call.lane, call.costBytes);
  }

  /** Only when it fits. */
  send(call: PendingCall, nowMs: number): void {
    this.credits.take(call.lane, call.costBytes);
    const number = this.nextNumber();
    call.outgoing = {
      type: frameType.request,
      lane: call.lane,
      call: call.call.id,
      number,
      deadlineMs: Math.max(1, Math.ceil(call.deadlineAtMs - nowMs)),
      answerBytes: call.answerBytes,
      control: call.control,
      payload: call.payload,
      payloadProtected: call.call.payloadProtected,
    };
    this.open.set(number, call);
    this.channel.outbox.send(call.outgoing);
  }

  /** The caller no longer waits. The credit comes back with the server's answer, or at once when the
   *  request never left. */
  giveUp(call: PendingCall): void {
    const outgoing = call.outgoing;
    if (outgoing === undefined || this.open.get(outgoing.number) !== call) return;
    if (this.channel.outbox.withdraw(outgoing) === 'unsent') {
      this.close(call);
      this.owner.onCredit();
      return;
    }
    const { lane, call: id, number } = outgoing;
    const control = new Uint8Array(0);
    this.channel.outbox.send({ type: frameType.cancel, lane, call: id, number, control });
  }

  destroy(error: CoreError): void {
    this.channel.destroy(error);
  }

  // --- ChannelOwner

  admit(header: FrameHeader): Buffer | undefined {
    if (header.type !== frameType.answer) throw refused('of a server carries a request payload');
    const call = this.open.get(header.number);
    if (call === undefined) throw refused('answers a request that is not open');
    if (call.settled) return undefined;
    const bytes = header.payloadBytes;
    return call.lendsAnswer ? this.owner.payloads.take(bytes) : Buffer.allocUnsafe(bytes);
  }

  onMessage(message: Incoming): void {
    const { header, control } = message;
    switch (header.type) {
      case frameType.welcome:
        return this.onWelcome(control);
      case frameType.answer:
        return this.owner.onAnswer(this.close(this.answered(header)), message);
      case frameType.failure:
        return this.onFailure(header, control);
      case frameType.credit:
        this.credits.grant(Credit.decode(control).lanes);
        return this.owner.onCredit();
      case frameType.goodbye:
        this.usable = false;
        return this.owner.onGoodbye(this);
      case frameType.hello:
      case frameType.request:
      case frameType.data:
      case frameType.cancel:
        throw refused(`of type ${header.type} is not for a client`);
    }
  }

  onDrained(): void {
    this.owner.onCredit();
  }

  onClosed(error: CoreError): void {
    this.usable = false;
    const unsent: PendingCall[] = [];
    const unknown: PendingCall[] = [];
    for (const call of this.open.values()) {
      if (call.settled || call.outgoing === undefined) continue;
      const out = this.channel.outbox.withdraw(call.outgoing);
      (out === 'sent' ? unknown : unsent).push(call);
    }
    this.open.clear();
    this.owner.onLost({ connection: this, error: this.refusal ?? error, unsent, unknown });
  }

  private onWelcome(control: Uint8Array): void {
    const welcome = Welcome.decode(control);
    this.credits.grant(welcome.lanes);
    this.usable = true;
    this.owner.onWelcome(welcome.incarnation);
  }

  private onFailure(header: FrameHeader, control: Uint8Array): void {
    const error = decodeFailure(control);
    if (header.number !== 0) {
      this.channel.inbox.forget(header.number);
      return this.owner.onFailure(this.close(this.answered(header)), error);
    }
    // About the connection: the server closes it, and this is why.
    this.refusal = error;
    this.channel.close(error);
  }

  private answered(header: FrameHeader): PendingCall {
    const call = this.open.get(header.number);
    if (call === undefined) throw refused('answers a request that is not open');
    return call;
  }

  private close(call: PendingCall): PendingCall {
    this.open.delete(call.outgoing?.number ?? 0);
    this.credits.giveBack(call.lane, call.costBytes);
    return call;
  }

  private nextNumber(): number {
    do this.lastNumber = (this.lastNumber + 1) % 2 ** 32;
    while (this.lastNumber === 0 || this.open.has(this.lastNumber));
    return this.lastNumber;
  }
}

/** Decodes an answer of a call; a malformed one is that call's PROTOCOL error. */
export function decodeAnswer(call: PendingCall, answer: Incoming): object | CoreError {
  try {
    return call.call.response.decode(answer.control);
  } catch (error) {
    return toCoreError(error);
  }
}
