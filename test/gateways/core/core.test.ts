import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { CoreError } from '../../../core/base/errors.ts';
import type { ErrorName } from '../../../core/base/errors.ts';
import { KiB, MiB } from '../../../core/base/limits.ts';
import { content } from '../../core/client/rig.ts';
import { Core } from '../../../gateways/core/core.ts';
import { coreStatus } from '../../../gateways/core/operator-calls.ts';
import { connectWriter, contentOf, CoreRig, coreOptions, get, put, who } from './rig.ts';

describe('core', () => {
  let rig: CoreRig;
  before(async () => {
    rig = await CoreRig.open();
    await rig.objects.createBucket(who, { bucket: 'bucket', region: 'us-east-1' });
  });
  after(() => rig.close());

  const sizes = [
    0,
    1,
    4 * KiB,
    4 * KiB + 1,
    100_000,
    256 * KiB,
    256 * KiB + 1,
    4 * MiB,
    9 * MiB + 5,
  ];

  test('objects of every size class come back, before and after a restart', async () => {
    for (const size of sizes) {
      const result = await put(rig.objects, 'bucket', `size/${size}`, content(size, size));
      assert.equal(result.sizeBytes, size);
    }
    const check = async (): Promise<void> => {
      for (const size of sizes) {
        const found = await get(rig.objects, 'bucket', `size/${size}`);
        assert.ok(found.equals(content(size, size)), `object of ${size} bytes`);
      }
    };
    await check();
    await rig.restart();
    await check();
  });

  test('ranges of a large object', async () => {
    const bytes = content(9 * MiB + 5, 9 * MiB + 5);
    const key = Buffer.from(`size/${bytes.length}`);
    for (const [first, last] of [
      [0, 0],
      [4 * MiB - 1, 4 * MiB],
      [100, 9 * MiB],
      [9 * MiB, 20 * MiB],
    ] as const) {
      const range = { kind: 'from', first, last } as const;
      const found = await rig.objects.get(who, { bucket: 'bucket', key, conditions: {}, range });
      assert.ok((await contentOf(found)).equals(bytes.subarray(first, last + 1)));
      assert.equal(found.lengthBytes, Math.min(last + 1, bytes.length) - first);
    }
  });

  test('an operator sees the state and manages identities; nobody else may', async () => {
    const operator = rig.operator();
    try {
      const { chains, parts } = await operator.status();
      assert.deepEqual(
        parts.map(({ role, state }) => [role, state]),
        [
          ['meta', 'SERVING'],
          ['store', 'SERVING'],
        ],
      );
      assert.equal(chains[0]?.targets[0]?.reason, null);
      const added = await operator.identities.add({ name: 'alice' });
      assert.deepEqual(await operator.identities.byAccessKey(added.accessKey), added);
      assert.equal((await operator.identities.byAccessKey('ROOT'))?.root, true);
    } finally {
      await operator.close();
    }
    await assert.rejects(rig.writer.rpc.call(coreStatus, {}), /needs operator/);
    await assert.rejects(
      connectWriter(coreOptions(rig.dataDir).address, 'read-token'),
      /needs write/,
    );
    await assert.rejects(connectWriter(coreOptions(rig.dataDir).address, 'nobody'), /token/);
  });
});

describe('core on data that is not what it should be', () => {
  let dataDir: string;
  beforeEach(async () => {
    dataDir = mkdtempSync(join(tmpdir(), 'lampyr-core-'));
    const core = await Core.open(coreOptions(dataDir));
    await core.close();
  });
  afterEach(() => rmSync(dataDir, { recursive: true, force: true }));

  const refusal = async (name: ErrorName, text: RegExp, options = coreOptions(dataDir)) => {
    await assert.rejects(Core.open(options), (error) => {
      assert.ok(error instanceof CoreError, String(error));
      assert.equal(error.errorName, name);
      assert.match(error.message, text);
      return true;
    });
  };

  for (const [what, path, text] of [
    ['the file that names the journal', 'meta/journal.json', /journal\.json is missing although/],
    ['the metadata rows', 'meta/rows', /meta\/rows holds no rows: it was lost/],
    ['the chunk index', 'stores/0/index', /0\/index holds no rows: it was lost/],
    ['the superblock of the disk', 'stores/0/disk.superblock', /disk\.superblock/],
    ['the journal', 'stores/0/journal', /journal/],
  ] as const)
    test(`refused without ${what}, naming it, and nothing is made in its place`, async () => {
      rmSync(join(dataDir, path), { recursive: true });
      await refusal('DISK_REFUSED', text);
      await refusal('DISK_REFUSED', text);
    });

  test('refused when it is of a newer format, or of another cluster', async () => {
    const other = { ...coreOptions(dataDir), clusterId: 'f'.repeat(32) };
    await refusal('DISK_REFUSED', /cluster/, other);
    const file = join(dataDir, 'meta', 'journal.json');
    writeFileSync(file, JSON.stringify({ format: 2, journal: 'stores/0/journal' }));
    await refusal('VERSION_UNSUPPORTED', /journal\.json says format 2/);
    writeFileSync(file, JSON.stringify({ format: 1, journal: 'meta/journal' }));
    await refusal('DISK_REFUSED', /does not name the journal/);
  });

  test('a first start that was interrupted begins again', async () => {
    const fresh = mkdtempSync(join(tmpdir(), 'lampyr-core-'));
    try {
      mkdirSync(join(fresh, 'stores', '0', 'index'), { recursive: true });
      mkdirSync(join(fresh, 'meta'), { recursive: true });
      const core = await Core.open(coreOptions(fresh));
      await core.close();
    } finally {
      rmSync(fresh, { recursive: true, force: true });
    }
  });
});
