// One peer of a server: handshake, then requests. Every request is answered exactly once, cancelled and
// refused ones too, because the answer returns its credit. Never starts a handler for a peer that leaves
// answers unread, nor for a request whose deadline has passed.

import { Buffer } from 'node:buffer';
import { CoreError, toCoreError } from '../base/errors.ts';
import { limits } from '../base/limits.ts';
import type { Connection } from '../env/net.ts';
import type { Clock, Timer } from '../env/clock.ts';
import type { Events } from '../env/events.ts';
import type { CallContext, Capability, HandlerAnswer } from './call.ts';
import { execute } from './call-table.ts';
import type { CallTable, RegisteredCall } from './call-table.ts';
import { Channel } from './channel.ts';
import type { ChannelOwner } from './channel.ts';
import { Credit, encodeFailure, Hello, protocolVersion, Welcome } from './control.ts';
import type { LaneCredit } from './control.ts';
import { costBytes, Credits, shareOf } from './credits.ts';
import { frameType, lanes, refused } from './frame.ts';
import type { FrameHeader } from './frame.ts';
import type { Incoming } from './inbox.ts';
import type { PayloadPool } from './payload-pool.ts';
import type { Outgoing } from './outbox.ts';

/** What a connection sees of its server. */
export interface ServerView {
  readonly calls: CallTable;
  readonly payloads: PayloadPool;
  readonly clock: Clock;
  readonly events: Events;
  readonly incarnation: Uint8Array;
  /** @throws CoreError ACCESS_DENIED */
  capabilityOf(token: Uint8Array): Capability;
}

const nothing = Buffer.alloc(0);

/** A request from its first frame to its answer. */
class Request implements CallContext {
  readonly header: FrameHeader;
  readonly capability: Capability;
  readonly peer: string;
  readonly deadlineAtMs: number;
  cancelled = false;

  constructor(header: FrameHeader, from: { capability: Capability; peer: string }, nowMs: number) {
    this.header = header;
    this.capability = from.capability;
    this.peer = from.peer;
    this.deadlineAtMs = nowMs + header.deadlineMs;
  }
}

export class ServerConnection implements ChannelOwner {
  private readonly server: ServerView;
  private readonly channel: Channel;
  private readonly onGone: () => void;
  private readonly helloTimer: Timer;
  /** Undefined until the token was accepted. */
  private peer: { readonly capability: Capability; readonly peer: string } | undefined;
  /** Held against the largest grant so far: requests under it may still be on their way. */
  private readonly credits: Credits;
  private granted: readonly LaneCredit[];
  private grantedMax: readonly LaneCredit[];
  /** Requests that take credit, by number. */
  private readonly requests = new Map<number, Request>();
  /** Whole requests that wait until the peer reads; bounded by the credits. */
  private held: Incoming[] = [];
  private draining = false;

  constructor(server: ServerView, connection: Connection, onGone: () => void) {
    this.server = server;
    this.onGone = onGone;
    this.granted = shareOf(1);
    this.grantedMax = this.granted;
    this.credits = new Credits(this.granted);
    this.channel = new Channel(connection, this, limits.rpcHelloBytesMax);
    this.helloTimer = server.clock.after(limits.rpcHelloMs, () => {
      this.channel.abort(new CoreError('UNAVAILABLE', 'no hello in time'));
    });
  }

  get runningCount(): number {
    return this.requests.size;
  }

  /** What its token may do; undefined before the handshake. */
  get capability(): Capability | undefined {
    return this.peer?.capability;
  }

  /** Sets the credits of this peer; told at once when it is connected. */
  grant(credits: readonly LaneCredit[]): void {
    const changed = credits.some((lane, index) => lane.bytes !== this.granted[index]?.bytes);
    if (!changed) return;
    this.granted = credits;
    this.grantedMax = credits.map((lane, index) => ({
      requests: lane.requests,
      bytes: Math.max(lane.bytes, this.grantedMax[index]?.bytes ?? 0),
    }));
    this.credits.grant(this.grantedMax);
    if (this.peer !== undefined)
      this.channel.sendControl(frameType.credit, Credit.encode({ lanes: [...credits] }));
  }

