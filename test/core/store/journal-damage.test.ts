import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { CoreError, isCoreError } from '../../../core/base/errors.ts';
import type { ErrorName } from '../../../core/base/errors.ts';
import { KiB } from '../../../core/base/limits.ts';
import type { EventFields } from '../../../core/env/events.ts';
import { pageBytes } from '../../../core/store/journal-format.ts';
import {
  decodeSuperblock,
  encodeSegmentHeader,
  encodeSuperblock,
} from '../../../core/store/journal-format.ts';
import type { Superblock } from '../../../core/store/journal-format.ts';
import { Group, GroupEncoder } from '../../../core/store/journal-group.ts';
import { recordKind } from '../../../core/store/types.ts';
import { crc32c } from '../../../core/base/crc32c.ts';
import { SimClock } from '../../sim/clock.ts';
import { SimDisk } from '../../sim/disk.ts';
import { SimKv } from '../../sim/kv.ts';
import { openOn, textParts } from './journal-fixture.ts';
import type { Opened } from './journal-fixture.ts';
import { JournaledStore, statesOf } from './journaled-store.ts';

type Damage = (disk: SimDisk) => void | Promise<void>;

const refused =
  (pattern: RegExp, code: ErrorName = 'DISK_REFUSED') =>
  (error: unknown) =>
    isCoreError(error, code) && pattern.test(error.message);

async function putAll({ journal }: Opened, texts: readonly string[]): Promise<void> {
  for (const text of texts) {
    // oxlint-disable-next-line no-await-in-loop -- a group each
    await journal.append(recordKind.chunk, textParts(text)).durable;
  }
}

const numbered = (count: number): string[] =>
  Array.from({ length: count }, (_, index) => `record ${index + 1}`);

/** A journal with three groups, closed. */
async function smallJournal(): Promise<SimDisk> {
  const disk = new SimDisk();
  const opened = await openOn(disk, { segmentsMin: 2 });
  await putAll(opened, ['one', 'two', 'three']);
  await opened.journal.close();
  return disk;
}

async function overwrite(disk: SimDisk, path: string, at: number, bytes: Buffer): Promise<void> {
  const file = await disk.open(path, 'write');
  await file.write([bytes], at);
  await file.sync();
  await file.close();
}

function superblockOf(disk: SimDisk): Superblock {
  const content = disk.content('journal/superblock');
  const slots = [0, pageBytes].map((at) => decodeSuperblock(content.subarray(at, at + 512)));
  const valid = slots.flatMap((slot) => (slot.state === 'valid' ? [slot.value] : []));
  return valid.toSorted((a, b) => b.sequence - a.sequence)[0] as Superblock;
}

async function opensOrRefuses(disk: SimDisk, kv: SimKv): Promise<string> {
  try {
    const store = await JournaledStore.open(disk, kv, { segmentBytes: 64 * KiB });
    return await store.content();
  } catch (error) {
    if (isCoreError(error, 'DISK_REFUSED')) return 'refused';
    throw error;
  }
}

