// `lampyr fsck` on real data: running and stopped, sound and damaged on purpose, and beside a load that must
// not be reported.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { crc32c } from '../../../core/base/crc32c.ts';
import { id } from '../../../core/base/ids.ts';
import type { BlobId, InodeId } from '../../../core/base/ids.ts';
import { KiB, MiB } from '../../../core/base/limits.ts';
import * as k from '../../../core/meta/keys.ts';
import { EntryRow, decodeRow } from '../../../core/meta/rows.ts';
import { bucketEntryKey } from '../../../core/meta/namespace/context.ts';
import type { ObjectStore } from '../../../core/model/objects/types.ts';
import { embeddedTarget } from '../../../core/model/core-client.ts';
import type { FsckReport } from '../../../gateways/admin/operator.ts';
import { runCli, makeCommands } from '../../../gateways/cli/cli.ts';
import { content } from '../../core/client/rig.ts';
import { CoreRig, bodyOf, contentOf, coreOptions, put, who } from './rig.ts';

const attributes = { headers: {}, userMetadata: [], tags: [], storageClass: 'STANDARD' } as const;
const named = (key: string) => ({ bucket: 'bucket', key: Buffer.from(key) });

function copy(objects: ObjectStore, from: string, to: string): Promise<object> {
  return objects.copy(who, {
    ...named(to),
    source: named(from),
    sourceConditions: {},
    conditions: {},
  });
}

async function multipart(objects: ObjectStore, key: string, part: Buffer): Promise<void> {
  const upload = {
    ...named(key),
    ...(await objects.createUpload(who, { ...named(key), attributes })),
  };
  const first = await objects.putPart(who, { ...upload, partNumber: 1 }, bodyOf(part));
  const last = await objects.putPart(who, { ...upload, partNumber: 2 }, bodyOf(content(10)));
  const parts = [first, last].map(({ partNumber, etag }) => ({ partNumber, etag }));
  await objects.completeUpload(who, { ...upload, parts, conditions: {} });
}

/** Like nothing else, so that it is found in a slab. */
const large = randomBytes(9 * MiB + 5);

/** One of everything: inline, one chunk, several chunks, parts, copies, what was deleted, an open upload. */
async function fill(objects: ObjectStore): Promise<void> {
  await objects.createBucket(who, { bucket: 'bucket', region: 'us-east-1' });
  await put(objects, 'bucket', 'inline', content(100));
  await put(objects, 'bucket', 'dir/small', content(100 * KiB));
  await put(objects, 'bucket', 'dir/large', large);
  await multipart(objects, 'parts', content(5 * MiB));
  await copy(objects, 'dir/large', 'copy');
  await copy(objects, 'parts', 'copy of parts');
  for (const key of ['gone', 'dir/gone']) {
    // oxlint-disable-next-line no-await-in-loop
    await put(objects, 'bucket', key, content(300 * KiB));
    // oxlint-disable-next-line no-await-in-loop
    await objects.delete(who, { ...named(key), conditions: {} });
  }
  const open = await objects.createUpload(who, { ...named('open'), attributes });
  await objects.putPart(who, { ...named('open'), ...open, partNumber: 3 }, bodyOf(content(MiB)));
}

const kindsOf = ({ findings }: FsckReport): string[] => [
  ...new Set(findings.map(({ kind }) => kind)),
];

async function check(rig: CoreRig, scrub = false): Promise<FsckReport> {
  const operator = rig.operator();
  try {
    return await operator.fsck({ scrub });
  } finally {
    await operator.close();
  }
}

/** What a launcher would have left beside the core's data. */
function writeSystemFile(dataDir: string): void {
  const { clusterId } = coreOptions(dataDir);
  writeFileSync(join(dataDir, 'lampyr.json'), JSON.stringify({ format: 1, clusterId }));
}

async function runCommand(line: string): Promise<{ code: number; out: string; err: string }> {
  let out = '';
  let err = '';
  const commands = makeCommands(() => assert.fail('fsck starts no processes'));
  const io = {
    out: (text: string) => void (out += text),
    err: (text: string) => void (err += text),
  };
  const code = await runCli(commands, line.split(' '), {}, io);
  return { code, out, err };
}

