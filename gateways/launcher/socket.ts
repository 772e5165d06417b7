// Sockets that the launcher binds and roles listen on. The launcher keeps its copy and never accepts from it,
// so while a role restarts new connections wait in the kernel's queue and are not refused (design 9).
//
// A net.Server cannot do this: it accepts as soon as it listens. `net._createServerHandle` binds without
// accepting; it is what Node's own cluster module uses for its shared handles (SCHED_NONE), has kept its
// signature since Node 0.12, and is absent from the type declarations only because it is undocumented.

import * as net from 'node:net';
import { getSystemErrorName } from 'node:util';
import { CoreError } from '../../core/base/errors.ts';
import type { SocketHandle } from '../roles/listen.ts';

export interface BoundSocket {
  readonly handle: SocketHandle;
  readonly host: string;
  readonly port: number;
  close(): void;
}

interface RawHandle {
  getsockname(into: { address?: string; port?: number }): number;
  close(): void;
}
type CreateServerHandle = (
  host: string,
  port: number,
  family: number,
  fd: number,
  flags: number,
) => RawHandle | number;
const { _createServerHandle: createServerHandle } = net as unknown as {
  _createServerHandle: CreateServerHandle;
};

/** Binds a TCP socket to an IP address; port 0 takes any free one.
 *  @throws CoreError UNAVAILABLE with the reason: in use, not permitted, no such address */
export function bindSocket(host: string, port: number): BoundSocket {
  const made = createServerHandle(host, port, net.isIP(host), -1, 0);
  if (typeof made === 'number') throw cannotListen(host, port, getSystemErrorName(made));
  const name: { address?: string; port?: number } = {};
  // libuv reports a port in use late: at the first call after bind.
  const failed = made.getsockname(name);
  if (failed !== 0) {
    made.close();
    throw cannotListen(host, port, getSystemErrorName(failed));
  }
  return {
    handle: made as unknown as SocketHandle,
    host: name.address ?? host,
    port: name.port ?? port,
    close: () => made.close(),
  };
}

const reasons: Readonly<Record<string, string>> = {
  EADDRINUSE: 'the port is in use',
  EACCES: 'this user may not listen there',
  EADDRNOTAVAIL: 'this machine has no such address',
};

function cannotListen(host: string, port: number, code: string): CoreError {
  return new CoreError('UNAVAILABLE', `${host}:${port}: ${reasons[code] ?? code}`, {
    cause: Object.assign(new Error(code), { code }),
  });
}