  /** Takes no new request; closes after the last answer. */
  drain(): void {
    this.draining = true;
    this.channel.sendControl(frameType.goodbye);
    this.closeIfDrained();
  }

  destroy(): void {
    this.channel.destroy(new CoreError('UNAVAILABLE', 'this process is stopping'));
  }

  // --- ChannelOwner

  admit(header: FrameHeader): Buffer | undefined {
    if (header.type !== frameType.request) throw refused('of a client carries an answer payload');
    this.begin(header);
    const { calls, payloads } = this.server;
    try {
      calls.admitted(header.call, this.peer?.capability ?? 'read');
    } catch {
      return undefined; // onMessage answers with the reason when the payload went by
    }
    if (this.draining) return undefined;
    const bytes = header.payloadBytes;
    return calls.borrowsPayload(header.call) ? payloads.take(bytes) : Buffer.allocUnsafe(bytes);
  }

  onMessage(message: Incoming): void {
    const { header, control } = message;
    switch (header.type) {
      case frameType.hello:
        return this.onHello(control);
      case frameType.request:
        if (header.payloadBytes === 0) this.begin(header);
        return this.onRequest(message);
      case frameType.cancel:
        return this.onCancel(header.number);
      case frameType.failure:
        return this.channel.close(new CoreError('UNAVAILABLE', 'the peer ended the connection'));
      case frameType.welcome:
      case frameType.answer:
      case frameType.data:
      case frameType.credit:
      case frameType.goodbye:
        throw refused(`of type ${header.type} is not for a server`);
    }
  }

  onDrained(): void {
    while (this.held.length > 0 && !this.unread) this.start(this.held.shift() as Incoming);
    this.closeIfDrained();
  }

  onClosed(error: CoreError): void {
    this.helloTimer.cancel();
    for (const request of this.requests.values()) request.cancelled = true;
    this.requests.clear();
    this.held = [];
    if (error.errorName === 'PROTOCOL')
      this.server.events.emit('warn', 'rpc.protocol-violation', {
        peer: this.peer?.peer,
        detail: error.message,
      });
    this.onGone();
  }

  // --- handshake and requests

  private onHello(control: Uint8Array): void {
    if (this.peer !== undefined) throw refused('repeats the hello');
    const hello = Hello.decode(control);
    if (hello.version !== protocolVersion) {
      const detail = `this process speaks version ${protocolVersion} of the RPC, not ${hello.version}`;
      throw new CoreError('VERSION_UNSUPPORTED', detail);
    }
    const capability = this.server.capabilityOf(hello.token);
    this.peer = { capability, peer: hello.role.slice(0, 64) };
    this.helloTimer.cancel();
    this.channel.decoder.controlBytesMax = limits.rpcControlBytesMax;
    const welcome = {
      version: protocolVersion,
      incarnation: this.server.incarnation,
      lanes: [...this.granted],
    };
    this.channel.sendControl(frameType.welcome, Welcome.encode(welcome));
    if (this.draining) this.channel.sendControl(frameType.goodbye);
  }

  /** The first frame of a request: takes its credit. */
  private begin(header: FrameHeader): void {
    const peer = this.peer;
    if (peer === undefined) throw new CoreError('ACCESS_DENIED', 'the first frame must be a hello');
    if (header.number === 0 || this.requests.has(header.number))
      throw refused('repeats the number of an open request');
    const cost = costBytes(header);
    if (!this.credits.fits(header.lane, cost)) throw refused('exceeds the credits of its lane');
    this.credits.take(header.lane, cost);
    const now = this.server.clock.now();
    this.requests.set(header.number, new Request(header, peer, now));
  }

