// A core on a directory of its own, in this process, and an object store over its socket: everything between
// a gateway's model call and the disk is real.

import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Clock } from '../../../core/env/clock.ts';
import { silentEvents } from '../../../core/env/events.ts';
import type { Events } from '../../../core/env/events.ts';
import type { Address } from '../../../core/env/net.ts';
import { nodeClock } from '../../../core/env/node/clock.ts';
import { nodeDisk } from '../../../core/env/node/disk.ts';
import { nodeNet } from '../../../core/env/node/net.ts';
import { nodeRng } from '../../../core/env/node/rng.ts';
import { openCoreWriter } from '../../../core/model/core-client.ts';
import type { CoreWriter } from '../../../core/model/core-client.ts';
import type { HashContent } from '../../../core/model/objects/hash-content.ts';
import { makeObjectStore } from '../../../core/model/objects/object-store.ts';
import type {
  ObjectBody,
  ObjectContent,
  ObjectStore,
  Principal,
  PutRequest,
  PutResult,
} from '../../../core/model/objects/types.ts';
import { Core } from '../../../gateways/core/core.ts';
import type { CoreOptions } from '../../../gateways/core/core.ts';
import { openCoreOperator } from '../../../gateways/core/operator-client.ts';
import type { CoreOperator } from '../../../gateways/admin/operator.ts';

export const root: CoreOptions['root'] = {
  id: 'a'.repeat(64),
  name: 'root',
  displayName: 'root',
  accessKey: 'ROOT',
  secretKey: 'root-secret',
};
export const who: Principal = { id: root.id, displayName: 'root', root: true };
export const tokens: CoreOptions['tokens'] = [
  { token: 'write-token', peer: 'object', capability: 'write' },
  { token: 'read-token', peer: 'reader', capability: 'read' },
  { token: 'operator-token', peer: 'operator', capability: 'operator' },
];

export function coreOptions(dataDir: string, events: Events = silentEvents): CoreOptions {
  const address: Address = { kind: 'unix', path: join(dataDir, 'core.sock') };
  return { dataDir, clusterId: '0123456789abcdef'.repeat(2), root, address, tokens, events };
}

export function connectWriter(
  address: Address,
  token = 'write-token',
  clock: Clock = nodeClock,
): Promise<CoreWriter> {
  return openCoreWriter({
    net: nodeNet,
    clock,
    rng: nodeRng,
    events: silentEvents,
    address,
    role: 'object',
    token: Buffer.from(token),
    openDisk: (directory) => nodeDisk(directory),
  });
}

/** MD5, SHA-1 and SHA-256: what the tests ask for. */
export const testHash: HashContent = (algorithm) => {
  const hash = createHash(algorithm);
  return { update: (bytes) => void hash.update(bytes), digest: () => hash.digest() };
};

export function objectStoreOf(core: CoreWriter): ObjectStore {
  return makeObjectStore({ ...core, hash: testHash });
}

export const md5 = (bytes: Uint8Array): string => createHash('md5').update(bytes).digest('hex');

/** A body in pieces of `pieceBytes`, as a gateway receives it. */
export function bodyOf(bytes: Buffer, pieceBytes = 64 * 1024): ObjectBody {
  async function* pieces(): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < bytes.length; at += pieceBytes)
      yield Buffer.from(bytes.subarray(at, at + pieceBytes));
  }
  return { chunks: pieces(), sizeBytes: bytes.length, digests: () => ({ etag: md5(bytes) }) };
}

export function putRequest(bucket: string, key: string): PutRequest {
  const attributes = { headers: {}, userMetadata: [], tags: [], storageClass: 'STANDARD' };
  return { bucket, key: Buffer.from(key), attributes, conditions: {} };
}

export function put(
  store: ObjectStore,
  bucket: string,
  key: string,
  bytes: Buffer,
): Promise<PutResult> {
  return store.put(who, putRequest(bucket, key), bodyOf(bytes));
}

export async function contentOf({ chunks }: Pick<ObjectContent, 'chunks'>): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of chunks) pieces.push(Buffer.from(piece));
  return Buffer.concat(pieces);
}

export async function get(store: ObjectStore, bucket: string, key: string): Promise<Buffer> {
  return contentOf(await store.get(who, { bucket, key: Buffer.from(key), conditions: {} }));
}

export class CoreRig {
  readonly dataDir: string;
  core: Core;
  writer: CoreWriter;
  objects: ObjectStore;

  private constructor(dataDir: string, core: Core, writer: CoreWriter) {
    this.dataDir = dataDir;
    this.core = core;
    this.writer = writer;
    this.objects = objectStoreOf(writer);
  }

  static async open(): Promise<CoreRig> {
    const dataDir = mkdtempSync(join(tmpdir(), 'lampyr-core-'));
    const options = coreOptions(dataDir);
    const core = await Core.open(options);
    return new CoreRig(dataDir, core, await connectWriter(options.address));
  }

  operator(): CoreOperator {
    const { address } = coreOptions(this.dataDir);
    const env = { net: nodeNet, clock: nodeClock, events: silentEvents };
    return openCoreOperator({ ...env, core: address, token: 'operator-token' });
  }

  /** Stops the core in an orderly way and starts it again on the same data. */
  async restart(): Promise<void> {
    await this.writer.close();
    await this.core.close();
    const options = coreOptions(this.dataDir);
    this.core = await Core.open(options);
    this.writer = await connectWriter(options.address);
    this.objects = objectStoreOf(this.writer);
  }

  async close(): Promise<void> {
    await this.writer.close();
    await this.core.close();
    rmSync(this.dataDir, { recursive: true, force: true });
  }
}
