import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { RecordNumber } from '../../../core/base/ids.ts';
import { marks } from '../../../core/base/mark.ts';
import { silentEvents } from '../../../core/env/events.ts';
import type { JournaledTable } from '../../../core/store/table.ts';
import { openTable } from '../../../core/store/table.ts';
import { drained } from '../../sim/clock.ts';
import { SimKv } from '../../sim/kv.ts';

/** Removed rows take their room until they are compacted, as in `level`. */
class MarkedKv extends SimKv {
  readonly compactions: string[] = [];
  dead = new Map<string, number>();
  broken = false;

  override async storedBytes(from: Uint8Array, to: Uint8Array): Promise<number> {
    const within = [...this.dead].filter(([key]) => key >= textOf(from) && key <= textOf(to));
    const dead = within.reduce((bytes, [, size]) => bytes + size, 0);
    return dead + (await super.storedBytes(from, to));
  }

  override async compact(from?: Uint8Array, to?: Uint8Array): Promise<void> {
    await Promise.resolve();
    if (this.broken) throw new Error('EIO');
    assert.ok(from !== undefined && to !== undefined);
    this.compactions.push(`${textOf(from)}..${textOf(to)}`);
    for (const key of this.dead.keys())
      if (key >= textOf(from) && key <= textOf(to)) this.dead.delete(key);
  }
}

const textOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');
const rowBytes = 100;
/** Small, so that a part is soon worth it. */
const compactRowsMin = 512;
const key = (index: number): Buffer => Buffer.from(`k${String(index).padStart(7, '0')}`);

const open = (kv: MarkedKv): Promise<JournaledTable> =>
  openTable({
    name: 'test',
    kv,
    prefix: Buffer.from('t'),
    events: silentEvents,
    compactRowsMin,
  });

let record = 0;

async function write(
  table: JournaledTable,
  from: number,
  to: number,
  value: Buffer | undefined,
): Promise<void> {
  const mutations = Array.from({ length: to - from }, (_, index) => ({
    key: key(from + index),
    value,
  }));
  table.apply(++record as RecordNumber, mutations);
  await table.flush((record + 1) as RecordNumber);
}

async function remove(kv: MarkedKv, table: JournaledTable, from: number, to: number) {
  await write(table, from, to, undefined);
  for (let index = from; index < to; index++)
    kv.dead.set(`t${textOf(key(index))}`, rowBytes + key(index).length);
}

const enough = 2 * compactRowsMin;

describe('compaction of a table', () => {
  test('happens where much of what is stored was removed, once', async () => {
    const kv = new MarkedKv();
    const table = await open(kv);
    await write(table, 0, 4 * enough, Buffer.alloc(rowBytes));
    assert.equal(await table.compactStep(), undefined);
    await remove(kv, table, enough, 2 * enough);
    const before = marks().get('table.compact') ?? 0;
    const report = await table.compactStep();
    assert.equal(marks().get('table.compact'), before + 1);
    assert.ok(report !== undefined && report.removedRows > enough / 2);
    assert.ok(report.bytesAfter < report.bytesBefore / 4);
    for (let step = 0; step < 8; step++) await table.compactStep();
    assert.equal(await table.compactStep(), undefined, 'nothing is left to do');
    const [from, to] = [`tk${String(enough).padStart(7, '0')}`, textOf(key(2 * enough))];
    for (const range of kv.compactions) assert.ok(range >= from && !range.includes(to), range);
    assert.ok(kv.dead.size < compactRowsMin);
  });

  test('does not happen for few removals, nor for those that are thin among what stays', async () => {
    const kv = new MarkedKv();
    const table = await open(kv);
    await write(table, 0, 16 * compactRowsMin, Buffer.alloc(rowBytes));
    await remove(kv, table, 0, compactRowsMin / 2);
    assert.equal(await table.compactStep(), undefined);
    // Every eighth row.
    const mutations = Array.from({ length: 2 * compactRowsMin }, (_, index) => ({
      key: key(index * 8),
      value: undefined,
    }));
    table.apply(++record as RecordNumber, mutations);
    await table.flush((record + 1) as RecordNumber);
    assert.equal(await table.compactStep(), undefined);
    assert.deepEqual(kv.compactions, []);
  });

  test('goes on after a restart, and after a compaction that failed', async () => {
    const kv = new MarkedKv();
    const first = await open(kv);
    await write(first, 0, enough, Buffer.alloc(rowBytes));
    await remove(kv, first, 0, enough);
    const second = await open(kv);
    kv.broken = true;
    await assert.rejects(second.compactStep(), /EIO/);
    kv.broken = false;
    assert.notEqual(await second.compactStep(), undefined);
    // The step is not yet written down: one more does no harm.
    await write(second, enough, enough + 1, Buffer.alloc(1));
    const third = await open(kv);
    const before = kv.compactions.length;
    for (let step = 0; step < 4; step++) await third.compactStep();
    assert.ok(kv.compactions.length - before <= 1);
  });

  test('what is being compacted is still counted when the process ends in the middle', async () => {
    const kv = new MarkedKv();
    const table = await open(kv);
    await write(table, 0, enough + 1, Buffer.alloc(rowBytes));
    await remove(kv, table, 0, enough);
    const compact = kv.compact.bind(kv);
    let resolve: (() => void) | undefined;
    kv.compact = () => new Promise((done) => (resolve = done));
    const step = table.compactStep();
    await drained();
    assert.ok(resolve !== undefined, 'the compaction runs');
    // The spans are written again, with this row.
    await remove(kv, table, enough, enough + 1);
    kv.compact = compact;
    const again = await open(kv);
    assert.notEqual(await again.compactStep(), undefined);
    resolve();
    await step;
  });
});
