// What the replica machine may count on of a target (`TargetEnv` of core/replica/host.ts): one suite for the chunk
// engine and for the simulated target. Histories of random operations are compared with an image in memory.

import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { describe, it } from 'node:test';
import { crc32c } from '../../core/base/crc32c.ts';
import type { BlobId, ChainVer, ChunkId, SessionId, UpdateVer } from '../../core/base/ids.ts';
import { KiB } from '../../core/base/limits.ts';
import { Prng } from '../../core/base/prng.ts';
import type { TargetEnv } from '../../core/replica/host.ts';
import {
  type FullContent,
  type ReplicaRow,
  type StoreOutcome,
  type StoreWrite,
  type UpdateBody,
  chunkKey,
  isSameUpdate,
} from '../../core/replica/types.ts';
import type { UpdateTag } from '../../core/store/types.ts';
import { DiskImage } from '../sim/cluster/target-disk.ts';

export interface TargetFixture {
  readonly env: TargetEnv;
  readonly noted: ChainVer;
  /** Lets time pass until nothing is on its way. */
  settle(): Promise<void>;
  /** The power fails, and the target is opened again: `env` is another one. Calls must have settled. */
  crash(prng: Prng): Promise<void>;
  /** Everything stored is whole. @throws when it is not */
  verify(): Promise<void>;
}

const [one, two] = [1, 2].map((blob): ChunkId => ({ blob: blob as BlobId, index: 0 })) as [
  ChunkId,
  ChunkId,
];

function tagOf(sequence: number, channel = 0): UpdateTag {
  return { session: 3 as SessionId, channel, sequence };
}

function identityOf(version: number, assigned = 1): { version: UpdateVer; assigned: ChainVer } {
  return { version: version as UpdateVer, assigned: assigned as ChainVer };
}

function writeOf(offset: number, text: string | Buffer): UpdateBody {
  const bytes = Buffer.from(text);
  return { kind: 'change', change: { kind: 'write', offset, bytes, crc32c: crc32c(bytes) } };
}

function fullOf(text: string | Buffer, sealed = false): FullContent {
  const bytes = Buffer.from(text);
  return { bytes, crc32c: crc32c(bytes), sealed };
}

async function persist(fixture: TargetFixture, write: StoreWrite): Promise<StoreOutcome> {
  let outcome: StoreOutcome | undefined;
  fixture.env.persist(write, (value) => (outcome = value));
  await fixture.settle();
  assert.ok(outcome !== undefined, `a ${write.kind} comes back`);
  return outcome;
}

async function stored(fixture: TargetFixture, write: StoreWrite): Promise<void> {
  assert.deepEqual(await persist(fixture, write), { ok: true });
}

async function bytesOf(
  fixture: TargetFixture,
  chunk: ChunkId,
  which: 'committed' | 'pending' = 'committed',
  range = { offset: 0, length: 1024 * KiB },
): Promise<string | undefined> {
  let found: { bytes: Uint8Array | undefined } | undefined;
  fixture.env.read(chunk, which, range, (bytes) => (found = { bytes }));
  await fixture.settle();
  assert.ok(found !== undefined, 'a read comes back');
  return found.bytes === undefined ? undefined : Buffer.from(found.bytes).toString('latin1');
}

async function rowsOf(
  fixture: TargetFixture,
  after: ChunkId | undefined,
  limit: number,
): Promise<readonly (readonly [ChunkId, ReplicaRow])[]> {
  let found: readonly (readonly [ChunkId, ReplicaRow])[] | undefined;
  fixture.env.rows(after, limit, (page) => (found = page));
  await fixture.settle();
  assert.ok(found !== undefined, 'a page comes');
  return found;
}

