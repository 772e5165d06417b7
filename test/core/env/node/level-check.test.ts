import assert from 'node:assert/strict';
import { readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { isCoreError } from '../../../../core/base/errors.ts';
import { Prng } from '../../../../core/base/prng.ts';
import { openLevelKv } from '../../../../core/env/node/kv.ts';
import { checkLevel, damagedLevelTables } from '../../../../core/env/node/level-check.ts';
import { LogWalker, logBlockBytes } from '../../../../core/env/node/level-log.ts';
import { snappyDecode } from '../../../../core/env/node/snappy.ts';
import { type Scope, temporaryDirectory } from '../../../tools/temporary.ts';

const refused = (pattern: RegExp) => (error: unknown) =>
  isCoreError(error, 'DISK_REFUSED') && pattern.test(error.message);

const key = (number: number): Buffer => Buffer.from(`key ${String(number).padStart(6, '0')}`);

/** Many rows in tables, whose index blocks LevelDB compresses, and a log with some batches. */
async function filled(scope: Scope, tables = 3, rowsOfTable = 4000): Promise<string> {
  const path = join(temporaryDirectory(scope), 'level');
  const prng = new Prng('level');
  for (let round = 0; round < tables; round++) {
    // oxlint-disable no-await-in-loop -- a log each, which the next open makes a table of
    const kv = await openLevelKv(path);
    const rows = Array.from({ length: rowsOfTable }, (_, index) => {
      const value = Buffer.alloc(40);
      prng.fill(value);
      return { key: key(index * tables + round), value };
    });
    await kv.batch(rows, { sync: true });
    await kv.close();
  }
  const kv = await openLevelKv(path);
  for (let number = 0; number < 5; number++)
    await kv.batch([{ key: key(number), value: Buffer.alloc(100, number) }], { sync: true });
  // oxlint-enable no-await-in-loop
  await kv.close();
  return path;
}

const named = (path: string, pattern: RegExp): string[] =>
  readdirSync(path)
    .filter((name) => pattern.test(name))
    .toSorted();

function newest(path: string, pattern: RegExp): string {
  const name = named(path, pattern).at(-1);
  assert.ok(name !== undefined, `${path} has a file like ${String(pattern)}`);
  return name;
}

function walked(bytes: Buffer): { records: number[]; walker: LogWalker } {
  const records: number[] = [];
  const walker = new LogWalker((record) => records.push(record.length));
  for (let at = 0; at < bytes.length; at += logBlockBytes)
    walker.push(bytes.subarray(at, at + logBlockBytes));
  return { records, walker };
}

describe('files of a LevelDB', () => {
  test('what LevelDB wrote is sound, over several blocks and files', async (context) => {
    const path = await filled(context);
    assert.ok(named(path, /ldb$/).length >= 2);
    assert.equal(await checkLevel(path), true);
    assert.deepEqual(await damagedLevelTables(path), []);
    assert.equal(await checkLevel(join(path, 'nowhere')), false);
  });

  test('a damaged byte anywhere in a table is found and named, the padding of its footer excepted', async (context) => {
    const path = await filled(context, 2, 400);
    const name = newest(path, /ldb$/);
    const file = join(path, name);
    const sound = readFileSync(file);
    const missed: number[] = [];
    for (let at = 0; at < sound.length; at += at < sound.length - 512 ? 29 : 1) {
      const damaged = Buffer.from(sound);
      damaged[at] = (damaged[at] as number) ^ (1 << (at % 8));
      writeFileSync(file, damaged);
      // oxlint-disable-next-line no-await-in-loop -- one damage at a time
      if ((await damagedLevelTables(path)).length === 0) missed.push(at - sound.length);
    }
    // The footer: two handles of a few bytes, zeros up to 40, the magic number.
    assert.ok(
      missed.every((fromEnd) => fromEnd >= -48 + 8 && fromEnd < -8),
      String(missed),
    );
    await assert.rejects(
      checkLevel(path),
      refused(new RegExp(`${name}: the footer is not a table`)),
    );
    writeFileSync(file, sound.subarray(1));
    await assert.rejects(checkLevel(path), refused(new RegExp(`${name}: it has .* should have`)));
    rmSync(file);
    await assert.rejects(checkLevel(path), refused(new RegExp(`${name}: it is missing`)));
  });

  test('a log: damage before a later record is refused, at its end it may be a torn write', async (context) => {
    const path = await filled(context, 1);
    const file = join(path, newest(path, /log$/));
    const sound = readFileSync(file);
    const record = 7 + sound.readUInt16LE(4);
    assert.equal(sound.length, 5 * record);
    for (let at = 0; at < sound.length; at++) {
      const damaged = Buffer.from(sound);
      damaged[at] = (damaged[at] as number) ^ (1 << (at % 8));
      writeFileSync(file, damaged);
      const check = checkLevel(path);
      // oxlint-disable no-await-in-loop -- one damage at a time
      if (at < 4 * record)
        await assert.rejects(check, refused(/\.log: the record at \d+ does not/));
      else assert.equal(await check, true);
      // oxlint-enable no-await-in-loop
    }
    writeFileSync(file, sound.subarray(0, sound.length - 3));
    assert.equal(await checkLevel(path), true);
  });

  test('MANIFEST and CURRENT', async (context) => {
    const path = await filled(context, 1);
    const current = readFileSync(join(path, 'CURRENT'), 'utf8');
    const manifest = join(path, current.trim());
    const sound = readFileSync(manifest);
    const damaged = Buffer.from(sound);
    damaged[9] = (damaged[9] as number) ^ 1;
    writeFileSync(manifest, damaged);
    await assert.rejects(checkLevel(path), refused(/MANIFEST-\d+: the record at 0 does not match/));
    writeFileSync(manifest, sound);
    for (const [text, pattern] of [
      ['MANIFEST-999999\n', /MANIFEST-999999: it is missing/],
      ['MANIFEST-0', /CURRENT: it names no MANIFEST/],
      ['', /CURRENT: it names no MANIFEST/],
    ] as const) {
      writeFileSync(join(path, 'CURRENT'), text);
      // oxlint-disable-next-line no-await-in-loop
      await assert.rejects(checkLevel(path), refused(pattern));
    }
    // LevelDB would make a new database and remove every table.
    rmSync(join(path, 'CURRENT'));
    const before = named(path, /./);
    await assert.rejects(openLevelKv(path), refused(/CURRENT: it is missing, and \d+\./));
    assert.deepEqual(named(path, /./), before);
  });

  test('one that is missing is made only when that is asked for', async (context) => {
    const path = join(temporaryDirectory(context), 'level');
    await assert.rejects(openLevelKv(path, { create: false }), refused(/level holds no rows/));
    await (await openLevelKv(path)).close();
    await (await openLevelKv(path, { create: false })).close();
  });

  test('records over several blocks, and fragments out of order', async (context) => {
    const path = join(temporaryDirectory(context), 'level');
    const kv = await openLevelKv(path);
    for (let number = 0; number < 3; number++)
      // oxlint-disable-next-line no-await-in-loop -- a record each
      await kv.batch([{ key: key(number), value: Buffer.alloc(50_000, number) }], { sync: true });
    await kv.close();
    const log = readFileSync(join(path, newest(path, /log$/)));
    const whole = walked(log);
    assert.equal(whole.walker.damagedAt, undefined);
    assert.equal(whole.records.length, 3);
    assert.ok(whole.records.every((bytes) => bytes > 50_000));
    // Without its second block the first record would go on with a fragment of another one.
    const skipping = walked(
      Buffer.concat([log.subarray(0, logBlockBytes), log.subarray(2 * logBlockBytes)]),
    );
    assert.ok(skipping.walker.provenAt !== undefined || skipping.records.length < 3);
    const flipped = Buffer.from(log);
    flipped[40_000] = (flipped[40_000] as number) ^ 1;
    assert.deepEqual(walked(flipped).walker.provenAt !== undefined, true);
  });

  test('Snappy blocks: literals, near and far copies, overlapping ones; nothing out of bounds', () => {
    const literal = [0x04 << 2, ...Buffer.from('abcde')];
    // Copy of 7 bytes from 5 back (1-byte offset), then 6 from 2 back (2-byte offset, overlapping).
    const near = [((7 - 4) << 2) | 1, 5];
    const far = [(5 << 2) | 2, 2, 0];
    const block = Buffer.from([18, ...literal, ...near, ...far]);
    assert.equal(snappyDecode(block).toString(), 'abcdeabcdeababababa'.slice(0, 12) + 'ababab');
    for (const bad of [
      [19, ...literal, ...near, ...far],
      [17, ...literal, ...near, ...far],
      [5, 0x05 << 2, 1, 2],
      [4, ...near],
      [7, ...literal, ((7 - 4) << 2) | 1, 0],
      [0xff, 0xff, 0xff, 0xff, 0x7f],
      [],
    ])
      assert.throws(() => snappyDecode(Buffer.from(bad)), RangeError);
  });
});
