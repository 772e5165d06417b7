import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { describe, it } from 'node:test';
import { isCoreError } from '../../../../core/base/errors.ts';
import { silentEvents } from '../../../../core/env/events.ts';
import { makeLevelMetaStore } from '../../../../core/meta/store/level-store.ts';
import { id, type RecordNumber } from '../../../../core/base/ids.ts';
import { recordKind } from '../../../../core/store/types.ts';
import { openTable } from '../../../../core/store/table.ts';
import { openLevelStore } from '../../../contracts/meta-store/level-fixture.ts';
import { SkewedClock } from '../../../contracts/meta-store/skewed-clock.ts';
import { SimDisk } from '../../../sim/disk.ts';
import { SimKv } from '../../../sim/kv.ts';
import { simRng } from '../../../sim/rng.ts';

const key = (name: string): Buffer => Buffer.from(name);

const openFresh = () =>
  openLevelStore({ disk: new SimDisk(), kv: new SimKv(), clock: new SkewedClock() });

describe('level metadata store', () => {
  it('appends in the turn of commit, behind the records appended before it, in one group', async () => {
    const opened = await openFresh();
    const { store, journal } = opened;
    const transaction = store.begin();
    transaction.set(key('a'), key('1'));
    const before = journal.stats;
    const chunk = journal.append(recordKind.chunk, [key('bytes')]);
    const committed = transaction.commit();
    const after = journal.append(recordKind.chunk, [key('later')]);
    assert.equal(after.number - chunk.number, 2);
    await committed;
    assert.equal(journal.durableNumber, after.number);
    assert.equal(journal.stats.groups - before.groups, 1);
    await opened.close();
  });

  it('gathers the commits of many callers in few groups', async () => {
    const opened = await openFresh();
    const { store, journal } = opened;
    const before = journal.stats;
    const callers = Array.from({ length: 64 }, (_, at) =>
      store.transact(async (transaction) => {
        await transaction.get(key(`a${at}`));
        transaction.set(key(`a${at}`), key('1'));
      }),
    );
    await Promise.all(callers);
    assert.ok(journal.stats.groups - before.groups <= 2, `${journal.stats.groups} groups`);
    await opened.close();
  });

  it('answers DISK_OFFLINE to readers as soon as the journal is, without a commit under way', async () => {
    const disk = new SimDisk();
    const opened = await openLevelStore({ disk, kv: new SimKv(), clock: new SkewedClock() });
    disk.inject({ operation: 'sync', code: 'EIO' });
    await opened.journal.append(recordKind.chunk, [key('x')]).durable.catch(() => undefined);
    await assert.rejects(opened.store.get(key('a')), (error) => isCoreError(error, 'DISK_OFFLINE'));
    await opened.store.close();
  });

  it('refuses a record that it cannot read', async () => {
    const table = await openTable({
      name: 'meta',
      kv: new SimKv(),
      prefix: key('m'),
      events: silentEvents,
    });
    const clock = new SkewedClock();
    const { user } = makeLevelMetaStore({ table, clock, rng: simRng(1), events: silentEvents });
    const record = { number: id<RecordNumber>(1), kind: recordKind.meta, payload: key('\x01junk') };
    const replay = async (): Promise<void> => user.replay(record);
    await assert.rejects(replay(), (error) => isCoreError(error, 'CORRUPT'));
  });
});
