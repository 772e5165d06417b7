// A server and clients of the RPC on a unix socket in a directory of their own, with calls that echo, wait
// and count.

import { mkdtemp, rm } from 'node:fs/promises';
import { randomBytes } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bytes, message, optional, uint } from '../../../core/base/message.ts';
import type { Clock } from '../../../core/env/clock.ts';
import type { EventFields, Severity } from '../../../core/env/events.ts';
import type { Address } from '../../../core/env/net.ts';
import { nodeNet } from '../../../core/env/node/net.ts';
import { defineCall } from '../../../core/rpc/call.ts';
import type { CallContext, Capability } from '../../../core/rpc/call.ts';
import { ReconnectingClient } from '../../../core/rpc/client.ts';
import { RpcServer } from '../../../core/rpc/server.ts';

export const testClock: Clock = {
  now: () => performance.now(),
  wallMs: () => Date.now(),
  after(delayMs, callback) {
    const timer = setTimeout(callback, delayMs);
    return { cancel: () => clearTimeout(timer) };
  },
};

const Echo = message('Echo', { number: uint(1), blob: optional(bytes(2)) });

const echoCall = { request: Echo, response: Echo } as const;
export const calls = {
  echo: defineCall({ ...echoCall, id: 9001, name: 'echo', capability: 'read', lane: 'read' }),
  /** Also answers the payload of the request. */
  mirror: defineCall({ ...echoCall, id: 9002, name: 'mirror', capability: 'write', lane: 'write' }),
  /** Answers when the test lets it. */
  wait: defineCall({ ...echoCall, id: 9003, name: 'wait', capability: 'read', lane: 'read' }),
  operate: defineCall({ ...echoCall, id: 9004, name: 'op', capability: 'operator', lane: 'read' }),
  /** Not registered. */
  absent: defineCall({ ...echoCall, id: 9005, name: 'absent', capability: 'read', lane: 'read' }),
  /** Borrows its payload; answers the sum of its bytes. */
  sum: defineCall({ ...echoCall, id: 9007, name: 'sum', capability: 'write', lane: 'write' }),
  /** Answers `number` bytes of 7, in memory that is overwritten once the answer is out. */
  give: defineCall({ ...echoCall, id: 9006, name: 'give', capability: 'read', lane: 'read' }),
};

export interface Waiter {
  readonly number: number;
  readonly context: CallContext;
  release(): void;
}

export class RpcRig {
  readonly directory: string;
  readonly address: Address;
  readonly events: { severity: Severity; name: string; fields: EventFields | undefined }[] = [];
  readonly waiters: Waiter[] = [];
  /** Requests whose handler was started. */
  started = 0;
  /** Answers of `give` that are out. */
  sent = 0;
  server: RpcServer;
  private readonly clients: ReconnectingClient[] = [];

  private constructor(directory: string) {
    this.directory = directory;
    this.address = { kind: 'unix', path: join(directory, 'rpc.sock') };
    this.server = this.makeServer();
  }

  static async open(): Promise<RpcRig> {
    const rig = new RpcRig(await mkdtemp(join(tmpdir(), 'lampyr-rpc-')));
    await rig.server.listen(rig.address);
    return rig;
  }

  async close(): Promise<void> {
    for (const client of this.clients) client.close();
    for (const waiter of this.waiters) waiter.release();
    await this.server.close(100);
    await rm(this.directory, { recursive: true, force: true });
  }

  /** A client whose token carries `capability`. */
  client(
    capability: Capability | 'stranger' = 'write',
    onConnected?: (incarnation: Uint8Array) => void,
  ): ReconnectingClient {
    const client = new ReconnectingClient({
      net: nodeNet,
      clock: testClock,
      events: this,
      address: this.address,
      role: 'test',
      token: Buffer.from(capability),
      ...(onConnected === undefined ? {} : { onConnected }),
    });
    this.clients.push(client);
    return client;
  }

  /** Replaces the server as a restart would: new incarnation, same address. */
  async restart(): Promise<void> {
    this.server = this.makeServer();
    await this.server.listen(this.address);
  }

  emit(severity: Severity, name: string, fields?: EventFields): void {
    this.events.push({ severity, name, fields });
  }

  private makeServer(): RpcServer {
    const tokens = new Map<string, Capability>(
      (['read', 'write', 'operator'] as const).map((name) => [name, name]),
    );
    const server = new RpcServer({
      net: nodeNet,
      clock: testClock,
      rng: { bytes: (count) => randomBytes(count) },
      events: this,
      authorize: (token) => tokens.get(Buffer.from(token).toString()),
    });
    server.register(calls.echo, async (request) => ({ response: request }));
    server.register(calls.operate, async (request) => ({ response: request }));
    server.register(calls.mirror, async (response, payload) => {
      this.started++;
      return { response, payload: [payload] };
    });
    server.register(
      calls.sum,
      async (_, payload) => {
        // oxlint-disable-next-line no-await-in-loop -- others arrive meanwhile
        for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
        return { response: { number: payload.reduce((sum, byte) => sum + byte, 0) } };
      },
      { borrowsPayload: true },
    );
    server.register(calls.give, async (response) => {
      this.started++;
      const given = Buffer.alloc(response.number, 7);
      const onSent = (): void => {
        this.sent++;
        given.fill(0xee);
      };
      return { response, payload: [given], onSent };
    });
    server.register(calls.wait, (response, _payload, context) => {
      this.started++;
      return new Promise((resolve) => {
        const { number } = response;
        this.waiters.push({ number, context, release: () => resolve({ response }) });
      });
    });
    return server;
  }
}

/** Until `condition` holds. @throws Error after 5 s. */
export async function eventually(condition: () => boolean, what: string): Promise<void> {
  const end = performance.now() + 5_000;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`not within 5 s: ${what}`);
    // oxlint-disable-next-line no-await-in-loop -- polling
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