export function targetContract(name: string, open: () => Promise<TargetFixture>): void {
  describe(`contract of a replica's target: ${name}`, () => {
    it('a pending update is beside the committed content until it is committed', async () => {
      const fixture = await open();
      const { env } = fixture;
      const first = { chunk: one, identity: identityOf(1), tag: tagOf(1), body: writeOf(0, 'old') };
      await stored(fixture, { kind: 'pending', ...first });
      assert.equal(env.row(one)?.committed, undefined);
      assert.deepEqual(env.pendingChunks(), [one]);
      assert.deepEqual(env.tag(3, 0), { ...tagOf(1), chunk: one, version: 1 });
      env.commit(one);
      assert.deepEqual(env.pendingChunks(), []);
      const body = writeOf(1, 'NEWS');
      const second = { chunk: one, identity: identityOf(2, 7), tag: tagOf(2), body };
      await stored(fixture, { kind: 'pending', ...second });
      const { committed, pending } = env.row(one) ?? {};
      assert.equal(committed?.version, 1);
      assert.equal(committed?.length, 3);
      const { version, assigned, tag, length, crc32c: crc, remove, sealed } = pending ?? {};
      assert.deepEqual(
        { version, assigned, tag, length, crc, remove, sealed },
        {
          version: 2,
          assigned: 7,
          tag: tagOf(2),
          length: 5,
          crc: crc32c(Buffer.from('oNEWS')),
          remove: false,
          sealed: false,
        },
      );
      assert.equal(await bytesOf(fixture, one), 'old');
      assert.equal(await bytesOf(fixture, one, 'pending'), 'oNEWS');
      assert.equal(await bytesOf(fixture, one, 'pending', { offset: 3, length: 9 }), 'WS');
      env.commit(one);
      assert.equal(env.row(one)?.committed?.assigned, 7);
      assert.equal(env.row(one)?.pending, undefined);
      assert.equal(await bytesOf(fixture, one), 'oNEWS');
      await fixture.verify();
    });

    it('a read shows what was there when it was asked for', async () => {
      const fixture = await open();
      const { env } = fixture;
      await stored(fixture, pendingOf(one, 1, writeOf(0, 'first')));
      env.commit(one);
      await stored(fixture, pendingOf(one, 2, writeOf(0, 'other')));
      let shown: string | undefined;
      env.read(one, 'committed', { offset: 0, length: 9 }, (bytes) => {
        shown = Buffer.from(bytes ?? []).toString();
      });
      env.commit(one);
      await fixture.settle();
      assert.equal(shown, 'first');
    });

    it('what is durable is there after a crash, a pending update as well', async () => {
      const fixture = await open();
      await stored(fixture, pendingOf(one, 1, writeOf(0, 'old')));
      fixture.env.commit(one);
      await stored(fixture, pendingOf(one, 2, { kind: 'remove' }));
      await stored(fixture, pendingOf(two, 1, writeOf(0, 'only pending')));
      await fixture.crash(new Prng(1));
      const { env } = fixture;
      assert.equal(env.row(one)?.pending?.remove, true);
      assert.equal(env.row(two)?.committed, undefined);
      assert.deepEqual(env.pendingChunks().map(chunkKey).toSorted(), ['1/0', '2/0']);
      assert.equal(await bytesOf(fixture, one), 'old');
      assert.equal(await bytesOf(fixture, two, 'pending'), 'only pending');
      env.commit(one);
      assert.equal(env.row(one), undefined);
      env.commit(two);
      assert.equal(await bytesOf(fixture, two), 'only pending');
      await fixture.verify();
    });

    it('a commit is on disk with the next write', async () => {
      const fixture = await open();
      await stored(fixture, pendingOf(one, 1, writeOf(0, 'x')));
      fixture.env.commit(one);
      await stored(fixture, pendingOf(two, 1, writeOf(0, 'y')));
      await fixture.crash(new Prng(2));
      assert.equal(fixture.env.row(one)?.committed?.version, 1);
      assert.equal(fixture.env.row(one)?.pending, undefined);
    });

    it('a whole chunk replaces whatever is there, and is erased', async () => {
      const fixture = await open();
      await stored(fixture, pendingOf(one, 1, writeOf(0, 'old content')));
      fixture.env.commit(one);
      await stored(fixture, pendingOf(one, 2, writeOf(0, 'new')));
      const replace = { kind: 'replace', chunk: one, identity: identityOf(9, 4) } as const;
      await stored(fixture, { ...replace, tag: tagOf(8, 5), content: fullOf('filled', true) });
      const { env } = fixture;
      const { committed, pending } = env.row(one) ?? {};
      assert.deepEqual([committed?.version, committed?.assigned, committed?.sealed], [9, 4, true]);
      assert.equal(pending, undefined);
      assert.equal(await bytesOf(fixture, one), 'filled');
      assert.equal(env.tag(3, 5)?.version, 9);
      const erase = { kind: 'erase', chunk: one, identity: identityOf(10, 4) } as const;
      await stored(fixture, { ...erase, tag: tagOf(9, 5) });
      assert.equal(env.row(one), undefined);
      assert.equal(env.tag(3, 5)?.sequence, 9);
      await stored(fixture, { ...replace, tag: undefined, content: fullOf('') });
      assert.equal(env.row(one)?.committed?.length, 0);
      assert.equal(await bytesOf(fixture, one), '');
      await fixture.verify();
    });

    it('forgetting drops all pending updates and tags, and what was asked for before it', async () => {
      const fixture = await open();
      const { env } = fixture;
      await stored(fixture, pendingOf(one, 1, writeOf(0, 'stays')));
      env.commit(one);
      await stored(fixture, pendingOf(one, 2, writeOf(5, ' not')));
      const order: string[] = [];
      env.persist(pendingOf(two, 1, writeOf(0, Buffer.alloc(40 * KiB, 1))), () =>
        order.push('write'),
      );
      env.persist({ kind: 'forget' }, () => order.push('forget'));
      env.persist(
        { kind: 'tags', entries: [{ ...tagOf(4), chunk: one, version: 1 as UpdateVer }] },
        () => order.push('tags'),
      );
      await fixture.settle();
      assert.deepEqual(order, ['write', 'forget', 'tags']);
      for (const crashed of [false, true]) {
        // oxlint-disable-next-line no-await-in-loop -- before and after
        if (crashed) await fixture.crash(new Prng(3));
        assert.deepEqual(fixture.env.pendingChunks(), []);
        assert.equal(fixture.env.row(two), undefined);
        assert.deepEqual(fixture.env.tags(), [{ ...tagOf(4), chunk: one, version: 1 }]);
        // oxlint-disable-next-line no-await-in-loop
        assert.equal(await bytesOf(fixture, one), 'stays');
      }
      await fixture.verify();
    });

    it('tags merge by the higher sequence, one at a time for each channel', async () => {
      const fixture = await open();
      await stored(fixture, pendingOf(one, 5, writeOf(0, 'x'), tagOf(7)));
      const chunk = two;
      const version = 2 as UpdateVer;
      const entries = [
        { ...tagOf(6), chunk, version },
        { ...tagOf(1, 1), chunk, version },
      ];
      await stored(fixture, { kind: 'tags', entries });
      assert.equal(fixture.env.tag(3, 0)?.version, 5);
      await fixture.crash(new Prng(4));
      assert.deepEqual(fixture.env.tag(3, 1), entries[1]);
      assert.equal(fixture.env.tags().length, 2);
      assert.equal(fixture.env.tag(4, 0), undefined);
    });

    it('the noted chain version is durable and never falls', async () => {
      const fixture = await open();
      await stored(fixture, { kind: 'note', version: 5 as ChainVer });
      await stored(fixture, { kind: 'note', version: 4 as ChainVer });
      await fixture.crash(new Prng(5));
      assert.equal(fixture.noted, 5);
    });

    it('rows come in key order, and a short page is the last one', async () => {
      const fixture = await open();
      const chunks = [4, 1, 3, 2, 5].map((blob): ChunkId => ({ blob: blob as BlobId, index: 0 }));
      for (const chunk of chunks) {
        // oxlint-disable-next-line no-await-in-loop -- one after another
        await stored(fixture, pendingOf(chunk, 1, writeOf(0, 'x')));
        fixture.env.commit(chunk);
      }
      await stored(fixture, pendingOf(two, 2, { kind: 'remove' }));
      fixture.env.commit(two);
      const first = await rowsOf(fixture, undefined, 2);
      assert.deepEqual(
        first.map(([{ blob }]) => blob),
        [1, 3],
      );
      const rest = await rowsOf(fixture, first[1]?.[0], 3);
      assert.deepEqual(
        rest.map(([{ blob }]) => blob),
        [4, 5],
      );
      assert.equal(rest[0]?.[1].committed?.version, 1);
    });

    it('random histories with crashes agree with an image in memory', async (t) => {
      let operations = 0;
      for (let seed = 1; seed <= 3; seed++) {
        // oxlint-disable-next-line no-await-in-loop -- history after history
        operations += await history(await open(), new Prng(`target ${seed}`));
      }
      t.diagnostic(`${operations} operations`);
    });
  });
}

