// DIR/endpoints.json: where the doors of a running system are. A door that does not exist is absent. The
// names and shapes are a promise to scripts: s3, admin as URLs (kafka and resp will be host:port).

import { isIPv6 } from 'node:net';
import { writeFileAtomic } from './files.ts';
import { endpointsFile } from './paths.ts';

export interface Endpoints {
  readonly s3: string;
  readonly admin: string;
}

export function writeEndpoints(dataDir: string, endpoints: Endpoints): void {
  writeFileAtomic(endpointsFile(dataDir), `${JSON.stringify(endpoints)}\n`);
}

/** A URL that works on this machine: for a socket on all addresses, that of the loopback. */
export function httpUrl(socket: { readonly host: string; readonly port: number }): string {
  const host = socket.host === '0.0.0.0' ? '127.0.0.1' : socket.host === '::' ? '::1' : socket.host;
  return `http://${isIPv6(host) ? `[${host}]` : host}:${socket.port}`;
}
