// A small system with content of every shape, built by a real core in stages: an older copy (stopped), the
// state that kill -9 leaves (a checkpoint, and records behind it in the journal), and a clean stop.

import { cpSync, existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { KiB, limits } from '../../../../core/base/limits.ts';
import { Prng } from '../../../../core/base/prng.ts';
import { silentEvents } from '../../../../core/env/events.ts';
import type { IdentityStore } from '../../../../core/model/identities/types.ts';
import type { ObjectStore, Principal } from '../../../../core/model/objects/types.ts';
import { Core } from '../../../../gateways/core/core.ts';
import type { CoreStorage } from '../../../../gateways/core/core-data.ts';
import { openCredentials, rootIdentity } from '../../../../gateways/launcher/credentials.ts';
import { openDataDirectory } from '../../../../gateways/launcher/data-directory.ts';
import { coreAddress } from '../../../../gateways/launcher/paths.ts';
import { openIdentities } from '../../../../core/model/identities/identities.ts';
import { nodeClock } from '../../../../core/env/node/clock.ts';
import { nodeRng } from '../../../../core/env/node/rng.ts';
import { bodyOf, connectWriter, objectStoreOf, put, putRequest, tokens } from '../rig.ts';

export interface Stages {
  readonly older: string;
  readonly crashed: string;
  readonly stopped: string;
}

/** Bytes that no checksum or compression hides: random, the same for the same name. */
function content(name: string, bytes: number): Buffer {
  const buffer = Buffer.alloc(bytes);
  new Prng(name).fill(buffer);
  return buffer;
}

export async function buildStages(parent: string, storage: CoreStorage): Promise<Stages> {
  const path = (name: string): string => join(parent, name);
  const live = path('live');
  mkdirSync(live);
  await run(live, storage, firstStage);
  copyDirectory(live, path('older'));
  await run(live, storage, async (system) => {
    await secondStage(system);
    await system.core.data.journal.checkpoint();
    await thirdStage(system);
    // From the idle mark on, damage to the last group is told from a torn one.
    await delay(3 * limits.journalIdleMarkMs);
    copyDirectory(live, path('crashed'));
  });
  copyDirectory(live, path('stopped'));
  return { older: path('older'), crashed: path('crashed'), stopped: path('stopped') };
}

/** All that is to be kept; sockets and locks' contents are of a run. */
export function copyDirectory(from: string, to: string): void {
  cpSync(from, to, {
    recursive: true,
    filter: (source) => !source.endsWith('.sock') && !source.startsWith(join(from, 'run')),
  });
  if (!existsSync(to)) throw new Error(`nothing was copied to ${to}`);
}

interface System {
  readonly core: Core;
  readonly objects: ObjectStore;
  readonly identities: IdentityStore;
  readonly who: Principal;
}

async function run(
  path: string,
  storage: CoreStorage,
  work: (system: System) => Promise<void>,
): Promise<void> {
  const directory = await openDataDirectory(path);
  const root = rootIdentity(directory.clusterId, openCredentials(path, undefined));
  const core = await Core.open({
    dataDir: path,
    clusterId: directory.clusterId,
    root,
    address: coreAddress(path),
    tokens,
    events: silentEvents,
    storage,
  });
  const writer = await connectWriter(coreAddress(path));
  // Content above this goes as a stream into a blob, as above 256 KiB by default.
  const session = { session: writer.session.session, payloadBytesMax: 24 * KiB };
  const objects = objectStoreOf({ ...writer, session });
  const identities = openIdentities({
    store: core.data.meta,
    clock: nodeClock,
    rng: nodeRng,
    root,
  });
  const who = { id: root.id, displayName: root.displayName, root: true };
  await work({ core, objects, identities, who });
  await writer.close();
  await core.close();
  await directory.close();
}

const putAll = async (
  { objects }: System,
  bucket: string,
  sizes: Readonly<Record<string, number>>,
): Promise<void> => {
  for (const [key, bytes] of Object.entries(sizes))
    // oxlint-disable-next-line no-await-in-loop -- the same order in every run
    await put(objects, bucket, key, content(`${bucket}/${key}/${bytes}`, bytes));
};

async function firstStage(system: System): Promise<void> {
  const { objects, who, identities } = system;
  for (const bucket of ['plain', 'versioned', 'alices'])
    // oxlint-disable-next-line no-await-in-loop
    await objects.createBucket(who, { bucket, region: 'us-east-1' });
  await objects.putBucketVersioning(who, 'versioned', 'Enabled');
  await objects.putBucketTags(who, 'plain', [{ key: 'team', value: 'storage' }]);
  await identities.add({ name: 'alice' });
  await identities.add({ name: 'bob' });
  await putAll(system, 'plain', {
    empty: 0,
    inline: 700,
    chunk: 5 * KiB,
    direct: 20 * KiB,
    blob: 40 * KiB,
    'dir/one': 10,
    'dir/sub/two': 100,
    gone: 6 * KiB,
    overwritten: 9 * KiB,
  });
  await putAll(system, 'versioned', { v: 100 });
}

async function secondStage(system: System): Promise<void> {
  const { objects, who, identities } = system;
  await objects.put(
    who,
    {
      ...putRequest('plain', 'dir/'),
      attributes: {
        headers: { contentType: 'text/plain', cacheControl: 'no-store' },
        userMetadata: [['colour', 'blue']],
        tags: [{ key: 'a', value: 'b' }],
        storageClass: 'STANDARD',
      },
    },
    bodyOf(content('dir', 20)),
  );
  const source = { bucket: 'plain', key: Buffer.from('chunk') };
  await objects.copy(who, {
    source,
    sourceConditions: {},
    bucket: 'alices',
    key: Buffer.from('copy'),
    conditions: {},
  });
  await objects.delete(who, { bucket: 'plain', key: Buffer.from('gone'), conditions: {} });
  await putAll(system, 'plain', { overwritten: 7 * KiB });
  await putAll(system, 'versioned', { v: 5 * KiB, w: 50 });
  await multipart(system, 'multipart', true);
  await identities.remove('bob');
}

async function thirdStage(system: System): Promise<void> {
  const { objects, who, identities } = system;
  await putAll(system, 'plain', { late: 300, 'late-chunk': 6 * KiB, 'late-direct': 17 * KiB });
  await putAll(system, 'plain', { inline: 800 });
  await putAll(system, 'versioned', { v: 30 });
  await objects.delete(who, { bucket: 'versioned', key: Buffer.from('w'), conditions: {} });
  await multipart(system, 'upload', false);
  await identities.add({ name: 'carol' });
}

async function multipart({ objects, who }: System, key: string, complete: boolean): Promise<void> {
  const { bucket, ...request } = { ...putRequest('plain', key) };
  const { uploadId } = await objects.createUpload(who, { bucket, ...request });
  const upload = { bucket, key: Buffer.from(key), uploadId };
  const body = bodyOf(content(key, 6 * KiB));
  const { partNumber, etag } = await objects.putPart(who, { ...upload, partNumber: 2 }, body);
  if (!complete) return;
  const parts = [{ partNumber, etag }];
  await objects.completeUpload(who, { ...upload, parts, conditions: {} });
}
