// The calling side of the RPC: keeps one connection to a server, connects again when it is lost, and holds
// calls (a bounded number) until they can be sent. A call that was certainly not executed is sent again on
// the next connection; one that was sent when the connection broke ends with DEADLINE_EXCEEDED, since
// nobody knows: retrying is for the layer above, which has the tags that make it safe.

import { Buffer } from 'node:buffer';
import { CoreError, isCoreError, toCoreError } from '../base/errors.ts';
import { limits } from '../base/limits.ts';
import type { Clock, Timer } from '../env/clock.ts';
import type { Events } from '../env/events.ts';
import type { Address, Connection, Net } from '../env/net.ts';
import type { Answer, Call, CallOptions, RpcClient } from './call.ts';
import { ClientConnection, decodeAnswer } from './client-connection.ts';
import type { ClientConnectionOwner, LostConnection } from './client-connection.ts';
import { isSmall } from './credits.ts';
import { lanes } from './frame.ts';
import type { Incoming } from './inbox.ts';
import { PayloadPool } from './payload-pool.ts';
import { Deadlines } from './pending-call.ts';
import type { PendingCall } from './pending-call.ts';

export interface ReconnectingClientOptions {
  readonly net: Net;
  readonly clock: Clock;
  readonly events: Events;
  readonly address: Address;
  /** Name of this role, for the server's logs. */
  readonly role: string;
  readonly token: Uint8Array;
  /** After each handshake. A changed incarnation means: the server restarted, what it kept in memory for
   *  this process (leases) is gone. */
  readonly onConnected?: (incarnation: Uint8Array) => void;
}

const nothing = Buffer.alloc(0);

export class ReconnectingClient implements RpcClient, ClientConnectionOwner {
  readonly payloads = new PayloadPool();
  private readonly options: ReconnectingClientOptions;
  private readonly deadlines: Deadlines;
  /** Two queues a lane: small calls never wait behind large ones (core/rpc/credits.ts). */
  private readonly waiting: PendingCall[][] = lanes.flatMap(() => [[], []]);
  private waitingCount = 0;
  /** The one in use. */
  private connection: ClientConnection | undefined;
  /** Until their end: also those that a stopping server answers on still. */
  private readonly connections = new Set<ClientConnection>();
  /** Until the connection in use is welcome, or the next attempt begins. */
  private connecting = false;
  private retryTimer: Timer | undefined;
  private backoffMs: number = limits.rpcBackoffMsMin;
  private closed = false;

  constructor(options: ReconnectingClientOptions) {
    this.options = options;
    this.deadlines = new Deadlines(options.clock, (call, now) => this.onExpired(call, now));
    this.connect();
  }

  call<Request extends object, Response extends object>(
    call: Call<Request, Response>,
    request: Request,
    options: CallOptions = {},
  ): Promise<Answer<Response>> {
    return new Promise<Answer<Response>>((resolve, reject) => {
      const control = call.request.encode(request);
      // The call's own types are restored by its response message, which decodes the answer.
      const erased = call as unknown as Call<object, object>;
      const settle = resolve as (answer: Answer<object>) => void;
      this.start(this.pending(erased, control, options, settle, reject), options.signal);
    });
  }

  /** Calls can be sent right now. */
  get connected(): boolean {
    return this.connection?.usable === true;
  }