describe('journal: damage is refused or harmless', () => {
  test('one flipped byte anywhere: the right data or a refusal', async () => {
    const disk = new SimDisk();
    const kv = new SimKv();
    const first = await JournaledStore.open(disk, kv, { segmentBytes: 64 * KiB });
    const puts = Array.from({ length: 30 }, (_, i) => [`k${i % 7}`, `v${i}`] as const);
    for (const [key, value] of puts.slice(0, 10)) first.put(key, value);
    await first.journal.checkpoint();
    for (const [key, value] of puts.slice(10, 20)) {
      // oxlint-disable-next-line no-await-in-loop -- a group each
      await first.put(key, value).durable;
    }
    await first.journal.close();
    const second = await JournaledStore.open(disk, kv, { segmentBytes: 64 * KiB });
    for (const [key, value] of puts.slice(20)) {
      // oxlint-disable-next-line no-await-in-loop -- a group each
      await second.put(key, value).durable;
    }
    await second.journal.close();
    const right = statesOf(puts).at(-1) as string;
    const outcomes = { right: 0, refused: 0 };
    for (const path of disk.files()) {
      const content = disk.content(path);
      for (let at = 0; at < content.length; at++) {
        // Every header and every written byte, and a sample of the zeros between.
        if (content[at] === 0 && at % pageBytes >= 32 && at % 509 !== 0) continue;
        disk.flip(path, at, 1 << (at % 8));
        // oxlint-disable-next-line no-await-in-loop -- flip after flip
        const outcome = await opensOrRefuses(
          disk.crash(() => true),
          kv.copy(),
        );
        disk.flip(path, at, 1 << (at % 8));
        assert.ok(outcome === right || outcome === 'refused', `${path} byte ${at}: ${outcome}`);
        outcomes[outcome === right ? 'right' : 'refused']++;
      }
    }
    assert.ok(outcomes.refused > 250 && outcomes.right > 500, JSON.stringify(outcomes));
  });

  test('damage in the middle names file and offset; a torn tail is cut', async () => {
    const disk = await smallJournal();
    const torn = disk.copy();
    disk.flip('journal/segment-000', 2 * pageBytes + 33);
    await assert.rejects(openOn(disk), refused(/segment-000 is damaged at offset 8192: record 2 /));
    // The closing mark, the last group, carries nothing.
    torn.flip('journal/segment-000', 4 * pageBytes + 33);
    assert.deepEqual((await openOn(torn)).user.texts, ['one', 'two', 'three']);
  });

  test('after an idle moment the last group, too, cannot pass for a torn one', async () => {
    const disk = new SimDisk();
    const clock = new SimClock();
    const opened = await openOn(disk, { clock, segmentsMin: 2 });
    await putAll(opened, ['one', 'two']);
    const fresh = disk.copy();
    await clock.advance(500);
    for (const [each, pattern] of [
      [disk, /record 2 does not match/],
      [fresh, undefined],
    ] as const) {
      each.flip('journal/segment-000', 2 * pageBytes + 33);
      const opening = openOn(each);
      // oxlint-disable no-await-in-loop -- both
      if (pattern === undefined) assert.deepEqual((await opening).user.texts, ['one']);
      else await assert.rejects(opening, refused(pattern));
      // oxlint-enable no-await-in-loop
    }
    assert.equal(opened.journal.durableNumber, 3, 'one mark, however long the pause');
  });

  test('a torn superblock slot: the other one is used while nothing relied on the torn one', async () => {
    const disk = new SimDisk();
    const opened = await openOn(disk, { segmentsMin: 2 });
    await putAll(opened, ['one', 'two']);
    const before = disk.content('journal/superblock');
    opened.user.checkpointed = () => undefined;
    await opened.journal.checkpoint();
    const relied = disk.copy();
    const { sequence } = superblockOf(disk);
    const slot = (sequence % 2) * pageBytes;
    assert.notDeepEqual(disk.content('journal/superblock'), before);
    relied.flip('journal/superblock', slot + 40);
    await assert.rejects(openOn(relied), refused(/superblock is damaged at offset/));
    // The same crash before the mark reached the disk: the slot may have been torn.
    const torn = disk.copy();
    torn.flip('journal/superblock', slot + 40);
    await overwrite(torn, 'journal/segment-000', 3 * pageBytes, Buffer.alloc(pageBytes));
    assert.deepEqual((await openOn(torn)).user.texts, ['one', 'two']);
  });

  test('a position is given back only when losing the new superblock would be noticed', async () => {
    const disk = new SimDisk();
    const opened = await openOn(disk, { segmentsMin: 2 });
    await putAll(opened, ['one', 'two']);
    const after: SimDisk[] = [];
    opened.user.checkpointed = () => void after.push(disk.crash(() => false));
    await opened.journal.checkpoint();
    const [crashed] = after;
    assert.ok(crashed !== undefined);
    crashed.flip('journal/superblock', (superblockOf(crashed).sequence % 2) * pageBytes + 40);
    await assert.rejects(openOn(crashed), refused(/superblock is damaged at offset/));
  });

  test('a segment header alone shows that a newer superblock was in use', async () => {
    const disk = new SimDisk();
    const opened = await openOn(disk, { segmentsMin: 2 });
    await putAll(opened, ['one', 'two']);
    await opened.journal.checkpoint();
    const superblock = superblockOf(disk);
    const header = { salt: superblock.salt, first: 3, firstGroup: 3, bytes: 32 * KiB };
    const next = { ...header, generation: 2, previous: 1, sequence: superblock.sequence };
    await overwrite(disk, 'journal/segment-001', 0, encodeSegmentHeader(next));
    await overwrite(disk, 'journal/segment-000', 3 * pageBytes, Buffer.alloc(pageBytes));
    disk.flip('journal/superblock', (superblock.sequence % 2) * pageBytes + 40);
    await assert.rejects(openOn(disk), refused(/superblock is damaged at offset/));
  });

  test('damage in an earlier segment names the record and what proves it', async () => {
    const disk = new SimDisk();
    const opened = await openOn(disk, { segmentsMin: 2 });
    opened.user.gate = () => new Promise(() => undefined);
    await putAll(opened, numbered(9));
    const last = disk.copy();
    disk.flip('journal/segment-000', 7 * pageBytes + 33);
    const pattern = /segment-000 is damaged.*record 7 .*segment-001 continues at record 8/;
    await assert.rejects(openOn(disk), refused(pattern));
    // The chain's link, too: what follows must begin where the segment ended.
    const { salt } = superblockOf(last);
    const header = { salt, generation: 2, previous: 1, sequence: 1, bytes: 32 * KiB };
    const early = encodeSegmentHeader({ ...header, first: 6, firstGroup: 8 });
    await overwrite(last, 'journal/segment-001', 0, early);
    await assert.rejects(openOn(last), refused(/segment-001 is damaged|record 6 does not match/));
  });

  // Remains of an attempt whose segment header was lost: same segment, same number, whole and valid.
  for (const [name, generation, group, first] of [
    ['an earlier use of the segment', 7, 2, 2],
    ['an earlier group', 1, 1, 2],
    ['another number', 1, 2, 3],
  ] as const) {
    test(`a whole record of ${name} behind the end is not replayed`, async () => {
      const disk = new SimDisk();
      await putAll(await openOn(disk, { segmentsMin: 2 }), ['one']);
      const stale = new Group(first);
      const parts = textParts('stale');
      stale.add({ kind: recordKind.chunk, parts, payloadBytes: 5, onDurable: undefined });
      const { salt } = superblockOf(disk);
      const place = { salt, generation, group, segmentHeader: undefined };
      const bytes = Buffer.concat(new GroupEncoder().encode(stale, place));
      await overwrite(disk, 'journal/segment-000', 2 * pageBytes, bytes);
      assert.deepEqual((await openOn(disk)).user.texts, ['one']);
    });
  }

  const damages: [string, RegExp, Damage, ErrorName?][] = [
    ['a missing superblock', /superblock is missing/, (disk) => disk.remove('journal/superblock')],
    ['a missing segment', /segment-000 is missing/, (disk) => disk.remove('journal/segment-000')],
    [
      'a missing unused segment',
      /segment-001 is missing/,
      (disk) => disk.remove('journal/segment-001'),
    ],
    [
      'both superblock slots damaged',
      /neither superblock slot/,
      (disk) => {
        for (const at of [0, pageBytes]) disk.flip('journal/superblock', at + 30);
      },
    ],
    [
      'a cut segment',
      /segment-000 is damaged.*should have/,
      async (disk) => {
        const file = await disk.open('journal/segment-000', 'write');
        await file.truncate(3 * pageBytes);
      },
    ],
    [
      'a segment that was never used, cut',
      /segment-001 is damaged at offset 0: the file has only 0 bytes/,
      async (disk) => {
        const file = await disk.open('journal/segment-001', 'write');
        await file.truncate(0);
      },
    ],
    [
      'a damaged segment header',
      /segment-000 is damaged at offset 0: the segment header/,
      (disk) => disk.flip('journal/segment-000', 21),
    ],
    [
      'a segment of another journal',
      /segment-000 is damaged at offset 0: .*another journal/,
      async (disk) => {
        const superblock = { ...superblockOf(disk), salt: 7 };
        const at = (superblock.sequence % 2) * pageBytes;
        await overwrite(disk, 'journal/superblock', at, encodeSuperblock(superblock));
      },
    ],
    [
      'a used segment that the superblock does not count',
      /superblock does not know/,
      async (disk) => {
        const superblock = { ...superblockOf(disk), segments: 1 };
        const at = (superblock.sequence % 2) * pageBytes;
        await overwrite(disk, 'journal/superblock', at, encodeSuperblock(superblock));
        await disk.rename('journal/segment-000', 'journal/segment-002');
        await disk.rename('journal/segment-001', 'journal/segment-000');
      },
    ],
    [
      'a newer format',
      /newer format 2/,
      async (disk) => {
        const sector = encodeSuperblock({ ...superblockOf(disk), sequence: 1000 });
        sector.writeUInt16BE(2, 8);
        sector.writeUInt32BE(crc32c(sector.subarray(0, 508)), 508);
        await overwrite(disk, 'journal/superblock', 0, sector);
      },
      'VERSION_UNSUPPORTED',
    ],
    [
      'an unknown feature flag',
      /newer format 1 \(flags 4\)/,
      async (disk) => {
        const sector = encodeSuperblock({ ...superblockOf(disk), sequence: 1000 });
        sector.writeUInt32BE(4, 12);
        sector.writeUInt32BE(crc32c(sector.subarray(0, 508)), 508);
        await overwrite(disk, 'journal/superblock', 0, sector);
      },
      'VERSION_UNSUPPORTED',
    ],
  ];
  for (const [name, pattern, damage, code] of damages) {
    test(`${name} is refused`, async () => {
      const disk = await smallJournal();
      await damage(disk);
      await assert.rejects(openOn(disk), refused(pattern, code));
    });
  }

  test('an older copy of the newest segment is noticed: the chain would end before it', async () => {
    const disk = new SimDisk();
    const opened = await openOn(disk, { segmentsMin: 2 });
    opened.user.gate = () => new Promise(() => undefined);
    await putAll(opened, numbered(6));
    const unused = disk.content('journal/segment-001');
    assert.ok(unused.every((byte) => byte === 0));
    await putAll(opened, ['record 7', 'record 8', 'record 9']);
    assert.equal(superblockOf(disk).newest, 2);
    assert.equal((await openOn(disk.copy())).user.texts.length, 9);
    await overwrite(disk, 'journal/segment-001', 0, unused);
    await assert.rejects(openOn(disk), refused(/journal segment of generation 2 is missing/));
  });

  test('a record of an unknown kind is refused before anything is replayed', async () => {
    const disk = new SimDisk();
    const opened = await openOn(disk);
    await putAll(opened, ['known']);
    await opened.journal.append(recordKind.logFrame, textParts('unknown')).durable;
    const user = (await import('./journal-fixture.ts')).RecordingUser;
    const next = new user();
    await assert.rejects(openOn(disk, {}, next), refused(/unknown kind 4/, 'VERSION_UNSUPPORTED'));
    assert.deepEqual(next.texts, []);
  });
});

