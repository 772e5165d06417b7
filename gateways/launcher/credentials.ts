// Root credentials: from the environment for that run, else generated once into DIR/credentials.json, with a
// checksum, so that a damaged file does not quietly stand for other keys. The root's id comes from the cluster
// id, so it stays the same under any keys.

import { createHash, randomInt } from 'node:crypto';
import { crc32c } from '../../core/base/crc32c.ts';
import { CoreError } from '../../core/base/errors.ts';
import type { RootIdentity } from '../roles/role.ts';
import { asRefusal, readFileIfAny, writeFileAtomic } from './files.ts';
import { credentialsFile } from './paths.ts';

export interface Keys {
  readonly accessKey: string;
  readonly secretKey: string;
}

export interface RootCredentials extends Keys {
  readonly source: 'environment' | 'generated' | 'file';
}

/** @throws CoreError DISK_REFUSED when credentials.json is damaged or cannot be used */
export function openCredentials(dataDir: string, given: Keys | undefined): RootCredentials {
  if (given !== undefined) return { ...given, source: 'environment' };
  try {
    return ownCredentials(dataDir);
  } catch (error) {
    throw asRefusal(error);
  }
}

function ownCredentials(dataDir: string): RootCredentials {
  const stored = readCredentials(dataDir);
  if (stored !== undefined) return { ...stored, source: 'file' };
  const keys = { accessKey: randomText(upperDigits, 20), secretKey: randomText(letters, 40) };
  const text = JSON.stringify({ ...keys, checksum: checksumOf(keys) }, undefined, 2);
  writeFileAtomic(credentialsFile(dataDir), `${text}\n`, 0o600);
  return { ...keys, source: 'generated' };
}

/** The stored credentials; undefined before the first start without credentials in the environment. */
export function readCredentials(dataDir: string): Keys | undefined {
  const path = credentialsFile(dataDir);
  const text = readFileIfAny(path);
  if (text === undefined) return undefined;
  try {
    const { accessKey, secretKey, checksum } = JSON.parse(text) as Partial<Keys & Checked>;
    if (typeof accessKey === 'string' && typeof secretKey === 'string') {
      const keys = { accessKey, secretKey };
      // Absent in a file that a person wrote.
      if (checksum === undefined || checksum === checksumOf(keys)) return keys;
      throw new CoreError(
        'DISK_REFUSED',
        `${path} does not match its checksum: restore it, remove it to have new keys generated, or remove ` +
          'the member "checksum" if you changed the keys',
      );
    }
  } catch (error) {
    if (error instanceof CoreError) throw error;
    // Falls through to the refusal.
  }
  throw new CoreError(
    'DISK_REFUSED',
    `${path} holds no accessKey and secretKey: restore it, or remove it to have new ones generated`,
  );
}

interface Checked {
  readonly checksum: string;
}

/** CRC32C in hex: against damage, not against people. */
function checksumOf({ accessKey, secretKey }: Keys): string {
  return crc32c(Buffer.from(`${accessKey}\n${secretKey}`))
    .toString(16)
    .padStart(8, '0');
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
