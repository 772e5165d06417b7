// A door for tests: the gateway on a free port over some ObjectStore, two users, and clients that send exactly
// the bytes they are told to.

import { type Socket, connect } from 'node:net';
import { Registry } from 'prom-client';
import type { EventFields, Events, Severity } from '../../../core/env/events.ts';
import type { Identity, IdentityStore } from '../../../core/model/identities/types.ts';
import type { ObjectStore } from '../../../core/model/objects/types.ts';
import { type DoorSettings, openObjectGateway } from '../../../gateways/object/gateway.ts';
import { sha256Hex, signRequest } from '../../../protocols/s3/sign-request.ts';
import { MemoryObjects } from './memory-objects.ts';

export const region = 'us-east-1';

export const main: Identity = {
  id: 'a'.repeat(64),
  name: 'main',
  displayName: 'Main User',
  accessKey: 'MAINACCESSKEY',
  secretKey: 'main-secret-key',
  root: false,
};
export const other: Identity = {
  ...main,
  id: 'b'.repeat(64),
  name: 'other',
  displayName: 'Other User',
  accessKey: 'OTHERACCESSKEY',
  secretKey: 'other-secret-key',
};

const identities: IdentityStore = {
  byAccessKey: async (accessKey) => [main, other].find((who) => who.accessKey === accessKey),
  add: () => Promise.reject(new Error('not in this test')),
  list: async () => [],
  remove: () => Promise.reject(new Error('not in this test')),
};

interface Emitted {
  readonly severity: Severity;
  readonly name: string;
  readonly fields: EventFields;
}

