// What every process that answers internal calls does alike: who may call, and the socket.

import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Address } from '../../core/env/net.ts';
import { secretTable } from '../../core/env/node/secrets.ts';
import type { RpcServer } from '../../core/rpc/server.ts';
import type { RoleToken } from '../roles/role.ts';

/** The capability that a token carries; undefined for a token that nobody was given. */
export function authorizer(
  tokens: readonly RoleToken[],
): (token: Uint8Array) => RoleToken['capability'] | undefined {
  return secretTable(tokens.map(({ token, capability }) => [Buffer.from(token), capability]));
}

/** Listens; the folder of a unix socket is made, for its owner alone. */
export async function listenInternal(rpc: RpcServer, address: Address): Promise<void> {
  if (address.kind === 'unix') mkdirSync(dirname(address.path), { recursive: true, mode: 0o700 });
  await rpc.listen(address);
}
