// The data directory as the launcher and the command line see it. What the core keeps below `meta/` and
// `store/` is described in docs/internals/disk-format.md.
//
//   DIR/lampyr.json        format and cluster id; makes a directory a data directory
//   DIR/credentials.json   generated root credentials, mode 0600
//   DIR/endpoints.json     where a running system listens
//   DIR/lock/              locks of the launcher, the core and stores (core/env/node/lock.ts)
//   DIR/run/               of the present run: internal sockets, operator token; nothing that must survive

import { createHash } from 'node:crypto';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import type { Address } from '../../core/env/net.ts';

export const systemFile = (dataDir: string): string => join(dataDir, 'lampyr.json');
export const credentialsFile = (dataDir: string): string => join(dataDir, 'credentials.json');
export const endpointsFile = (dataDir: string): string => join(dataDir, 'endpoints.json');
export const runDirectory = (dataDir: string): string => join(dataDir, 'run');
export const launcherFile = (dataDir: string): string =>
  join(runDirectory(dataDir), 'launcher.json');
export const operatorFile = (dataDir: string): string =>
  join(runDirectory(dataDir), 'operator.json');
export const lockPath = (dataDir: string, holder: string): string => join(dataDir, 'lock', holder);

/** Length of sun_path without its NUL: the kernel refuses longer names of unix sockets. */
const socketPathBytesMax = 107;

/** The core's RPC socket: in DIR/run, or in a directory of the user's own when that name is too long. */
export function coreAddress(dataDir: string): Address {
  return socketAddress(dataDir, 'core.sock');
}

/** The RPC socket of store `store`, from 1. */
export function storeAddress(dataDir: string, store: number): Address {
  return socketAddress(dataDir, `s${store}.sock`);
}

function socketAddress(dataDir: string, name: string): Address {
  // All in one place: whether the longest name fits decides.
  const path = join(runDirectory(dataDir), name);
  const longest = join(runDirectory(dataDir), 'core.sock');
  if (Buffer.byteLength(longest) <= socketPathBytesMax) return { kind: 'unix', path };
  const digest = createHash('sha256').update(dataDir).digest('hex').slice(0, 16);
  return { kind: 'unix', path: join(tmpdir(), `lampyr-${userInfo().uid}-${digest}`, name) };
}