export interface Answer {
  readonly status: number;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

export interface Door {
  readonly url: string;
  readonly host: string;
  readonly events: readonly Emitted[];
  readonly metrics: Registry;
  connect(): Promise<RawClient>;
  /** Signs and sends one request on a connection of its own. */
  send(request: Sendable): Promise<Answer>;
  drain(): Promise<void>;
  close(): Promise<void>;
}

export interface Sendable {
  readonly method: string;
  readonly target: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string;
  readonly who?: Identity;
  /** Overrides the payload's hash. */
  readonly payloadHash?: string;
}

export interface DoorOptions {
  readonly objects?: ObjectStore;
  readonly limits?: Partial<DoorSettings>;
  readonly domains?: readonly string[];
  readonly region?: string;
  readonly tls?: { readonly key: string; readonly cert: string };
}

export async function openDoor(options: DoorOptions = {}): Promise<Door> {
  const emitted: Emitted[] = [];
  const events: Events = {
    emit: (severity, name, fields = {}) => void emitted.push({ severity, name, fields }),
  };
  const metrics = new Registry();
  const gateway = await openObjectGateway({
    objects: options.objects ?? new MemoryObjects(),
    identities,
    listen: { host: '127.0.0.1', port: 0 },
    region: options.region ?? region,
    domains: options.domains ?? [],
    events,
    metrics,
    ...(options.limits === undefined ? {} : { limits: options.limits }),
    ...(options.tls === undefined ? {} : { tls: options.tls }),
  });
  const { host, port } = new URL(gateway.url);
  const open = (): Promise<RawClient> => RawClient.connect(Number(port));
  return {
    url: gateway.url,
    host,
    events: emitted,
    metrics,
    connect: open,
    async send(request) {
      const client = await open();
      try {
        client.write(requestBytes(host, request));
        return await client.read(request.method === 'HEAD');
      } finally {
        client.destroy();
      }
    },
    drain: () => gateway.drain(),
    close: () => gateway.close(),
  };
}

/** A signed request as bytes. */
export function requestBytes(host: string, request: Sendable): Buffer {
  const { method, target, who = main } = request;
  const body = Buffer.from(request.body ?? '');
  const given = { host, ...request.headers };
  const sized =
    request.body === undefined || 'transfer-encoding' in given
      ? given
      : { 'content-length': String(body.length), ...given };
  const payloadHash = request.payloadHash ?? sha256Hex(body);
  const { headers } = signRequest(
    { method, target, headers: sized, payloadHash },
    { accessKey: who.accessKey, secretKey: who.secretKey, region },
    Date.now(),
  );
  return Buffer.concat([headBytes(method, target, headers), body]);
}

export function headBytes(
  method: string,
  target: string,
  headers: Readonly<Record<string, string>>,
): Buffer {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  return Buffer.from(`${method} ${target} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`, 'latin1');
}

/** A connection that shows what comes back, byte for byte. */
export class RawClient {
  readonly socket: Socket;
  /** Resolves when the server closed the connection. */
  readonly closed: Promise<void>;
  private pieces: Buffer[] = [];
  private isClosed = false;
  private wake: () => void = () => undefined;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (bytes) => {
      this.pieces.push(bytes);
      this.wake();
    });
    socket.on('error', () => undefined);
    this.closed = new Promise((resolve) => {
      const end = (): void => {
        this.isClosed = true;
        this.wake();
        resolve();
      };
      socket.on('end', end);
      socket.on('close', end);
    });
  }

  /** What came and was not taken yet, in one piece. */
  private get buffered(): Buffer {
    if (this.pieces.length > 1) this.pieces = [Buffer.concat(this.pieces)];
    return this.pieces[0] ?? Buffer.alloc(0);
  }

  private get bufferedBytes(): number {
    return this.pieces.reduce((sum, piece) => sum + piece.length, 0);
  }

  static connect(port: number): Promise<RawClient> {
    return new Promise((resolve, reject) => {
      const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
      socket.once('error', reject);
      socket.once('connect', () => resolve(new RawClient(socket)));
    });
  }

  write(bytes: Uint8Array | string): void {
    this.socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes);
  }

  destroy(): void {
    this.socket.destroy();
  }

  /** The next answer. @throws Error when the connection ends before it is whole */
  async read(bodyless = false): Promise<Answer> {
    const head = await this.take(() => this.buffered.indexOf('\r\n\r\n') + 4, 4);
    const [first = '', ...lines] = head.toString('latin1').trimEnd().split('\r\n');
    const status = Number(first.split(' ')[1]);
    const headers: Record<string, string> = {};
    for (const line of lines) {
      const at = line.indexOf(':');
      headers[line.slice(0, at).toLowerCase()] = line.slice(at + 1).trim();
    }
    const none = bodyless || status === 304 || status === 204 || status < 200;
    if (!none && headers['transfer-encoding'] === 'chunked')
      return { status, headers, body: await this.readChunks() };
    const length = none ? 0 : Number(headers['content-length'] ?? 0);
    const body = await this.take(() => (this.bufferedBytes >= length ? length : -1), 0);
    return { status, headers, body };
  }

  private async readChunks(): Promise<Buffer> {
    const parts: Buffer[] = [];
    for (;;) {
      const line = await this.take(() => this.buffered.indexOf('\r\n') + 2, 2);
      const size = Number.parseInt(line.toString('latin1'), 16);
      const chunk = await this.take(() => (this.bufferedBytes >= size + 2 ? size + 2 : -1), 0);
      if (size === 0) return Buffer.concat(parts);
      parts.push(chunk.subarray(0, size));
    }
  }

  /** Everything up to the end of the connection. */
  async rest(): Promise<Buffer> {
    await this.closed;
    return this.buffered;
  }

  private async take(length: () => number, least: number): Promise<Buffer> {
    for (;;) {
      const bytes = length();
      if (bytes >= least) {
        const taken = this.buffered.subarray(0, bytes);
        this.pieces = [this.buffered.subarray(bytes)];
        return taken;
      }
      if (this.isClosed)
        throw new Error(
          `connection closed, got ${JSON.stringify(this.buffered.toString('latin1'))}`,
        );
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
    }
  }
}

/** Text of an element of an XML answer. */
export function elementOf(answer: Answer, name: string): string | undefined {
  return new RegExp(`<${name}>([^<]*)</${name}>`).exec(answer.body.toString())?.[1];
}

/** `404 NoSuchKey`, or the status alone when there is no document. */
export function outcome(answer: Answer): string {
  return `${answer.status} ${elementOf(answer, 'Code') ?? ''}`.trim();
}