  /** Ends every connection; calls that are not answered reject. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.retryTimer?.cancel();
    for (const connection of this.connections)
      connection.destroy(unavailable('this client was closed'));
    this.rejectWaiting(unavailable('this client was closed'));
    this.deadlines.stop();
  }

  // --- one call

  private pending(
    call: Call<object, object>,
    control: Uint8Array,
    options: CallOptions,
    resolve: (answer: Answer<object>) => void,
    reject: (error: CoreError) => void,
  ): PendingCall {
    const now = this.options.clock.now();
    const payloadBytes = (options.payload ?? []).reduce((sum, part) => sum + part.length, 0);
    if (payloadBytes > limits.rpcPayloadBytesMax || control.length > limits.rpcControlBytesMax) {
      const detail = `${call.name} with ${control.length} + ${payloadBytes} bytes exceeds a frame`;
      throw new CoreError('LIMIT_EXCEEDED', detail);
    }
    const answerBytes = options.answerBytes ?? call.answerBytes ?? 0;
    const waitMs = options.deadlineMs ?? limits.rpcDeadlineMs;
    return {
      call,
      control,
      payload: options.payload,
      lane: lanes.indexOf(call.lane),
      costBytes: payloadBytes + answerBytes,
      answerBytes,
      lendsAnswer: options.lendsAnswer === true,
      deadlineAtMs: now + waitMs,
      connectByMs: now + Math.min(waitMs, limits.rpcConnectWaitMs),
      outgoing: undefined,
      settled: false,
      resolve,
      reject,
    };
  }

  private start(call: PendingCall, signal: AbortSignal | undefined): void {
    if (signal !== undefined && !this.heed(call, signal)) return;
    const queue = this.queueOf(call);
    if (queue.length === 0 && this.connection?.fits(call) === true) {
      this.transmit(call);
      return;
    }
    if (this.closed) return this.settle(call, unavailable('this client was closed'));
    if (this.waitingCount >= limits.rpcWaitingMax) {
      const detail = `${this.waitingCount} calls already wait for ${this.peerName}`;
      return this.settle(call, new CoreError('BUSY', detail));
    }
    queue.push(call);
    this.waitingCount++;
    this.deadlines.watch(call, this.connected ? call.deadlineAtMs : call.connectByMs);
  }

  /** Listens to the caller's signal until the call ends. False when it was aborted already. */
  private heed(call: PendingCall, signal: AbortSignal): boolean {
    const onAbort = (): void => this.giveUp(call, new CoreError('CANCELLED', 'given up by caller'));
    if (signal.aborted) {
      onAbort();
      return false;
    }
    signal.addEventListener('abort', onAbort, { once: true });
    const { resolve, reject } = call;
    const stopListening = (): void => signal.removeEventListener('abort', onAbort);
    call.resolve = (answer) => {
      stopListening();
      resolve(answer);
    };
    call.reject = (error) => {
      stopListening();
      reject(error);
    };
    return true;
  }

  private transmit(call: PendingCall): void {
    this.deadlines.watch(call, call.deadlineAtMs);
    this.connection?.send(call, this.options.clock.now());
  }

  private settle(call: PendingCall, outcome: Answer<object> | CoreError): void {
    this.deadlines.forget(call);
    if (call.settled) return;
    call.settled = true;
    if (outcome instanceof CoreError) call.reject(outcome);
    else call.resolve(outcome);
  }

  private giveUp(call: PendingCall, error: CoreError): void {
    const queue = this.queueOf(call);
    const index = queue.indexOf(call);
    if (index >= 0) {
      queue.splice(index, 1);
      this.waitingCount--;
    }
    this.settle(call, error);
    for (const connection of this.connections) connection.giveUp(call);
  }

  private onExpired(call: PendingCall, now: number): void {
    if (call.outgoing !== undefined) {
      const detail = `${call.call.name} was not answered in time by ${this.peerName}`;
      this.giveUp(call, new CoreError('DEADLINE_EXCEEDED', detail));
    } else if (this.connected && now < call.deadlineAtMs) {
      this.deadlines.watch(call, call.deadlineAtMs);
    } else if (this.connected) {
      const detail = `${call.call.name} found no free credit of ${this.peerName} in time`;
      this.giveUp(call, new CoreError('BUSY', detail));
    } else {
      this.giveUp(call, unavailable(`${this.peerName} is not reachable`));
    }
  }

  // --- waiting calls

  private queueOf(call: PendingCall): PendingCall[] {
    const index = call.lane * 2 + (isSmall(call.costBytes) ? 0 : 1);
    return this.waiting[index] as PendingCall[];
  }

