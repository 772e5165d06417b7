// The storage of a crash test: everything unsynced is lost when the process is killed (files.ts, kv.ts).

import fs from 'node:fs';
import { join, relative } from 'node:path';
import { CoreError } from '../../../base/errors.ts';
import { nodeDisk } from '../disk.ts';
import { openLevelKv } from '../kv.ts';
import { type NodeStorage, lossyFolder } from '../storage.ts';
import { lossyCalls } from './calls.ts';
import { LossyFiles } from './files.ts';
import type { LossyModel } from './files.ts';
import { LossyKv } from './kv.ts';

/** @param part of several processes on one data directory: each forgets on its own
 *  @throws CoreError DISK_REFUSED when `dataDir` was not made for it */
export function openLossyStorage(dataDir: string, model: LossyModel, part?: string): NodeStorage {
  const all = join(dataDir, lossyFolder);
  const side = part === undefined ? all : join(all, part);
  if (!fs.existsSync(all))
    throw new CoreError(
      'DISK_REFUSED',
      `a lossy test disk is asked for, and ${dataDir} was not made for one (no ${lossyFolder}/ in it): ` +
        'unset LAMPYR_TEST_DISK, which loses acknowledged data',
    );
  const files = new LossyFiles(side, model);
  // Not at a kill, which is the power loss.
  process.on('exit', () => files.writeBack());
  const calls = lossyCalls(files);
  return {
    disk: (root) => nodeDisk(root, calls),
    async kv(path, options) {
      const name = relative(dataDir, path).replaceAll(/[^a-z0-9]+/gi, '-');
      const cacheFile = join(side, `kv-${name}`);
      return new LossyKv(await openLevelKv(path, options), { cacheFile, survives: files.survives });
    },
    warning: `LOSSY TEST DISK (${model}): kill -9 of this process loses what was not synced`,
  };
}
