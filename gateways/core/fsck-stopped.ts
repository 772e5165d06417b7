// fsck of a stopped system: takes the data directory like a start does, recovers, checks, and lets go without
// serving anybody. Writes nothing but what recovery itself writes.

import { CoreError } from '../../core/base/errors.ts';
import { nodeClock } from '../../core/env/node/clock.ts';
import { nodeRng } from '../../core/env/node/rng.ts';
import type { Events } from '../../core/env/events.ts';
import { embeddedTarget } from '../../core/model/core-client.ts';
import type { FsckReport, FsckWish } from '../admin/operator.ts';
import { openDataDirectory } from '../launcher/data-directory.ts';
import { CoreData } from './core-data.ts';
import { runFsck } from './fsck.ts';

/** @throws CoreError BUSY when the directory is in use, DISK_REFUSED, VERSION_UNSUPPORTED, CORRUPT */
export async function fsckStopped(
  dataDir: string,
  { scrub }: FsckWish,
  events: Events,
): Promise<FsckReport> {
  const directory = await openDataDirectory(dataDir);
  try {
    if (directory.shape.replicas > 1)
      throw new CoreError(
        'NOT_IMPLEMENTED',
        'chains of several replicas are compared while they serve: start the system, then run fsck',
      );
    const data = await CoreData.open({
      dataDir: directory.path,
      clusterId: directory.clusterId,
      ...embeddedTarget,
      clock: nodeClock,
      rng: nodeRng,
      events,
      mustExist: true,
    });
    try {
      return await runFsck(data, { scrub });
    } finally {
      await data.close();
    }
  } finally {
    await directory.close();
  }
}
