// One large file in multipart through the AWS CLI and back, compared by digest while it streams: what does not
// fit into memory must not need to.

import { execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream, openSync, writeSync, closeSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { Prng } from '../../core/base/prng.ts';
import type { Lampyr } from '../tools/lampyr.ts';
import { awsEnvironment } from './sync-clients.ts';

const mebibyte = 1024 * 1024;

/** Returns the digests of what went in and what came out, which must be equal. */
export async function bigFileThroughAws(
  lampyr: Lampyr,
  mebibytes: number,
): Promise<{ sent: string; received: string }> {
  const folder = mkdtempSync(join(tmpdir(), 'lampyr-big-'));
  const file = join(folder, 'big');
  try {
    writeBigFile(file, mebibytes);
    const env = awsEnvironment(lampyr);
    const aws = (...tail: string[]): string[] => [
      '--endpoint-url',
      lampyr.endpoints.s3,
      's3',
      ...tail,
    ];
    await promisify(execFile)('aws', aws('mb', 's3://big'), { env });
    await promisify(execFile)('aws', aws('cp', '--only-show-errors', file, 's3://big/file'), {
      env,
    });
    const sent = await digestOfFile(file);
    const child = spawn('aws', aws('cp', 's3://big/file', '-'), {
      env,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const hash = createHash('sha256');
    await pipeline(child.stdout, hash);
    return { sent, received: hash.digest('hex') };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function writeBigFile(file: string, mebibytes: number): void {
  const block = Buffer.alloc(mebibyte);
  new Prng('big file').fill(block);
  const descriptor = openSync(file, 'w');
  for (let index = 0; index < mebibytes; index++) {
    block.writeUInt32BE(index, 0);
    writeSync(descriptor, block);
  }
  closeSync(descriptor);
}

async function digestOfFile(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}
