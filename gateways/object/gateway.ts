// The S3 door: a raw node:http(s) server in front of the dispatcher. The server is raw because signatures
// cover what was sent, bit for bit, and because frameworks answer in their own words (shared design 7);
// here are its settings, and S3 answers for what Node's parser refuses before there is a request.

import { randomBytes } from 'node:crypto';
import { type IncomingMessage, type Server, type ServerResponse, createServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { Duplex } from 'node:stream';
import type { Registry } from 'prom-client';
import type { Events } from '../../core/env/events.ts';
import type { IdentityStore } from '../../core/model/identities/types.ts';
import type { ObjectStore } from '../../core/model/objects/types.ts';
import { errorXml } from '../../protocols/s3/answer-documents.ts';
import { S3Error, type S3ErrorCode } from '../../protocols/s3/errors.ts';
import { SigningKeyCache } from '../../protocols/s3/signing-key.ts';
import type { ListenTarget } from '../roles/listen.ts';
import { RequestIds } from '../server/request-id.ts';
import { StallGuard } from '../server/stall-guard.ts';
import { TcpServer } from '../server/tcp-server.ts';
import { Authenticator } from './authenticate.ts';
import { Dispatcher } from './dispatcher.ts';
import { doorLimits } from './limits.ts';
import { DoorMetrics } from './metrics.ts';

export interface ObjectGatewayOptions {
  readonly objects: ObjectStore;
  readonly identities: IdentityStore;
  readonly listen: ListenTarget;
  /** Region of the system. Signatures for us-east-1 are accepted as well: clients without a region use it. */
  readonly region: string;
  /** Domains below which `bucket.domain` names a bucket. */
  readonly domains?: readonly string[];
  readonly events: Events;
  readonly metrics: Registry;
  /** Serves https; PEM texts. */
  readonly tls?: { readonly key: string; readonly cert: string };
  readonly limits?: Partial<DoorSettings>;
}

/** What a small machine or a test sets otherwise than `doorLimits`. */
export type DoorSettings = Record<
  | 'connectionsMax'
  | 'requestsMax'
  | 'stallMs'
  | 'sweepMs'
  | 'headersMs'
  | 'keepAliveMs'
  | 'lateAnswerMs'
  | 'lateBeatMs',
  number
>;

export interface ObjectGateway {
  /** `http://host:port` */
  readonly url: string;
  /** Stops listening in the calling turn and resolves when the last request is answered. */
  drain(): Promise<void>;
  /** Drains without waiting: requests are cut. */
  close(): Promise<void>;
}

/** @throws Error EADDRINUSE and others of listen(2) */
export async function openObjectGateway(options: ObjectGatewayOptions): Promise<ObjectGateway> {
  const limits = { ...doorLimits, ...options.limits };
  const server = makeServer(options, limits);
  const stalls = new StallGuard({
    sweepMs: limits.sweepMs,
    stallMs: limits.stallMs,
    bytesMin: limits.stallBytesMin,
  });
  const tcp: TcpServer = new TcpServer({
    server,
    listen: options.listen,
    connectionsMax: limits.connectionsMax,
    onRefused: () => metrics.connectionRefused(),
    isBusy: (socket) => dispatcher.isBusy(socket),
  });
  const metrics: DoorMetrics = new DoorMetrics(options.metrics, {
    connections: () => tcp.connections,
    requests: () => dispatcher.requests,
  });
  const ids = new RequestIds();
  const scheme = options.tls === undefined ? 'http' : 'https';
  const dispatcher: Dispatcher = new Dispatcher({
    door: {
      objects: options.objects,
      region: options.region,
      scheme,
      lateAnswerMs: limits.lateAnswerMs,
    },
    domains: (options.domains ?? []).map((domain) => domain.toLowerCase()),
    authenticator: new Authenticator({
      identities: options.identities,
      regions: [...new Set([options.region, 'us-east-1'])],
      keys: new SigningKeyCache(),
      nowMs: () => Date.now(),
    }),
    stalls,
    metrics,
    events: options.events,
    requestsMax: limits.requestsMax,
    lateBeatMs: limits.lateBeatMs,
    hostId: randomBytes(24).toString('base64'),
    now: () => performance.now(),
    nextRequestId: () => ids.next(),
    isDraining: () => tcp.draining,
    onIdle: (socket) => tcp.idle(socket),
  });
  serveWith(server, dispatcher, metrics, ids);
  const { host, port } = await tcp.listen();
  const name = host.includes(':') ? `[${host}]` : host;
  return {
    url: `${scheme}://${name}:${port}`,
    drain: () => tcp.drain().finally(() => stalls.close()),
    close: () => tcp.close().finally(() => stalls.close()),
  };
}

function makeServer({ tls }: ObjectGatewayOptions, limits: DoorSettings): Server {
  const settings = {
    keepAliveTimeout: limits.keepAliveMs,
    headersTimeout: limits.headersMs,
    // How often that is looked at; without it a head may take twice as long.
    connectionsCheckingInterval: limits.sweepMs,
    // Uploads may take hours; the stall guard ends those that do not move.
    requestTimeout: 0,
    maxHeaderSize: doorLimits.requestHeadBytesMax,
    // Checked by the dispatcher, which answers in XML.
    requireHostHeader: false,
    noDelay: true,
  };
  const server =
    tls === undefined
      ? createServer(settings)
      : createTlsServer({ ...settings, ...tls, minVersion: 'TLSv1.2' });
  // The head is bounded in bytes; a bound in lines would drop headers silently.
  server.maxHeadersCount = 0;
  return server;
}

function serveWith(
  server: Server,
  dispatcher: Dispatcher,
  metrics: DoorMetrics,
  ids: RequestIds,
): void {
  const serve = (request: IncomingMessage, response: ServerResponse): void =>
    void dispatcher.serve(request, response, false);
  server.on('request', serve);
  server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
    void dispatcher.serve(request, response, true);
  });
  server.on('checkExpectation', (request: IncomingMessage, response: ServerResponse) => {
    // An empty list expects nothing (RFC 9110 section 10.1.1).
    if (request.headers.expect?.trim() === '') return serve(request, response);
    const error = new S3Error('ExpectationFailed');
    const requestId = ids.next();
    response.shouldKeepAlive = false;
    const body = errorXml(error, request.url ?? '', requestId);
    const length = String(Buffer.byteLength(body));
    response.writeHead(error.status, [...rawHeaders(requestId), 'Content-Length', length]);
    response.end(body);
  });
  // A tunnel: Node has no answer for it but to close.
  server.on('connect', (_request: IncomingMessage, socket: Duplex) => {
    refuseOnSocket(socket, new S3Error('MethodNotAllowed'), ids.next());
  });
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Duplex) => {
    metrics.requestMalformed();
    const exchange = dispatcher.exchangeOn(socket);
    const answer = parserError(error);
    if (exchange === undefined) refuseOnSocket(socket, answer, ids.next());
    // A request is being served: its body cannot go on, and its own answer says so …
    else if (!exchange.response.headersSent) exchange.breakOff(answer);
    // … or its answer is under way, and nothing else may get into it.
    else socket.destroy();
  });
}

