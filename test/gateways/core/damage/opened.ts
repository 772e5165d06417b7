// A core's data opened as the core process opens it, without its sockets: launcher's files, CoreData,
// namespace, and the object model over calls in this process. What a reader of a damaged system would get.

import { join } from 'node:path';
import { CoreError } from '../../../../core/base/errors.ts';
import { KiB } from '../../../../core/base/limits.ts';
import { ChunkBlobClient } from '../../../../core/client/blob-client.ts';
import { type ServedTarget, registerChunkService } from '../../../../core/client/chunk-service.ts';
import { DirectReader } from '../../../../core/client/direct-reader.ts';
import { singleTargetChunks } from '../../../../core/client/single-target-chunks.ts';
import type { Disk } from '../../../../core/env/disk.ts';
import { silentEvents } from '../../../../core/env/events.ts';
import { nodeClock } from '../../../../core/env/node/clock.ts';
import { nodeDisk } from '../../../../core/env/node/disk.ts';
import { nodeHasher } from '../../../../core/env/node/hasher.ts';
import { nodeRng } from '../../../../core/env/node/rng.ts';
import { nodeStorage } from '../../../../core/env/node/storage.ts';
import { NamespaceService, registerNamespaceCalls } from '../../../../core/meta/service.ts';
import { embeddedTarget } from '../../../../core/model/core-client.ts';
import { openIdentities } from '../../../../core/model/identities/identities.ts';
import type { PagedIdentities } from '../../../../core/model/identities/identities.ts';
import { makeObjectStore } from '../../../../core/model/objects/object-store.ts';
import type { ObjectStore } from '../../../../core/model/objects/types.ts';
import { CallTable } from '../../../../core/rpc/call-table.ts';
import { localClient } from '../../../../core/rpc/local.ts';
import { CoreData, corePaths } from '../../../../gateways/core/core-data.ts';
import type { CoreStorage } from '../../../../gateways/core/core-data.ts';
import { runFsck } from '../../../../gateways/core/fsck.ts';
import { openCredentials, rootIdentity } from '../../../../gateways/launcher/credentials.ts';
import { openDataDirectory } from '../../../../gateways/launcher/data-directory.ts';
import type { RootIdentity } from '../../../../gateways/roles/role.ts';
import { testHash } from '../rig.ts';

/** Small files, so that every byte of them can be tried. */
export const smallStorage: CoreStorage = {
  ...nodeStorage,
  store: {
    slabBytesMin: 8 * KiB,
    slabBytesMax: 32 * KiB,
    slabPieceBytes: 64 * KiB,
    journaledBytesMax: 16 * KiB,
    rewriteBytesMax: 4 * KiB,
    placementRoundBytes: 32 * KiB,
    reserveBytes: 0,
  },
  journal: { segmentBytes: 96 * KiB, segmentsMin: 3, segmentsMax: 3 },
};

const isStore = (path: string): boolean => path.endsWith(join('stores', '0'));

/** The store on `disk`, databases from `kv`; the few files beside them stay in the file system. */
export function simulatedStorage(disk: Disk, kv: CoreStorage['kv']): CoreStorage {
  const { damagedFiles: _, ...small } = smallStorage;
  return { ...small, disk: (path) => (isStore(path) ? disk : nodeDisk(path)), kv };
}

export interface Opened {
  readonly data: CoreData;
  readonly objects: ObjectStore;
  readonly identities: PagedIdentities;
  readonly root: RootIdentity;
  /** True: nothing wrong was found in rows, chunks and every stored byte. */
  fsckIsClean(): Promise<boolean>;
  close(): Promise<void>;
}

/** Opens as a start does. @throws what a start is refused with */
export async function openDirectory(
  path: string,
  storage: CoreStorage = smallStorage,
): Promise<Opened> {
  const directory = await openDataDirectory(path);
  try {
    const { clusterId } = directory;
    const root = rootIdentity(clusterId, openCredentials(directory.path, undefined));
    const opened = await openCore(directory.path, root, clusterId, storage);
    const close = async (): Promise<void> => {
      await opened.close();
      await directory.close();
    };
    return { ...opened, close };
  } catch (error) {
    await directory.close();
    throw error;
  }
}

export async function openCore(
  dataDir: string,
  root: RootIdentity,
  clusterId: string,
  storage: CoreStorage,
): Promise<Opened> {
  const env = { clock: nodeClock, rng: nodeRng, events: silentEvents };
  const data = await CoreData.open({ dataDir, clusterId, ...embeddedTarget, ...env, storage });
  const served = { ...embeddedTarget, directory: corePaths(dataDir).store };
  let namespace: NamespaceService;
  try {
    namespace = await NamespaceService.open({
      ...env,
      store: data.meta,
      hasher: nodeHasher,
      local: { chunks: data.chunks, ...served, sharesJournal: true },
      janitor: false,
    });
  } catch (error) {
    await data.close();
    throw error;
  }
  const direct = new DirectReader({
    openDisk: (path) => storage.disk(path),
    ...env,
    link: () => 1,
  });
  const objects = objectsOf(data, namespace, served, direct);
  const identities = openIdentities({ store: data.meta, ...env, root });
  const fsckIsClean = async (): Promise<boolean> => (await runFsck(data, { scrub: true })).clean;
  const close = async (): Promise<void> => {
    direct.close();
    await namespace.close();
    await data.close();
  };
  return { data, objects, identities, root, fsckIsClean, close };
}

function objectsOf(
  data: CoreData,
  namespace: NamespaceService,
  served: ServedTarget,
  direct: DirectReader,
): ObjectStore {
  const calls = new CallTable();
  registerNamespaceCalls(calls, namespace);
  registerChunkService(calls, data.chunks, served);
  const rpc = localClient(calls, 'write', 'test');
  const chunks = singleTargetChunks({ rpc, clock: nodeClock, ...embeddedTarget });
  const hold = { check: () => undefined, release: () => undefined };
  return makeObjectStore({
    rpc,
    blobs: new ChunkBlobClient({ chunks, takeBlob: onlyReads, direct }),
    lease: { reader: 'test', hold: () => hold },
    session: { session: namespace.context.own.session, payloadBytesMax: 0 },
    hash: testHash,
  });
}

function onlyReads(): never {
  throw new CoreError('ACCESS_DENIED', 'a system opened for questions');
}
