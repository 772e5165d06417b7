// The answering side of the RPC: listens, lets peers in by token, grants credits and runs handlers. Limits
// memory by what it grants; a peer that does not read its answers gets no further request started.
// The rules are on docs/internals/rpc.md.

import { CoreError } from '../base/errors.ts';
import { limits } from '../base/limits.ts';
import type { Clock } from '../env/clock.ts';
import type { Events } from '../env/events.ts';
import type { Address, Connection, Listener, Net } from '../env/net.ts';
import type { Rng } from '../env/rng.ts';
import type { Call, Capability, Handler, HandlerOptions, RpcRegistry } from './call.ts';
import { CallTable } from './call-table.ts';
import { shareOf } from './credits.ts';
import { PayloadPool } from './payload-pool.ts';
import { ServerConnection } from './server-connection.ts';
import type { ServerView } from './server-connection.ts';

export interface RpcServerOptions {
  readonly net: Net;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly events: Events;
  /** What a token may do; undefined when nobody has it. Compares in constant time. */
  readonly authorize: (token: Uint8Array) => Capability | undefined;
}

export class RpcServer implements RpcRegistry, ServerView {
  readonly calls = new CallTable();
  readonly payloads = new PayloadPool();
  /** Random per start, so that clients notice a restart. */
  readonly incarnation: Uint8Array;
  readonly clock: Clock;
  readonly events: Events;
  private readonly net: Net;
  private readonly authorize: RpcServerOptions['authorize'];
  private readonly connections = new Set<ServerConnection>();
  private readonly listeners: Listener[] = [];
  private closing = false;
  /** Resolves `close` when the last connection is gone. */
  private onLastClosed: () => void = () => undefined;

  constructor(options: RpcServerOptions) {
    this.net = options.net;
    this.clock = options.clock;
    this.events = options.events;
    this.authorize = options.authorize;
    this.incarnation = options.rng.bytes(8);
  }

  register<Request extends object, Response extends object>(
    call: Call<Request, Response>,
    handler: Handler<Request, Response>,
    options?: HandlerOptions,
  ): void {
    this.calls.register(call, handler, options);
  }

  /** Answers the address in use: the port chosen by the system when 0 was asked for. */
  async listen(address: Address): Promise<Address> {
    const listener = await this.net.listen(address, (connection) => this.accept(connection));
    this.listeners.push(listener);
    return listener.address;
  }

  /** Stops listening, tells the peers, waits for running requests up to `drainMs`, then closes. */
  async close(drainMs: number = limits.rpcDrainMs): Promise<void> {
    this.closing = true;
    await Promise.all(this.listeners.map((listener) => listener.close()));
    if (this.connections.size === 0) return;
    await new Promise<void>((resolve) => {
      const timer = this.clock.after(drainMs, () => {
        for (const connection of this.connections) connection.destroy();
      });
      this.onLastClosed = () => {
        timer.cancel();
        resolve();
      };
      for (const connection of this.connections) connection.drain();
    });
  }

  get stats(): { readonly connections: number; readonly running: number } {
    let running = 0;
    for (const connection of this.connections) running += connection.runningCount;
    return { connections: this.connections.size, running };
  }

  /** Connections but those of stores: of who is served here. */
  get clients(): number {
    return [...this.connections].filter(({ capability }) => capability !== 'store').length;
  }

  private accept(connection: Connection): void {
    if (this.closing || this.connections.size >= limits.rpcConnectionsMax) {
      connection.destroy();
      this.events.emit('warn', 'rpc.connection-refused', {
        connections: this.connections.size,
        closing: this.closing,
      });
      return;
    }
    const accepted = new ServerConnection(this, connection, () => {
      this.connections.delete(accepted);
      this.shareCredits();
      if (this.connections.size === 0) this.onLastClosed();
    });
    this.connections.add(accepted);
    this.shareCredits();
  }

  /** The lanes' bytes are divided anew when peers come and go. */
  private shareCredits(): void {
    const share = shareOf(this.connections.size);
    for (const connection of this.connections) connection.grant(share);
  }

  /** @throws CoreError ACCESS_DENIED */
  capabilityOf(token: Uint8Array): Capability {
    const capability = this.authorize(token);
    if (capability === undefined)
      throw new CoreError('ACCESS_DENIED', 'the token of this role is not known here');
    return capability;
  }
}