  private onRequest(message: Incoming): void {
    // In order of arrival: a request never overtakes one that is held.
    if (this.held.length > 0 || this.unread) this.held.push(message);
    else this.start(message);
  }

  private get unread(): boolean {
    return this.channel.outbox.queuedBytes > limits.rpcUnreadBytesMax;
  }

  private start(message: Incoming): void {
    const { header } = message;
    const request = this.requests.get(header.number);
    if (request === undefined) return; // the connection is gone
    let registered: RegisteredCall;
    try {
      registered = this.server.calls.admitted(header.call, request.capability);
      this.checkStartable(request, registered);
    } catch (error) {
      return this.fail(request, toCoreError(error));
    }
    const payload = message.payload as Buffer;
    const running = execute(registered, message.control, payload, request);
    const ended = registered.borrowsPayload
      ? running.finally(() => this.server.payloads.giveBack(payload))
      : running;
    ended.then(
      (answer) => this.answer(request, registered, answer),
      (error: unknown) => this.onHandlerError(request, registered.call.name, error),
    );
  }

  /** @throws CoreError PROTOCOL, UNAVAILABLE, DEADLINE_EXCEEDED: the request was not started */
  private checkStartable(request: Request, { call }: RegisteredCall): void {
    if (call.lane !== lanes[request.header.lane])
      throw refused(`puts ${call.name} on a foreign lane`);
    if (this.draining) throw new CoreError('UNAVAILABLE', 'this process is stopping');
    if (request.cancelled) throw new CoreError('CANCELLED', `${call.name} was given up`);
    if (this.server.clock.now() >= request.deadlineAtMs)
      throw new CoreError('DEADLINE_EXCEEDED', `${call.name} was not started in time`);
  }

  private answer(request: Request, { call }: RegisteredCall, answer: HandlerAnswer<object>): void {
    const { number, lane } = request.header;
    if (this.requests.get(number) !== request) return; // the connection is gone
    if (request.cancelled) return this.fail(request, new CoreError('CANCELLED', 'given up'));
    let control: Uint8Array;
    try {
      control = call.response.encode(answer.response);
    } catch (error) {
      return this.onHandlerError(request, call.name, error);
    }
    this.finish(request, {
      type: frameType.answer,
      lane,
      call: call.id,
      number,
      control,
      payload: answer.payload,
      payloadProtected: call.payloadProtected,
      onSent: answer.onSent,
    });
  }

  private onHandlerError(request: Request, call: string, error: unknown): void {
    const failure = toCoreError(error);
    if (failure.errorName === 'INTERNAL')
      this.server.events.emit('bug', 'rpc.handler-failed', {
        call,
        error: error instanceof Error ? (error.stack ?? error.message) : String(error),
      });
    this.fail(request, failure);
  }

  private fail(request: Request, error: CoreError): void {
    const { number, lane, call } = request.header;
    if (this.requests.get(number) !== request) return;
    const control = encodeFailure(error);
    this.finish(request, { type: frameType.failure, lane, call, number, control });
  }

  private finish(request: Request, answer: Outgoing): void {
    this.requests.delete(request.header.number);
    this.credits.giveBack(request.header.lane, costBytes(request.header));
    this.channel.outbox.send(answer);
    this.closeIfDrained();
  }

  private onCancel(number: number): void {
    const request = this.requests.get(number);
    if (request === undefined) return; // crossed with its answer
    request.cancelled = true;
    // Its rest does not come. Answered in its turn: a peer that reads nothing cannot fill our memory so either.
    if (this.channel.inbox.forget(number))
      this.onRequest({ header: request.header, control: nothing, payload: undefined });
  }

  private closeIfDrained(): void {
    if (this.draining && this.requests.size === 0 && this.channel.outbox.idle)
      this.channel.close(new CoreError('UNAVAILABLE', 'this process is stopping'));
  }
}
