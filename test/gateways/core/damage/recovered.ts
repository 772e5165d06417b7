// What a start takes from a store, as a text: whether damage changed anything of it is then a comparison.

import { createHash } from 'node:crypto';
import type { RecordNumber } from '../../../../core/base/ids.ts';
import type { Disk } from '../../../../core/env/disk.ts';
import { silentEvents } from '../../../../core/env/events.ts';
import { nodeRng } from '../../../../core/env/node/rng.ts';
import { embeddedTarget } from '../../../../core/model/core-client.ts';
import { openJournal } from '../../../../core/store/journal-open.ts';
import { openDiskSuperblock, openTargetSuperblock } from '../../../../core/store/superblock.ts';
import { recordKind } from '../../../../core/store/types.ts';
import type { JournalRecord, JournalUser } from '../../../../core/store/types.ts';
import { SimClock } from '../../../sim/clock.ts';
import { smallStorage } from './opened.ts';

/** Takes the records of a journal and remembers them all. */
class RecordDigest implements JournalUser {
  readonly name = 'digest';
  readonly kinds = [recordKind.chunk, recordKind.space, recordKind.commitMark, recordKind.meta];
  private readonly hash = createHash('sha256');

  recovering(from: RecordNumber, next: RecordNumber): void {
    this.hash.update(`${from} ${next}`);
  }

  replay({ number, kind, payload }: JournalRecord): void {
    this.hash.update(`${number} ${kind} ${payload.length}`).update(payload);
  }

  async replayed(): Promise<void> {
    await Promise.resolve();
  }

  async checkpoint(): Promise<void> {
    await Promise.resolve();
  }

  digest(): string {
    return this.hash.digest('hex');
  }
}

/** All that a start takes from the store's files but its slabs: who it is, and the journal's records. Two
 *  disks of which this and the slabs are equal give the same system. (The chain version served is left out:
 *  it is noted anew at each start.) @throws what a start is refused with */
export async function recovered(disk: Disk): Promise<string> {
  const env = { events: silentEvents, clock: new SimClock(), rng: nodeRng };
  const { value: owner } = await openDiskSuperblock(disk);
  const { value: target } = await openTargetSuperblock(disk, embeddedTarget.target, owner);
  const user = new RecordDigest();
  await openJournal({ disk, directory: 'journal', users: [user], ...env, ...smallStorage.journal });
  return JSON.stringify([owner, { ...target, servedVersion: 0 }, user.digest()]);
}
