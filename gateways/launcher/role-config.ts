// What each role is told at birth: the same facts for all, a token of its own, and for the core the list of
// tokens that it accepts. Tokens are made anew at every start and never touch the disk, but the operator's.

import { randomBytes } from 'node:crypto';
import type { LogFormat, LogLevel, RoleConfig, RoleName, RoleToken } from '../roles/role.ts';
import { type Keys, rootIdentity } from './credentials.ts';
import type { DataDirectory } from './data-directory.ts';
import { coreAddress } from './paths.ts';

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

export function makeRoleConfigs(input: RoleConfigInput): Record<RoleName, RoleConfig> {
  const { data, rootKeys, operatorToken, s3Domains, logLevel, logFormat } = input;
  const object: RoleToken = { token: newToken(), peer: 'object', capability: 'write' };
  const operator: RoleToken = { token: operatorToken, peer: 'operator', capability: 'operator' };
  const common = {
    dataDir: data.path,
    clusterId: data.clusterId,
    region: 'us-east-1',
    s3Domains,
    root: rootIdentity(data.clusterId, rootKeys),
    coreAddress: coreAddress(data.path),
    logLevel,
    logFormat,
  };
  return {
    core: { role: 'core', ...common, token: newToken(), tokens: [object, operator] },
    object: { role: 'object', ...common, token: object.token, tokens: [] },
  };
}
