// Which storage a process uses: the real one, or in crash tests one that forgets what was not synced.
// LAMPYR_TEST_DISK=lossy|lossy-twice is no setting of Lampyr: it works only on a data directory that was made
// with a folder `lossy` in it (docs/contributing.md).

import { CoreError } from '../../core/base/errors.ts';
import type { Events } from '../../core/env/events.ts';
import { type NodeStorage, nodeStorage } from '../../core/env/node/storage.ts';

/** @throws CoreError INVALID_ARGUMENT, DISK_REFUSED */
export async function openStorage(
  dataDir: string,
  environment: NodeJS.ProcessEnv,
  events: Events,
  /** Of several processes on the data directory. */
  part?: string,
): Promise<NodeStorage> {
  const model = environment['LAMPYR_TEST_DISK'];
  if (model === undefined || model === '') return nodeStorage;
  if (model !== 'lossy' && model !== 'lossy-twice')
    throw new CoreError('INVALID_ARGUMENT', `LAMPYR_TEST_DISK=${model}: lossy or lossy-twice`);
  const { openLossyStorage } = await import('../../core/env/node/lossy/storage.ts');
  const storage = openLossyStorage(dataDir, model, part);
  events.emit('warn', 'lossy-test-disk', { model, warning: storage.warning });
  return storage;
}