function pendingOf(
  chunk: ChunkId,
  version: number,
  body: UpdateBody,
  tag: UpdateTag = tagOf(version, chunk.blob),
): Extract<StoreWrite, { kind: 'pending' }> {
  return { kind: 'pending', chunk, identity: identityOf(version), tag, body };
}

// --- histories -----------------------------------------------------------------------------------

const chunksOfHistory = [1, 2, 3, 4].map((blob): ChunkId => ({ blob: blob as BlobId, index: 1 }));

async function history(fixture: TargetFixture, prng: Prng): Promise<number> {
  const image = new DiskImage('');
  let sequence = 0;
  for (let step = 0; step < 120; step++) {
    const writes = chunksOfHistory
      .filter(() => prng.chance(0.5))
      .flatMap((chunk) => randomWrite(image, chunk, prng, ++sequence));
    // oxlint-disable no-await-in-loop -- step after step
    await Promise.all(writes.map((write) => stored(fixture, write)));
    for (const write of writes) image.apply(write);
    if (prng.chance(0.05)) {
      await stored(fixture, { kind: 'forget' });
      image.apply({ kind: 'forget' });
    }
    if (prng.chance(0.5)) await compare(fixture, image, prng);
    for (const { chunk, pending } of image.sorted()) {
      if (pending === undefined || prng.chance(0.3)) continue;
      fixture.env.commit(chunk);
      image.commit(chunk);
    }
    if (prng.chance(0.1)) {
      await fixture.crash(prng);
      recommit(fixture, image);
      await compare(fixture, image, prng);
      await fixture.verify();
    }
    // oxlint-enable no-await-in-loop
  }
  await compare(fixture, image, prng);
  await fixture.verify();
  return sequence;
}