describe('fsck of a core', () => {
  let rig: CoreRig;
  beforeEach(async () => {
    rig = await CoreRig.open();
    await fill(rig.objects);
  });
  afterEach(() => rig.close());

  test('a sound system is clean: running, with every byte read, and after a restart', async () => {
    const report = await check(rig, true);
    assert.deepEqual(report.findings, []);
    assert.ok(report.clean);
    assert.ok((report.counts['bytes verified'] ?? 0) > 14 * MiB);
    assert.ok((report.counts['contents'] ?? 0) >= 3);
    await rig.restart();
    assert.deepEqual((await check(rig)).findings, []);
  });

  test('a table file that is damaged while the system runs is found and named', async () => {
    await rig.restart();
    const rows = join(rig.dataDir, 'meta', 'rows');
    const table = readdirSync(rows).find((name) => name.endsWith('.ldb'));
    assert.ok(table !== undefined, 'the restart made a table of the log');
    const file = join(rows, table);
    const bytes = readFileSync(file);
    bytes[100] = (bytes[100] as number) ^ 1;
    writeFileSync(file, bytes);
    const { clean, findings } = await check(rig);
    assert.equal(clean, false);
    const found = findings.find(({ kind }) => kind === 'file-damaged');
    assert.deepEqual([found?.severity, found?.where], ['error', file]);
    assert.match(found?.detail ?? '', /block at 0 does not match its checksum/);
  });

  test('one check at a time', async () => {
    const operator = rig.operator();
    try {
      const first = operator.fsck({ scrub: true });
      await assert.rejects(operator.fsck({ scrub: false }), /check is running/);
      assert.ok((await first).clean);
    } finally {
      await operator.close();
    }
  });

  test('chunks that are gone are lost data, named by their objects', async () => {
    const { chunks } = rig.core.data;
    const all = await chunks.scan(embeddedTarget.target, undefined, 100);
    const third = all.find(({ chunk }) => chunk.index === 2);
    assert.ok(third !== undefined);
    const { target, chainVersion } = embeddedTarget;
    const tag = { session: id<never>(1), channel: 0, sequence: 1 };
    await chunks.update({
      target,
      chunk: third.chunk,
      change: { kind: 'remove' },
      chainVersion,
      tag,
    });
    const { clean, findings } = await check(rig);
    assert.ok(!clean);
    assert.equal(findings.length, 1);
    const { kind, where, detail, severity } = findings[0] as (typeof findings)[number];
    assert.deepEqual([kind, severity], ['chunk-missing', 'error']);
    assert.match(where, /"bucket\/dir\/large"/);
    assert.match(where, /"bucket\/copy"/);
    assert.match(detail, /1 of 3 chunks of blob \d+, the first \d+\/2, are missing/);
  });

  test('rows that are gone are found with what depends on them', async () => {
    const { meta } = rig.core.data;
    const bucket = decodeRow(EntryRow, (await meta.get(bucketEntryKey('bucket'))) as Uint8Array);
    const entry = k.entryKey(id<InodeId>(bucket.inode), Buffer.from('copy'));
    const [blob] = await meta.range({ ...k.spaceRange(k.space.blob), limit: 1 });
    assert.ok(blob !== undefined);
    await meta.transact(async (transaction) => {
      transaction.delete(entry);
      transaction.delete(blob[0]);
    });
    const report = await check(rig);
    assert.ok(!report.clean);
    const kinds = kindsOf(report);
    for (const kind of ['inode-without-entry', 'blob-missing', 'reference-dangling'])
      assert.ok(kinds.includes(kind), `${kind} in ${kinds.join()}`);
  });

  test('a slab file that is gone is found without reading content', async () => {
    await rig.restart();
    rmSync(slabFiles(rig.dataDir)[0] as string);
    assert.ok(kindsOf(await check(rig)).includes('slab-missing'));
  });

  test('chunks that nobody knows are garbage, not an error', async () => {
    const { chunks } = rig.core.data;
    const { target, chainVersion } = embeddedTarget;
    const bytes = content(10 * KiB);
    await chunks.update({
      target,
      chunk: { blob: id<BlobId>(2 ** 40), index: 0 },
      change: { kind: 'write', offset: 0, bytes, crc32c: crc32c(bytes) },
      chainVersion,
      tag: { session: id<never>(1), channel: 0, sequence: 1 },
    });
    const { clean, found, findings } = await check(rig);
    assert.ok(clean);
    assert.deepEqual(found, { error: 0, garbage: 1, note: 0 });
    assert.equal(findings[0]?.kind, 'chunk-unknown');
  });
});