const parserCodes: Readonly<Record<string, S3ErrorCode>> = {
  HPE_HEADER_OVERFLOW: 'RequestHeaderSectionTooLarge',
  ERR_HTTP_REQUEST_TIMEOUT: 'RequestTimeout',
  HPE_INVALID_EOF_STATE: 'IncompleteBody',
};

/** What the HTTP parser refused, in S3's words. */
function parserError(error: NodeJS.ErrnoException): S3Error {
  const code = parserCodes[error.code ?? ''];
  if (code !== undefined) return new S3Error(code);
  return new S3Error('BadRequest', 'An error occurred when parsing the HTTP request.');
}

const rawHeaders = (requestId: string): string[] => [
  'Content-Type',
  'application/xml',
  'x-amz-request-id',
  requestId,
  'Server',
  'Lampyr',
];

/** There is no response object yet: the answer is written by hand, and the connection ends. */
function refuseOnSocket(socket: Duplex, error: S3Error, requestId: string): void {
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  const body = errorXml(error, '', requestId);
  const head = [
    `HTTP/1.1 ${error.status} ${error.status === 400 ? 'Bad Request' : 'Error'}`,
    ...pairs([...rawHeaders(requestId), 'Content-Length', String(Buffer.byteLength(body))]),
    `Date: ${new Date().toUTCString()}`,
    'Connection: close',
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`, () => socket.destroy());
}

function pairs(flat: readonly string[]): string[] {
  const lines: string[] = [];
  for (let at = 0; at + 1 < flat.length; at += 2) lines.push(`${flat[at]}: ${flat[at + 1]}`);
  return lines;
}
