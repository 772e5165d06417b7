import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { crc32c } from '../../../core/base/crc32c.ts';
import { isCoreError } from '../../../core/base/errors.ts';
import { KiB } from '../../../core/base/limits.ts';
import { marks } from '../../../core/base/mark.ts';
import type { Events } from '../../../core/env/events.ts';
import { recordKind } from '../../../core/store/types.ts';
import type { DiskJournal } from '../../../core/store/journal.ts';
import type { Ticket } from '../../../core/store/types.ts';
import { SimClock } from '../../sim/clock.ts';
import { SimDisk } from '../../sim/disk.ts';
import { RecordingUser, openOn, textParts } from './journal-fixture.ts';

const put = (journal: DiskJournal, text: string): Ticket =>
  journal.append(recordKind.chunk, textParts(text));
const numbered = (count: number, from = 0): string[] =>
  Array.from({ length: count }, (_, index) => `record ${from + index}`);

const offline = (error: unknown): boolean => isCoreError(error, 'DISK_OFFLINE');

async function putAll(journal: DiskJournal, texts: readonly string[]): Promise<void> {
  await Promise.all(texts.map((text) => put(journal, text).durable));
}

describe('journal', () => {
  test('records of one turn are one group: one write, one sync', async () => {
    const disk = new SimDisk();
    const { journal } = await openOn(disk, { segmentsMin: 2 });
    // The first group begins a segment, which the superblock notes behind it.
    await putAll(journal, ['first']);
    await new Promise((resolve) => setImmediate(resolve));
    const before = { ...disk.counts };
    await putAll(journal, numbered(100));
    assert.equal((disk.counts.write ?? 0) - (before.write ?? 0), 1);
    assert.equal((disk.counts.sync ?? 0) - (before.sync ?? 0), 1);
    assert.equal(journal.durableNumber, 101);
    assert.deepEqual([journal.stats.groups, journal.stats.records], [2, 101]);
  });

  test('parts whose checksum is known come back as they were, copied ones and others', async () => {
    const disk = new SimDisk();
    const { journal } = await openOn(disk, { segmentBytes: 512 * KiB });
    const texts = ['small', 'x'.repeat(100 * KiB), 'y'.repeat(33 * KiB)];
    for (const text of texts) {
      const bytes = Buffer.from(text);
      const known = { bytes, crc32c: crc32c(bytes) };
      // oxlint-disable-next-line no-await-in-loop -- a group of its own each
      await journal.append(recordKind.chunk, [...textParts('head '), known, ...textParts(' tail')])
        .durable;
    }
    const { user } = await openOn(
      disk.crash(() => true),
      { segmentBytes: 512 * KiB },
    );
    assert.deepEqual(
      user.texts,
      texts.map((text) => `head ${text} tail`),
    );
  });

  test('records that arrive while a group is in flight are the next group', async () => {
    const clock = new SimClock();
    const delay = (operation: string): Promise<void> =>
      new Promise((resolve) => {
        clock.after(operation === 'sync' ? 1 : 0, resolve);
      });
    const disk = new SimDisk({ delay });
    const { journal } = await clock.until(openOn(disk, { clock, segmentsMin: 2 }));
    const groups: Promise<void>[] = [put(journal, 'first').durable];
    for (let index = 0; index < 50; index++)
      clock.after(0.01 * (index + 1), () => groups.push(put(journal, `late ${index}`).durable));
    await clock.until(groups[0] as Promise<void>);
    await clock.until(Promise.all(groups));
    assert.equal(groups.length, 51);
    assert.equal(journal.stats.groups, 2);
  });

  test('numbers have no gaps, tickets settle in order, onDurable runs before them', async () => {
    const { journal } = await openOn(new SimDisk());
    const order: string[] = [];
    const tickets = numbered(5).map((text, index) =>
      journal.append(recordKind.chunk, textParts(text), () => order.push(`callback ${index}`)),
    );
    assert.deepEqual(
      tickets.map(({ number }) => number as number),
      [1, 2, 3, 4, 5],
    );
    await Promise.all(
      tickets.map((ticket, index) => ticket.durable.then(() => order.push(`ticket ${index}`))),
    );
    assert.deepEqual(order, [
      ...[0, 1, 2, 3, 4].map((index) => `callback ${index}`),
      ...[0, 1, 2, 3, 4].map((index) => `ticket ${index}`),
    ]);
  });

  test('replay after a clean close, many parts and sizes', async () => {
    const disk = new SimDisk();
    const { journal } = await openOn(disk, { segmentBytes: 1024 * KiB });
    const texts: string[] = [];
    for (let index = 0; index < 60; index++) {
      const parts = [1, 100, index * 37].map((bytes) => 'abcdefg'.repeat(bytes).slice(0, bytes));
      texts.push(parts.join(''));
      const ticket = journal.append(
        recordKind.meta,
        parts.map((part) => Buffer.from(part)),
      );
      // oxlint-disable-next-line no-await-in-loop -- groups of two
      if (index % 2 === 1) await ticket.durable;
    }
    await journal.close();
    const { user, journal: again } = await openOn(disk.crash(() => false));
    assert.deepEqual(user.texts, texts);
    assert.deepEqual(
      user.replayedRecords.map(({ number }) => number),
      texts.map((_, index) => index + 1),
    );
    assert.ok(user.done);
    assert.equal(again.durableNumber, 61, 'the closing mark took a number');
  });

  test('large parts are written as they are, beside small records', async () => {
    const disk = new SimDisk();
    const big = 'x'.repeat(100 * KiB);
    const { journal } = await openOn(disk, { segmentBytes: 1024 * KiB });
    await putAll(journal, ['small', big, 'tail', `${big}y`, '']);
    const { user } = await openOn(disk.crash(() => false));
    assert.deepEqual(user.texts, ['small', big, 'tail', `${big}y`, '']);
  });

  test('checkpoint frees segments, and replay starts there', async () => {
    const disk = new SimDisk();
    const { journal, user } = await openOn(disk, { segmentsMin: 2, segmentsMax: 2 });
    await putAll(journal, numbered(10));
    await journal.checkpoint();
    assert.deepEqual(user.checkpoints, [11]);
    assert.deepEqual(user.checkpointedBelow, [11]);
    await journal.checkpoint();
    assert.deepEqual(user.checkpoints, [11], 'nothing new: no second checkpoint');
    await putAll(journal, numbered(3, 10));
    const { user: after } = await openOn(disk.crash(() => false));
    assert.deepEqual(after.texts, numbered(3, 10));
    assert.equal(
      after.replayedRecords[0]?.number,
      12,
      'the mark after the checkpoint is number 11',
    );
  });

  test('segments go round many times; a checkpoint starts by itself', async () => {
    const disk = new SimDisk();
    const { journal, user } = await openOn(disk);
    const text = 'z'.repeat(5000);
    for (let index = 0; index < 300; index++) {
      // oxlint-disable no-await-in-loop -- fills the ring
      await journal.room(text.length);
      await put(journal, `${index} ${text}`).durable;
      // oxlint-enable no-await-in-loop
    }
    assert.ok(user.checkpoints.length > 5, `${user.checkpoints.length} checkpoints`);
    await journal.close();
    const { user: after } = await openOn(disk.crash(() => false));
    assert.ok(after.texts.length < 30, `${after.texts.length} replayed`);
    const expected = numbered(300).slice(300 - after.texts.length);
    assert.deepEqual(
      after.texts.map((each) => each.replace(` ${text}`, '').replace(/^/, 'record ')),
      expected,
    );
  });

  test('concurrent checkpoints share one run', async () => {
    const { journal, user } = await openOn(new SimDisk());
    await putAll(journal, ['a']);
    await Promise.all([journal.checkpoint(), journal.checkpoint(), journal.checkpoint()]);
    assert.equal(user.checkpoints.length, 1);
  });

  test('room waits while a checkpoint is held up, and goes on after it', async () => {
    const { journal, user } = await openOn(new SimDisk(), { segmentsMin: 2, segmentsMax: 2 });
    const gate: { open?: () => void } = {};
    const opened = new Promise<void>((resolve) => {
      gate.open = resolve;
    });
    user.gate = () => opened;
    let written = 0;
    const writer = (async () => {
      for (; written < 40; written++) {
        // oxlint-disable no-await-in-loop -- as a caller does
        await journal.room(6000);
        await put(journal, 'w'.repeat(6000)).durable;
        // oxlint-enable no-await-in-loop
      }
    })();
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
    assert.ok(written > 2 && written < 12, `${written} written before the wait`);
    gate.open?.();
    await writer;
    assert.equal(written, 40);
  });

  test('a failed sync takes the journal offline for ever', async () => {
    const disk = new SimDisk();
    const { journal } = await openOn(disk, { segmentsMin: 2 });
    await putAll(journal, ['good']);
    const seen: string[] = [];
    journal.onOffline((error) => seen.push(error.errorName));
    disk.inject({ operation: 'sync', code: 'EIO', once: true });
    const lost = [put(journal, 'lost'), put(journal, 'lost too')];
    for (const ticket of lost) {
      // oxlint-disable-next-line no-await-in-loop -- both
      await assert.rejects(ticket.durable, offline);
    }
    assert.throws(() => put(journal, 'after'), offline);
    await assert.rejects(journal.room(1), offline);
    await assert.rejects(journal.checkpoint(), offline);
    assert.deepEqual(seen, ['DISK_OFFLINE']);
    assert.equal(journal.durableNumber, 1);
    await journal.close();
  });

  test('groups wait for a segment while a checkpoint is held up, and go on after it', async () => {
    const { journal, user } = await openOn(new SimDisk(), { segmentsMin: 2, segmentsMax: 2 });
    await putAll(journal, numbered(3));
    const gate: { open?: () => void } = {};
    const held = new Promise<void>((resolve) => {
      gate.open = resolve;
    });
    user.gate = () => held;
    const checkpoint = journal.checkpoint();
    // Without `room`: more than both segments hold.
    const all = putAll(
      journal,
      Array.from({ length: 20 }, (_, at) => `${at} ${'w'.repeat(6000)}`),
    );
    for (let turn = 0; turn < 20; turn++) {
      // oxlint-disable-next-line no-await-in-loop -- time for everything that does not wait for the gate
      await new Promise(setImmediate);
    }
    assert.ok(marks().has('journal.segmentWait'));
    gate.open?.();
    await Promise.all([all, checkpoint]);
    assert.equal(user.checkpoints.length, new Set(user.checkpoints).size);
  });

  test('close ends a checkpoint that its own mark begins, before it lets go of the files', async () => {
    const disk = new SimDisk();
    const options = { segmentsMin: 2, segmentsMax: 2 };
    const first = await openOn(disk, options);
    await putAll(first.journal, numbered(3));
    await first.journal.close();
    // The mark opens the second of two segments, which makes a checkpoint due.
    const gate: { open?: () => void } = {};
    const held = new Promise<void>((resolve) => {
      gate.open = resolve;
    });
    const user = new RecordingUser();
    user.gate = () => held;
    const failures: string[] = [];
    const events: Events = {
      emit: (severity, name) => void (severity === 'error' && failures.push(name)),
    };
    const { journal } = await openOn(disk, { ...options, events }, user);
    const state = { closed: false };
    const closing = journal.close().then(() => void (state.closed = true));
    for (let turn = 0; turn < 20; turn++) {
      // oxlint-disable-next-line no-await-in-loop -- time for everything that does not wait for the gate
      await new Promise(setImmediate);
    }
    assert.equal(user.checkpoints.length, 1);
    assert.ok(!state.closed, 'the checkpoint still runs');
    gate.open?.();
    await closing;
    assert.deepEqual(failures, []);
    assert.deepEqual(user.checkpointedBelow, user.checkpoints);
    await assert.rejects(journal.checkpoint(), offline);
    await assert.rejects(journal.room(1), offline);
    const { user: after } = await openOn(disk, options);
    assert.deepEqual(after.texts, [], 'replay starts behind the checkpoint');
  });

  test('a record above the limit is refused', async () => {
    const { journal } = await openOn(new SimDisk());
    assert.throws(
      () => put(journal, 'x'.repeat(40 * KiB)),
      (error) => isCoreError(error, 'LIMIT_EXCEEDED'),
    );
  });
});
