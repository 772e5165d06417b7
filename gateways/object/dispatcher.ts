// The way of every request: take it apart, prove who calls, find the operation, refuse what is not offered,
// let the handler answer; whatever is thrown on the way becomes an S3 error. Order matters: nothing is read
// from a body and nothing is asked of the model before the signature holds.

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Events } from '../../core/env/events.ts';
import { limits } from '../../core/base/limits.ts';
import { parseAddress } from '../../protocols/s3/address.ts';
import { errorXml } from '../../protocols/s3/answer-documents.ts';
import { S3Error } from '../../protocols/s3/errors.ts';
import { refuseUnsupported } from '../../protocols/s3/object-headers.ts';
import { parseRawTarget } from '../../protocols/s3/raw-request.ts';
import { route } from '../../protocols/s3/router.ts';
import type { StallGuard } from '../server/stall-guard.ts';
import type { Authenticator } from './authenticate.ts';
import { isFault, toS3Error } from './core-errors.ts';
import { Exchange } from './exchange.ts';
import { preflight } from './handlers/preflight.ts';
import { handlerOf } from './handlers/registry.ts';
import { doorLimits } from './limits.ts';
import type { DoorMetrics } from './metrics.ts';
import { type Reply, emptyReply, xmlType } from './reply.ts';
import { type Door, S3Call } from './s3-call.ts';
import { sendReply } from './send-reply.ts';

export interface DispatcherOptions {
  readonly door: Door;
  /** Lower-case suffixes of virtual-host style. */
  readonly domains: readonly string[];
  readonly authenticator: Authenticator;
  readonly stalls: StallGuard;
  readonly metrics: DoorMetrics;
  readonly events: Events;
  readonly requestsMax: number;
  readonly lateBeatMs: number;
  /** x-amz-id-2 of every answer: which process it was. */
  readonly hostId: string;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  readonly nextRequestId: () => string;
  readonly isDraining: () => boolean;
  /** The connection has no request left. */
  readonly onIdle: (socket: Socket) => void;
}

export class Dispatcher {
  private readonly options: DispatcherOptions;
  /** The exchanges of each busy connection; the last one is what a parser's complaint is about. */
  private readonly busy = new Map<object, Exchange[]>();
  /** Connections whose last answer is out or on its way: what follows on them is never served (RFC 9112
   *  section 9.6), though the parser may still find it in what was read already. */
  private readonly ending = new WeakSet<object>();
  private inFlight = 0;

  constructor(options: DispatcherOptions) {
    this.options = options;
  }

  get requests(): number {
    return this.inFlight;
  }

  isBusy(connection: object): boolean {
    return this.busy.has(connection);
  }

  /** The exchange whose request came last, while it is not answered. */
  exchangeOn(connection: object): Exchange | undefined {
    return this.busy.get(connection)?.at(-1);
  }

  /** Serves one request; never throws. Few promises: each costs a small request a percent. */
  async serve(
    request: IncomingMessage,
    response: ServerResponse,
    expectsContinue: boolean,
  ): Promise<void> {
    const { options } = this;
    const nowMs = options.now();
    const requestId = options.nextRequestId();
    const exchange = new Exchange({ request, response, requestId, nowMs, expectsContinue });
    const before = this.begin(exchange);
    try {
      // One after another: a client that wrote may read what it wrote (RFC 9112 section 9.3.2), and what it
      // asks for and does not read is one answer.
      if (before !== undefined) await before.whenEnded();
      if (exchange.isGone || this.ending.has(request.socket)) return;
      let reply: Reply;
      try {
        reply = await this.answer(exchange);
      } catch (error) {
        reply = this.refuse(exchange, error);
      }
      await this.send(exchange, reply);
    } finally {
      this.end(exchange);
      if (exchange.status > 0) this.record(exchange);
    }
  }

  /** @returns the exchange before it on the connection, when that is not answered yet. */
  private begin(exchange: Exchange): Exchange | undefined {
    const { socket } = exchange.request;
    const others = this.busy.get(socket);
    const before = others?.at(-1);
    if (others === undefined) this.busy.set(socket, [exchange]);
    else others.push(exchange);
    this.options.stalls.add(exchange);
    this.inFlight++;
    if (others !== undefined && others.length > doorLimits.requestsAheadMax) socket.destroy();
    return before;
  }

  private end(exchange: Exchange): void {
    const { socket } = exchange.request;
    if (!exchange.response.shouldKeepAlive) this.ending.add(socket);
    exchange.end();
    const others = this.busy.get(socket) ?? [];
    if (others.length > 1) others.splice(others.indexOf(exchange), 1);
    else {
      this.busy.delete(socket);
      this.options.onIdle(socket);
    }
    this.options.stalls.remove(exchange);
    this.inFlight--;
  }

