// fsck of metadata and chunks (design 5): walks every keyspace and the chunk store in key order, page by page,
// and reports what dangles and what is left over. Exact on a system at rest; on a running one a finding is what
// a transaction proved to hold. Changes nothing. Memory: a page of each walk, and the limits `fsck*`.

import { checkBlobs } from './blobs.ts';
import { checkContents } from './contents.ts';
import { Deferred, OpenUploads } from './deferred.ts';
import { checkNames } from './entries.ts';
import { checkQueues } from './queues.ts';
import { checkUploads } from './uploads.ts';
import { Walk } from './walk.ts';
import type { FsckOptions } from './walk.ts';

/** Puts counts and findings into `options.report`.
 *  @throws CoreError CANCELLED, and what the stores throw: DISK_OFFLINE, UNAVAILABLE */
export async function checkNamespace(options: FsckOptions): Promise<void> {
  const walk = new Walk(options);
  await reportDamaged(walk, options.damaged ?? []);
  const deferred = new Deferred(await OpenUploads.load(walk));
  await checkNames(walk);
  await checkContents(walk, deferred);
  await checkBlobs(walk, deferred);
  await checkUploads(walk, deferred);
  await checkQueues(walk);
  await deferred.settle(walk);
}

/** Rows that the store itself cannot read. */
async function reportDamaged(walk: Walk, damaged: readonly Uint8Array[]): Promise<void> {
  for (const key of damaged)
    // oxlint-disable-next-line no-await-in-loop -- rare
    await walk.add([
      {
        kind: 'row-unreadable',
        subject: { kind: 'row', key },
        detail: 'its checksum does not match',
      },
    ]);
}
