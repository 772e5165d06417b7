// What each role is told at birth: the same facts for all, a token of its own, and for the core the list of
// tokens that it accepts. Tokens are made anew at every start and never touch the disk, but the operator's.

import { randomBytes } from 'node:crypto';
import type { ClusterConfig, LogFormat, LogLevel, RoleConfig, RoleToken } from '../roles/role.ts';
import { type Keys, rootIdentity } from './credentials.ts';
import type { DataDirectory } from './data-directory.ts';
import { coreAddress, storeAddress } from './paths.ts';

export interface RoleConfigInput {
  readonly data: DataDirectory;
  readonly rootKeys: Keys;
  readonly operatorToken: string;
  readonly s3Domains: readonly string[];
  readonly logLevel: LogLevel;
  readonly logFormat: LogFormat;
}

export function newToken(): string {
  return randomBytes(32).toString('hex');
}

/** In the order of starting: the core, its stores, the doors. */
export function makeRoleConfigs(input: RoleConfigInput): RoleConfig[] {
  const { data, rootKeys, operatorToken, s3Domains, logLevel, logFormat } = input;
  const object: RoleToken = { token: newToken(), peer: 'object', capability: 'write' };
  const core: RoleToken = { token: newToken(), peer: 'core', capability: 'write' };
  const operator: RoleToken = { token: operatorToken, peer: 'operator', capability: 'operator' };
  const cluster = clusterOf(data);
  const stores = (cluster?.stores ?? []).map(({ store }) => ({
    store,
    token: { token: newToken(), peer: `store-${store}`, capability: 'store' } as const,
  }));
  const storeTokens = stores.map(({ token }) => token);
  const common = {
    dataDir: data.path,
    clusterId: data.clusterId,
    region: 'us-east-1',
    s3Domains,
    root: rootIdentity(data.clusterId, rootKeys),
    coreAddress: coreAddress(data.path),
    ...(cluster === undefined ? {} : { cluster }),
    logLevel,
    logFormat,
  };
  return [
    {
      role: 'core',
      name: 'core',
      ...common,
      token: core.token,
      tokens: [object, operator, ...storeTokens],
    },
    ...stores.map(({ store, token: { token, peer: name } }): RoleConfig => ({
      role: 'store',
      name,
      ...common,
      store,
      token,
      tokens: [core, object, operator, ...storeTokens],
    })),
    { role: 'object', name: 'object', ...common, token: object.token, tokens: [] },
  ];
}

function clusterOf({ path, shape }: DataDirectory): ClusterConfig | undefined {
  if (shape.replicas === 1) return undefined;
  const stores = shape.stores.map((dir, at) => ({
    store: at + 1,
    dir,
    address: storeAddress(path, at + 1),
  }));
  return { replicas: shape.replicas, stores };
}