  /** A reply that fails before its head went out becomes an error answer; later it is cut, visibly. */
  private async send(exchange: Exchange, reply: Reply): Promise<void> {
    const { hostId, lateBeatMs, isDraining } = this.options;
    const common = [
      'x-amz-request-id',
      exchange.requestId,
      'x-amz-id-2',
      hostId,
      'Server',
      'Lampyr',
    ];
    const options = { common, lastOfConnection: isDraining(), lateBeatMs };
    try {
      await sendReply(exchange, reply, options);
    } catch (error) {
      const refusal = this.refuse(exchange, error);
      if (exchange.response.headersSent || exchange.isGone) exchange.request.socket.destroy();
      else await sendReply(exchange, refusal, options);
    }
  }

  private async answer(exchange: Exchange): Promise<Reply> {
    const { options } = this;
    const { request } = exchange;
    if (this.inFlight > options.requestsMax) throw slowDown();
    checkHeaderSection(request.rawHeaders);
    const parsed = parseRawTarget(request.method ?? '', request.url ?? '', request.rawHeaders);
    if (!parsed.ok) throw parsed.error;
    const raw = parsed.value;
    const host = raw.header('host') ?? '';
    if (host === '' && request.httpVersion !== '1.0') throw new S3Error('InvalidHost');
    const address = parseAddress(raw.rawPath, host, options.domains);
    exchange.bucket = address.bucket;
    exchange.key = address.key;
    exchange.uploadId = raw.queryFirst('uploadId');
    if (raw.method === 'OPTIONS') {
      exchange.operation = route(raw, address.scope).name;
      return preflight(raw);
    }
    const proven = options.authenticator.authenticate(raw);
    const caller = proven instanceof Promise ? await proven : proven;
    exchange.caller = caller.who.displayName;
    const operation = route(raw, address.scope);
    exchange.operation = operation.name;
    const handler = handlerOf(operation);
    refuseUnsupported(raw);
    const call = new S3Call(exchange, { request: raw, address, caller, door: options.door });
    const owner = raw.header('x-amz-expected-bucket-owner');
    if (owner !== undefined && address.scope !== 'service') await checkOwner(call, owner);
    return handler(call);
  }

  /** The answer to a request that failed with `error`. */
  private refuse(exchange: Exchange, error: unknown): Reply {
    const answer = exchange.brokenBy ?? toS3Error(error, exchange);
    exchange.errorCode = answer.code;
    if (isFault(error)) this.report(exchange, error);
    const headers = Object.entries(answer.headers).flat();
    const bodyless = exchange.request.method === 'HEAD' || answer.status === 304;
    if (bodyless) return emptyReply(answer.status, headers);
    const resource = pathOf(exchange.request.url ?? '');
    const document = errorXml(answer, resource, exchange.requestId);
    return { status: answer.status, headers: [...xmlType, ...headers], body: document };
  }

  private report(exchange: Exchange, error: unknown): void {
    const { message, stack, name } = error instanceof Error ? error : new Error(String(error));
    this.options.events.emit('error', 's3-request-failed', {
      requestId: exchange.requestId,
      operation: exchange.operation,
      bucket: exchange.bucket,
      error: name,
      reason: message,
      stack,
    });
  }

  private record(exchange: Exchange): void {
    const { metrics, events, now } = this.options;
    const milliseconds = now() - exchange.startedMs;
    metrics.answered(exchange, milliseconds);
    // One line a request; no query, which may hold a signature.
    events.emit(exchange.status >= 500 ? 'warn' : 'debug', 's3-request', {
      requestId: exchange.requestId,
      operation: exchange.operation ?? exchange.request.method,
      bucket: exchange.bucket,
      key: exchange.key,
      status: exchange.status,
      code: exchange.errorCode,
      receivedBytes: exchange.body?.receivedBytes ?? 0,
      sentBytes: exchange.sentBytes,
      ms: Math.round(milliseconds * 1000) / 1000,
      caller: exchange.caller,
      peer: exchange.request.socket.remoteAddress,
    });
  }
}

const slowDown = (): S3Error => new S3Error('SlowDown', undefined, {}, { 'Retry-After': '1' });

/** @throws S3Error RequestHeaderSectionTooLarge */
function checkHeaderSection(rawHeaders: readonly string[]): void {
  // Each line has a colon and its end, too.
  let bytes = rawHeaders.length * 2;
  for (const text of rawHeaders) bytes += text.length;
  if (bytes > doorLimits.headerSectionBytesMax) {
    throw new S3Error('RequestHeaderSectionTooLarge', undefined, {
      MaxSizeAllowed: String(doorLimits.headerSectionBytesMax),
    });
  }
}

/** `x-amz-expected-bucket-owner`: a client that fears to talk to a bucket of somebody else.
 *  @throws S3Error AccessDenied */
async function checkOwner(call: S3Call, expected: string): Promise<void> {
  const { owner } = await call.objects.headBucket(call.who, call.bucket);
  if (owner.id !== expected) throw new S3Error('AccessDenied');
}

/** The target without its query, which may hold a signature. */
function pathOf(target: string): string {
  const at = target.indexOf('?');
  const path = at < 0 ? target : target.slice(0, at);
  return path.slice(0, limits.objectKeyBytesMax * 3 + limits.fileNameBytesMax);
}