/** A commit may be lost with the power, never the update. */
function recommit({ env }: TargetFixture, image: DiskImage): void {
  for (const chunk of env.pendingChunks()) {
    const pending = env.row(chunk)?.pending;
    const { committed, pending: expected } = image.row(chunk) ?? {};
    if (expected !== undefined) continue;
    if (committed === undefined) assert.equal(pending?.remove, true);
    else assert.ok(isSameUpdate(pending, committed), 'what was committed is pending again');
    env.commit(chunk);
  }
}

function randomWrite(image: DiskImage, chunk: ChunkId, prng: Prng, sequence: number): StoreWrite[] {
  const { committed, pending } = image.row(chunk) ?? {};
  const version = Math.max(committed?.version ?? 0, pending?.version ?? 0) + 1;
  const identity = identityOf(version, 1 + prng.below(3));
  const tag = tagOf(sequence, chunk.blob);
  const content = (): FullContent => fullOf(randomBytes(prng), prng.chance(0.1));
  if (pending !== undefined || prng.chance(0.1)) {
    if (prng.chance(0.5)) return [];
    if (prng.chance(0.3)) return [{ kind: 'erase', chunk, identity, tag }];
    const known = prng.chance(0.5) ? tag : undefined;
    return [{ kind: 'replace', chunk, identity, tag: known, content: content() }];
  }
  const length = committed?.length ?? 0;
  const whole: UpdateBody = { kind: 'full', content: content() };
  const chosen = prng.below(10);
  if (committed?.sealed === true || committed === undefined)
    return [
      {
        kind: 'pending',
        chunk,
        identity,
        tag,
        body: chosen < 5 || committed !== undefined ? whole : writeOf(0, randomBytes(prng)),
      },
    ];
  const body = ((): UpdateBody => {
    if (chosen < 1) return whole;
    if (chosen < 2) return { kind: 'remove' };
    if (chosen < 3)
      return { kind: 'change', change: { kind: 'truncate', length: prng.below(length + 9 * KiB) } };
    if (chosen < 4 && prng.chance(0.2)) return { kind: 'change', change: { kind: 'seal' } };
    if (chosen < 8 && length < 200 * KiB) return writeOf(length, randomBytes(prng));
    return writeOf(prng.below(length + 1), randomBytes(prng));
  })();
  return [{ kind: 'pending', chunk, identity, tag, body }];
}

function randomBytes(prng: Prng): Buffer {
  const bytes = Buffer.alloc(
    prng.chance(0.6) ? 1 + prng.below(5000) : 13 * KiB + prng.below(20 * KiB),
  );
  // oxlint-disable-next-line unicorn/no-array-fill-with-reference-type -- Prng.fill
  prng.fill(bytes);
  return bytes;
}

async function compare(fixture: TargetFixture, image: DiskImage, prng: Prng): Promise<void> {
  const { env } = fixture;
  const rows = await rowsOf(fixture, undefined, 100);
  const expected = image.sorted().map(({ chunk }) => [chunk, image.row(chunk) ?? {}] as const);
  assert.deepEqual(rows.map(plain), expected.map(plain));
  for (const [chunk, row] of expected) {
    assert.deepEqual(plain([chunk, env.row(chunk) ?? {}]), plain([chunk, row]));
    const found = image.chunks.get(chunkKey(chunk));
    for (const which of ['committed', 'pending'] as const) {
      const bytes = found?.[which]?.bytes;
      if (bytes === undefined || row[which] === undefined || row.pending?.remove === true) continue;
      const offset = prng.chance(0.5) ? 0 : prng.below(bytes.length + 1);
      const length = prng.chance(0.5) ? bytes.length : prng.below(bytes.length + 1);
      // oxlint-disable-next-line no-await-in-loop -- one after another
      const shown = await bytesOf(fixture, chunk, which, { offset, length });
      assert.equal(shown, bytes.subarray(offset, offset + length).toString('latin1'));
    }
  }
  assert.deepEqual(byName(env.tags()), byName(image.tags.values()));
  assert.deepEqual(
    env.pendingChunks().map(chunkKey).toSorted(),
    expected.filter(([, { pending }]) => pending !== undefined).map(([chunk]) => chunkKey(chunk)),
  );
}

function plain([chunk, { committed, pending }]: readonly [ChunkId, ReplicaRow]): unknown {
  return [chunkKey(chunk), committed, pending];
}

function byName(entries: Iterable<object>): string[] {
  return [...entries]
    .map((entry) => JSON.stringify(entry, Object.keys(entry).toSorted()))
    .toSorted();
}
