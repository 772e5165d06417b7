// Listening where the launcher says: on a socket that the launcher bound and still holds, so that the port
// survives a restart of the role (connections wait in the kernel's queue), or, in tests and embedders, on a
// host and port of one's own.

import type { ListenOptions, Server } from 'node:net';

declare const socketHandle: unique symbol;
/** A bound socket as Node passes it between processes. Opaque: only `listenOn` looks inside. */
export interface SocketHandle {
  readonly [socketHandle]: true;
}

export type ListenTarget =
  | SocketHandle
  | {
      readonly host: string;
      /** 0: any free port. */
      readonly port: number;
    };

/** Starts `server` (node:net or node:http) on the target; resolves with the bound address.
 *  @throws Error EADDRINUSE and others of listen(2) */
export function listenOn(
  server: Server,
  target: ListenTarget,
): Promise<{ readonly host: string; readonly port: number }> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(target as ListenOptions, () => {
      server.off('error', reject);
      const address = server.address();
      if (address === null || typeof address === 'string') {
        reject(new Error('the server does not listen on TCP'));
        return;
      }
      resolve({ host: address.address, port: address.port });
    });
  });
}