describe('lampyr fsck', () => {
  let rig: CoreRig;
  beforeEach(async () => {
    rig = await CoreRig.open();
    await fill(rig.objects);
    writeSystemFile(rig.dataDir);
    await rig.writer.close();
    await rig.core.close();
  });
  afterEach(() => rmSync(rig.dataDir, { recursive: true, force: true }));

  test('a stopped system: clean is 0, errors are 1, and the data is not changed', async () => {
    const sound = await runCommand(`fsck --data ${rig.dataDir} --scrub`);
    assert.equal(sound.code, 0, sound.out + sound.err);
    assert.match(sound.out, /^clean: errors 0, garbage 0, notes 0\nlooked at .*\d+ bytes verified/);
    const json = await runCommand(`fsck --json --data ${rig.dataDir}`);
    assert.deepEqual(JSON.parse(json.out).found, { error: 0, garbage: 0, note: 0 });
    assert.equal((await runCommand('fsck --fix')).code, 2);

    flipByte(rig.dataDir, large.subarray(5 * MiB, 5 * MiB + 64));
    assert.equal((await runCommand(`fsck --data ${rig.dataDir}`)).code, 0);
    const damaged = await runCommand(`fsck --scrub --data ${rig.dataDir}`);
    assert.equal(damaged.code, 1);
    assert.match(
      damaged.out,
      /^error chunk-damaged: "bucket\/dir\/large" \(inode \d+\), "bucket\/copy"/,
    );
    assert.match(damaged.out, /not clean: errors 1, garbage 0, notes 0/);
  });

  test('a lost slab is refused with its name', async () => {
    rmSync(slabFiles(rig.dataDir)[0] as string);
    const { code, out, err } = await runCommand(`fsck --data ${rig.dataDir}`);
    assert.deepEqual([code, out], [1, '']);
    assert.match(err, /lampyr fsck: slabs\/.* the file is missing/);
  });

  test('refused where there is no data, and where a system runs that cannot be asked', async () => {
    rmSync(join(rig.dataDir, 'stores'), { recursive: true });
    rmSync(join(rig.dataDir, 'meta'), { recursive: true });
    const { code, out, err } = await runCommand(`fsck --data ${rig.dataDir}`);
    assert.deepEqual([code, out], [1, '']);
    assert.match(err, /holds no data/);
    assert.ok(!readdirSync(rig.dataDir).includes('stores'));
  });
});

describe('fsck beside a load', () => {
  test('reports nothing that is only under way', async () => {
    const rig = await CoreRig.open();
    try {
      await fill(rig.objects);
      const end = Date.now() + 4_000;
      const busy = (): boolean => Date.now() < end;
      const checking = (async () => {
        let checks = 0;
        for (; busy(); checks++) {
          // oxlint-disable-next-line no-await-in-loop -- check after check
          const { findings } = await check(rig);
          assert.deepEqual(findings, []);
        }
        return checks;
      })();
      const load = Array.from({ length: 6 }, (_, worker) => work(rig.objects, worker, busy));
      const [checks, ...rounds] = await Promise.all([checking, ...load]);
      assert.ok(checks >= 2, `${checks} checks`);
      const written = rounds.reduce((sum, count) => sum + count, 0);
      assert.ok(written >= 12, `${written} rounds`);
      await delay(1_000);
      assert.deepEqual((await check(rig, true)).findings, []);
    } finally {
      await rig.close();
    }
  });
});

/** Writes, overwrites, copies and deletes; answers how often. */
async function work(objects: ObjectStore, worker: number, busy: () => boolean): Promise<number> {
  let rounds = 0;
  for (; busy(); rounds++) {
    const key = `w${worker}/d${rounds % 3}/k${rounds % 7}`;
    const sizes = [100, 20 * KiB, 300 * KiB, MiB];
    // oxlint-disable no-await-in-loop -- one worker
    await put(objects, 'bucket', key, content(sizes[rounds % 4] as number));
    await copy(objects, key, `shared/${rounds % 5}`);
    if (rounds % 6 === 0) await multipart(objects, `w${worker}/parts`, content(5 * MiB));
    const read = await objects.get(who, { ...named(`shared/${rounds % 5}`), conditions: {} });
    await contentOf(read);
    if (rounds % 2 === 0) await objects.delete(who, { ...named(key), conditions: {} });
    // oxlint-enable no-await-in-loop
  }
  return rounds;
}

function slabFiles(dataDir: string): string[] {
  const root = join(dataDir, 'stores', '0');
  const files = readdirSync(root, { recursive: true }).map((name) => join(root, String(name)));
  return files.filter(
    (path) => /\/[0-9a-f]{8}$/.test(path) && !path.includes('journal') && statSync(path).isFile(),
  );
}

/** Changes one byte of the stored `bytes`. */
function flipByte(dataDir: string, bytes: Buffer): void {
  for (const path of slabFiles(dataDir)) {
    const stored = readFileSync(path);
    const at = stored.indexOf(bytes);
    if (at < 0) continue;
    stored[at] = (stored[at] as number) ^ 1;
    writeFileSync(path, stored);
    return;
  }
  assert.fail('the bytes are in no slab');
}
