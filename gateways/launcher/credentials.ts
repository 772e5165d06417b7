// Root credentials: from the environment for that run, else generated once into DIR/credentials.json. The
// root's id comes from the cluster id, so it stays the same under any keys.

import { createHash, randomInt } from 'node:crypto';
import { CoreError } from '../../core/base/errors.ts';
import type { RootIdentity } from '../roles/role.ts';
import { readFileIfAny, writeFileAtomic } from './files.ts';
import { credentialsFile } from './paths.ts';

export interface Keys {
  readonly accessKey: string;
  readonly secretKey: string;
}

export interface RootCredentials extends Keys {
  readonly source: 'environment' | 'generated' | 'file';
}

/** @throws CoreError DISK_REFUSED when credentials.json is damaged */
export function openCredentials(dataDir: string, given: Keys | undefined): RootCredentials {
  if (given !== undefined) return { ...given, source: 'environment' };
  const stored = readCredentials(dataDir);
  if (stored !== undefined) return { ...stored, source: 'file' };
  const keys = { accessKey: randomText(upperDigits, 20), secretKey: randomText(letters, 40) };
  writeFileAtomic(credentialsFile(dataDir), `${JSON.stringify(keys, undefined, 2)}\n`, 0o600);
  return { ...keys, source: 'generated' };
}

/** The stored credentials; undefined before the first start without credentials in the environment. */
export function readCredentials(dataDir: string): Keys | undefined {
  const path = credentialsFile(dataDir);
  const text = readFileIfAny(path);
  if (text === undefined) return undefined;
  try {
    const { accessKey, secretKey } = JSON.parse(text) as Partial<Keys>;
    if (typeof accessKey === 'string' && typeof secretKey === 'string')
      return { accessKey, secretKey };
  } catch {
    // Falls through to the refusal.
  }
  throw new CoreError(
    'DISK_REFUSED',
    `${path} holds no accessKey and secretKey: restore it, or remove it to have new ones generated`,
  );
}

export function rootIdentity(clusterId: string, keys: Keys): RootIdentity {
  return {
    id: createHash('sha256').update(`lampyr root ${clusterId}`).digest('hex'),
    name: 'root',
    displayName: 'root',
    accessKey: keys.accessKey,
    secretKey: keys.secretKey,
  };
}

// Letters and digits only: safe in shells, URLs and configuration files without quoting.
const upperDigits = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';

function randomText(alphabet: string, length: number): string {
  return Array.from({ length }, () => alphabet[randomInt(alphabet.length)]).join('');
}
