// What every door's listening server needs, whatever it speaks: listen, a bound on connections, and a
// graceful stop. It knows sockets, not requests: the protocol above says which connections serve one, and
// when a connection has served its last.

import type { Server, Socket } from 'node:net';
import { type ListenTarget, listenOn } from '../roles/listen.ts';

export interface TcpServerOptions {
  /** node:net, node:http or node:https; not yet listening. */
  readonly server: Server;
  readonly listen: ListenTarget;
  /** Further connections are closed at once: file descriptors and memory are bounded. */
  readonly connectionsMax: number;
  /** A connection was refused for the bound. */
  onRefused?(): void;
  /** Whether a connection serves a request: draining lets it finish. */
  isBusy(socket: Socket): boolean;
}

export class TcpServer {
  private readonly options: TcpServerOptions;
  private readonly sockets = new Set<Socket>();
  private readonly closed: Promise<void>;
  private stopping = false;

  constructor(options: TcpServerOptions) {
    this.options = options;
    const { server, connectionsMax } = options;
    server.maxConnections = connectionsMax;
    server.on('drop', () => options.onRefused?.());
    server.on('connection', (socket: Socket) => {
      this.sockets.add(socket);
      socket.once('close', () => this.sockets.delete(socket));
    });
    this.closed = new Promise((resolve) => server.once('close', () => resolve()));
  }

  get connections(): number {
    return this.sockets.size;
  }

  /** Answers should ask for no further request on their connection. */
  get draining(): boolean {
    return this.stopping;
  }

  /** @returns the bound address. @throws Error EADDRINUSE and others of listen(2) */
  listen(): Promise<{ readonly host: string; readonly port: number }> {
    return listenOn(this.options.server, this.options.listen);
  }

  /** A connection serves nothing any more: while draining it ends once its answer is out. */
  idle(socket: Socket): void {
    if (this.stopping) socket.destroySoon();
  }

  /** Stops listening in the calling turn, closes idle connections and waits for the busy ones to end. */
  drain(): Promise<void> {
    if (!this.stopping) {
      this.stopping = true;
      this.options.server.close();
      for (const socket of this.sockets) if (!this.options.isBusy(socket)) socket.destroy();
    }
    return this.closed;
  }

  /** Drains without waiting: busy connections are cut. */
  async close(): Promise<void> {
    const drained = this.drain();
    for (const socket of this.sockets) socket.destroy();
    await drained;
  }
}