describe('journal: full and failing disks', () => {
  test('no space for a new journal is DISK_FULL, and a later start succeeds', async () => {
    const disk = new SimDisk({ totalBytes: 50 * KiB });
    await assert.rejects(openOn(disk), (error) => isCoreError(error, 'DISK_FULL'));
    const larger = disk.copy({ totalBytes: 500 * KiB });
    await putAll(await openOn(larger), ['fits']);
  });

  test('the ring does not grow into the reserve of the disk', async () => {
    // Two segments, and room for a third one that would leave less than the reserve: a quarter of a small disk.
    const disk = new SimDisk({ totalBytes: 160 * KiB });
    const { journal } = await openOn(disk);
    await journal.checkpoint();
    const { freeBytes } = await disk.space();
    assert.ok(freeBytes >= 64 * KiB && freeBytes - 64 * KiB < 40 * KiB, `${freeBytes} are free`);
    assert.equal(journal.stats.segments, 2);
    await journal.close();
    assert.equal(disk.files().length, 3);
  });

  test('no space to grow: the ring stays, says so, and goes on', async () => {
    const disk = new SimDisk();
    disk.inject({ operation: 'write', code: 'ENOSPC', path: 'segment-002' });
    const seen: [string, EventFields | undefined][] = [];
    const events = {
      emit: (_: string, name: string, fields?: EventFields) => void seen.push([name, fields]),
    };
    const opened = await openOn(disk, { events });
    for (let index = 0; index < 40; index++) {
      // oxlint-disable no-await-in-loop -- round and round
      await opened.journal.room(5000);
      await putAll(opened, [`${index}${'.'.repeat(5000)}`]);
      // oxlint-enable no-await-in-loop
    }
    assert.equal(opened.journal.stats.segments, 2);
    assert.ok(seen.some(([name]) => name === 'journal-growth-refused'));
    await opened.journal.close();
    assert.deepEqual(disk.files().length, 3, 'no half-written segment is left');
    await openOn(disk);
  });

  test('an I/O error while prewriting takes the journal offline', async () => {
    const disk = new SimDisk();
    const { journal } = await openOn(disk, { segmentsMin: 2 });
    await journal.close();
    disk.inject({ operation: 'write', code: 'EIO', path: 'segment-002' });
    const again = await openOn(disk, { segmentsMin: 3 });
    const error = await new Promise<CoreError>((resolve) => again.journal.onOffline(resolve));
    assert.match(error.message, /prewriting a journal segment failed: EIO/);
  });

  test('a failed checkpoint takes the journal offline', async () => {
    const opened = await openOn(new SimDisk());
    await putAll(opened, ['one']);
    opened.user.gate = () => Promise.reject(new Error('no index'));
    await assert.rejects(opened.journal.checkpoint(), (error) =>
      isCoreError(error, 'DISK_OFFLINE'),
    );
    assert.throws(() => opened.journal.append(recordKind.chunk, []));
  });

  test('a crash with a full ring is recovered by a checkpoint first', async () => {
    const disk = new SimDisk();
    const opened = await openOn(disk, { segmentsMin: 2, segmentsMax: 2 });
    opened.user.gate = () => new Promise(() => undefined);
    const texts = Array.from({ length: 12 }, (_, index) => `${index}${'.'.repeat(3000)}`);
    const written: string[] = [];
    for (const text of texts)
      opened.journal.append(recordKind.chunk, textParts(text), () => written.push(text));
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
    assert.equal(opened.journal.stats.freeBytes < 6 * pageBytes, true);
    const after = await openOn(
      disk.crash(() => false),
      { segmentsMin: 2, segmentsMax: 2 },
    );
    assert.deepEqual(after.user.texts, written);
    assert.deepEqual(after.user.checkpoints, [written.length + 1]);
    await putAll(after, ['goes on']);
    const last = await openOn(disk.crash(() => false));
    assert.ok(last.user.done);
  });
});