  private sendWaiting(): void {
    for (const queue of this.waiting) {
      let sent = 0;
      while (sent < queue.length && this.connection?.fits(queue[sent] as PendingCall) === true)
        this.transmit(queue[sent++] as PendingCall);
      if (sent > 0) queue.splice(0, sent);
      this.waitingCount -= sent;
    }
  }

  private rejectWaiting(error: CoreError): void {
    for (const queue of this.waiting) for (const call of queue.splice(0)) this.settle(call, error);
    this.waitingCount = 0;
  }

  // --- ClientConnectionOwner

  onWelcome(incarnation: Uint8Array): void {
    this.connecting = false;
    this.backoffMs = limits.rpcBackoffMsMin;
    this.options.onConnected?.(incarnation);
    this.sendWaiting();
  }

  onAnswer(call: PendingCall, answer: Incoming): void {
    const response = call.settled ? undefined : decodeAnswer(call, answer);
    if (response instanceof CoreError) this.settle(call, response);
    else if (response !== undefined)
      this.settle(call, this.answerOf(call, response, answer.payload));
    this.sendWaiting();
  }

  private answerOf(
    { lendsAnswer }: PendingCall,
    response: object,
    payload: Buffer = nothing,
  ): Answer<object> {
    if (!lendsAnswer) return { response, payload };
    return { response, payload, release: () => this.payloads.giveBack(payload) };
  }

  onFailure(call: PendingCall, error: CoreError): void {
    this.settle(call, error);
    this.sendWaiting();
  }

  onCredit(): void {
    this.sendWaiting();
  }

  onGoodbye(connection: ClientConnection): void {
    this.leave(connection);
  }

  onLost({ connection, error, unsent, unknown }: LostConnection): void {
    this.connections.delete(connection);
    const detail = `the connection to ${this.peerName} broke: ${error.message}`;
    for (const call of unknown) this.settle(call, new CoreError('DEADLINE_EXCEEDED', detail));
    for (const call of unsent) {
      call.outgoing = undefined;
      this.queueOf(call).unshift(call);
      this.waitingCount++;
      this.deadlines.watch(call, call.connectByMs);
    }
    // A server that does not know the token will not know it in 20 ms either.
    if (isCoreError(error, 'ACCESS_DENIED') || isCoreError(error, 'VERSION_UNSUPPORTED')) {
      this.backoffMs = limits.rpcBackoffMsMax;
      this.rejectWaiting(error);
    }
    this.leave(connection);
  }

  // --- connecting

  private connect(): void {
    if (this.closed || this.connecting) return;
    this.connecting = true;
    this.options.net
      .connect(this.options.address, limits.rpcHelloMs)
      .then((connection) => this.greet(connection))
      .catch((error: unknown) => {
        this.connecting = false;
        this.options.events.emit('debug', 'rpc.connect-failed', {
          peer: this.peerName,
          error: toCoreError(error).message,
        });
        this.connectLater();
      });
  }

  private greet(connection: Connection): void {
    if (this.closed) {
      connection.destroy();
      return;
    }
    const { role, token } = this.options;
    this.connection = new ClientConnection(connection, { role, token }, this);
    this.connections.add(this.connection);
  }

  /** Turns to a new connection; one that was left earlier may still end while the next is in use. */
  private leave(connection: ClientConnection): void {
    if (this.connection !== connection) return;
    this.connection = undefined;
    this.connecting = false;
    this.connectLater();
  }

  private connectLater(): void {
    if (this.closed || this.retryTimer !== undefined) return;
    const delayMs = this.backoffMs;
    this.backoffMs = Math.min(this.backoffMs * 2, limits.rpcBackoffMsMax);
    this.retryTimer = this.options.clock.after(delayMs, () => {
      this.retryTimer = undefined;
      this.connect();
    });
  }

  private get peerName(): string {
    const { address } = this.options;
    return address.kind === 'unix' ? address.path : `${address.host}:${address.port}`;
  }
}

function unavailable(detail: string): CoreError {
  return new CoreError('UNAVAILABLE', detail);
}
