// fsck finds each kind of damage and leftover, names it, and finds nothing on a sound system or by its changes.

import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { CoreError } from '../../../../core/base/errors.ts';
import { id } from '../../../../core/base/ids.ts';
import type { BlobId, ContentId, InodeId } from '../../../../core/base/ids.ts';
import { limits } from '../../../../core/base/limits.ts';
import type { Message } from '../../../../core/base/message.ts';
import * as calls from '../../../../core/meta/calls.ts';
import { findingTable } from '../../../../core/meta/fsck/finding.ts';
import type { FindingKind } from '../../../../core/meta/fsck/finding.ts';
import { checkNamespace } from '../../../../core/meta/fsck/fsck.ts';
import { FsckReport } from '../../../../core/meta/fsck/report.ts';
import * as k from '../../../../core/meta/keys.ts';
import type {
  MetaReader,
  MetaStore,
  MetaTransaction,
  RangeRead,
} from '../../../../core/meta/meta-store.ts';
import * as r from '../../../../core/meta/rows.ts';
import { Fixture, ann, md5, noAttributes, rejects } from '../namespace/fixture.ts';

/** A store with one of everything. */
interface Subject {
  readonly f: Fixture;
  readonly bucket: InodeId;
  readonly directory: InodeId;
  readonly object: InodeId;
  readonly content: ContentId;
  readonly blob: BlobId;
  readonly upload: k.UploadName;
  readonly uploadNumber: number;
}

async function subject(): Promise<Subject> {
  const f = await Fixture.open();
  await f.createBucket('b');
  await f.put('b', 'inline', 'x');
  await f.put('b', 'd/object', Buffer.alloc(20_000));
  const key = Buffer.from('upload');
  const attributes = noAttributes();
  const created = await f.ask(calls.createUpload, {
    who: ann,
    session: f.session,
    bucket: 'b',
    key,
    attributes,
  });
  const part = Buffer.alloc(20_000);
  await f.ask(
    calls.putPart,
    {
      who: ann,
      session: f.session,
      upload: { bucket: 'b', key, uploadId: created.uploadId },
      partNumber: 1,
      etag: md5(part),
    },
    part,
  );
  const opened = await f.open('b', 'd/object');
  const object = id<InodeId>(opened.response.inode);
  const row = r.decodeRow(r.InodeRow, (await f.store.get(k.inodeKey(object))) as Uint8Array);
  const directory = id<InodeId>(row.parent);
  const above = r.decodeRow(r.InodeRow, (await f.store.get(k.inodeKey(directory))) as Uint8Array);
  const content = id<ContentId>(opened.response.contentId);
  const blobs = await f.store.range({ ...k.spaceRange(k.space.blob), limit: 1 });
  const bucket = id<InodeId>(above.parent);
  const upload = { bucket, key, uploadId: created.uploadId };
  const uploadRow = await f.store.get(k.uploadKey('open', upload));
  return {
    f,
    bucket,
    directory,
    object,
    content,
    blob: id<BlobId>(k.decodeNumber((blobs[0] as readonly [Uint8Array, Uint8Array])[0])),
    upload,
    uploadNumber: r.decodeRow(r.UploadRow, uploadRow as Uint8Array).number,
  };
}

type Damage = (subject: Subject, transaction: MetaTransaction) => void | Promise<void>;

const chunkOf = ({ blob }: Subject): string => `${String(blob).padStart(16, '0')}/0000000000`;

const queued = r.encodeRow(r.GarbageRow, { queuedMs: 1 });
const nobody = id<InodeId>(12);

async function change<T extends object>(
  t: MetaTransaction,
  row: Message<T>,
  key: Uint8Array,
  changed: (value: T) => T,
): Promise<void> {
  const value = r.decodeRow(row, (await t.get(key)) as Uint8Array);
  t.set(key, r.encodeRow(row, changed(value)));
}

/** How each kind of finding comes about. More findings may follow from the same damage. */
const damages: Readonly<Record<Exclude<FindingKind, 'undecided'>, Damage>> = {
  'row-unreadable': ({ object }, t) => t.set(k.inodeKey(object), Buffer.of(1, 0xff, 0xff)),
  'rows-unchecked': ({ f }) => {
    f.chunks.scan = () => Promise.reject(new CoreError('CORRUPT', 'a damaged row'));
  },
  'entry-without-directory': ({ directory }, t) => t.delete(k.existenceKey(directory)),
  'entry-without-inode': ({ object }, t) => t.delete(k.inodeKey(object)),
  'entry-differs': ({ object }, t) =>
    change(t, r.InodeRow, k.inodeKey(object), (row) => ({ ...row, etag: 'another' })),
  'versions-differ': ({ directory }, t) => {
    const older = { kind: 1, inode: 12, version: 2 ** 52, nullVersion: false };
    const key = k.versionKey(directory, Buffer.from('object'), older.version);
    t.set(key, r.encodeRow(r.EntryRow, older));
  },
  'inode-without-entry': ({ directory }, t) =>
    t.delete(k.entryKey(directory, Buffer.from('object'))),
  'directory-unreachable': ({ directory }, t) =>
    change(t, r.InodeRow, k.inodeKey(directory), (row) => ({ ...row, parent: directory })),
  'existence-missing': ({ directory }, t) => t.delete(k.existenceKey(directory)),
  'existence-superfluous': (_, t) => t.set(k.existenceKey(nobody), r.emptyRow),
  'bucket-owner-differs': (_, t) => t.delete(k.ownerBucketKey(ann.id, 'b')),
  'setting-without-bucket': (_, t) =>
    t.set(k.settingKey(nobody, k.settingKind.tags), r.encodeRow(r.TagsRow, { tags: [] })),
  'content-missing': ({ content }, t) => t.delete(k.extentPageKey(content, 0)),
  'content-incomplete': async ({ content }, t) => {
    const page = (await t.get(k.extentPageKey(content, 0))) as Uint8Array;
    t.delete(k.extentPageKey(content, 0));
    t.set(k.extentPageKey(content, 7), page);
  },
  'parts-differ': ({ object }, t) =>
    change(t, r.InodeRow, k.inodeKey(object), (row) => ({ ...row, partCount: 3 })),
  'blob-missing': ({ blob }, t) => t.delete(k.blobKey(blob)),
  'reference-missing': ({ blob, content }, t) =>
    t.delete(k.referenceKey({ kind: 'blob', blob }, { kind: 'content', content })),
  'reference-dangling': ({ blob }, t) => t.delete(k.blobKey(blob)),
  'reference-without-owner': ({ content }, t) =>
    t.set(
      k.referenceKey({ kind: 'content', content }, { kind: 'inode', inode: nobody }),
      r.emptyRow,
    ),
  'content-without-owner': ({ content, object }, t) =>
    t.delete(k.referenceKey({ kind: 'content', content }, { kind: 'inode', inode: object })),
  'blob-without-owner': ({ blob, content }, t) =>
    t.delete(k.referenceKey({ kind: 'blob', blob }, { kind: 'content', content })),
  'chunk-missing': (s) => void s.f.chunks.chunks.delete(chunkOf(s)),
  'chunk-short': (s) => void s.f.chunks.chunks.set(chunkOf(s), Buffer.alloc(19_999)),
  'chunk-beyond-blob': (s) =>
    void s.f.chunks.chunks.set(chunkOf(s).replace(/0$/, '1'), Buffer.alloc(1)),
  'chunk-unknown': ({ f }) =>
    void f.chunks.chunks.set('0000000000000001/0000000000', Buffer.alloc(1)),
  'upload-without-bucket': ({ bucket }, t) => t.delete(k.existenceKey(bucket)),
  'upload-stuck': ({ upload }, t) =>
    change(t, r.UploadRow, k.uploadKey('open', upload), (row) => ({
      ...row,
      phase: r.uploadPhase.completing,
    })),
  'answer-kept': ({ upload }, t) => {
    const answer = { etag: '', versionId: '', sizeBytes: 0, partCount: 1, modifiedMs: 1, dueMs: 1 };
    t.set(k.uploadKey('done', upload), r.encodeRow(r.DoneUploadRow, { number: 99, ...answer }));
  },
  'part-without-upload': ({ upload }, t) => t.delete(k.uploadKey('open', upload)),
  'part-differs': ({ uploadNumber }, t) =>
    change(t, r.PartRow, k.partKey(uploadNumber, 1), (row) => ({ ...row, sizeBytes: 5 })),
  'garbage-in-use': ({ content }, t) => t.set(k.garbageKey({ kind: 'content', content }), queued),
  'garbage-nowhere': ({ content }, t) => {
    const referrer = { kind: 'inode', inode: nobody } as const;
    const item = { kind: 'reference', referent: { kind: 'content', content }, referrer } as const;
    t.set(k.garbageKey(item), queued);
  },
  'counter-behind': (_, t) => t.set(k.counterKey('blob'), r.encodeRow(r.CounterRow, { next: 1 })),
};

const kindsOf = ({ findings }: FsckReport): string[] => findings.map(({ kind }) => kind);

describe('fsck', () => {
  it('finds nothing on a sound system, and counts what it looked at', async () => {
    const { f } = await subject();
    const report = await f.fsck();
    assert.deepEqual(report.findings, []);
    assert.ok(report.clean);
    const { counts } = report;
    const looked = Object.fromEntries(
      ['entries', 'inodes', 'directories', 'contents', 'blobs', 'references', 'chunks'].map(
        (name) => [name, counts[name]],
      ),
    );
    assert.deepEqual(looked, {
      entries: 4,
      inodes: 4,
      directories: 2,
      contents: 1,
      blobs: 2,
      references: 3,
      chunks: 2,
    });
    assert.deepEqual([counts['uploads'], counts['parts']], [1, 1]);
    await f.close();
  });

  for (const [kind, damage] of Object.entries(damages)) {
    it(`finds ${kind}`, async () => {
      const s = await subject();
      await s.f.store.transact(async (transaction) => damage(s, transaction));
      const report = await s.f.fsck();
      assert.ok(kindsOf(report).includes(kind), `found ${JSON.stringify(report.findings)}`);
      const { severity } = findingTable[kind as FindingKind];
      assert.ok(report.totals[severity] > 0);
      assert.equal(report.clean, report.totals.error === 0);
    });
  }

  it('has every kind on the page for operators', () => {
    const page = new URL('../../../../../docs/operations/fsck.md', import.meta.url);
    const text = readFileSync(page, 'utf8');
    for (const kind of Object.keys(findingTable)) assert.ok(text.includes(`\`${kind}\``), kind);
  });

  it('finds one damage as one finding, and names the object', async () => {
    const s = await subject();
    s.f.chunks.chunks.delete(chunkOf(s));
    const { findings } = await s.f.fsck();
    assert.equal(findings.length, 1);
    assert.match(findings[0]?.where ?? '', /^"b\/d\/object" \(inode \d+\) \(content/);
    assert.match(findings[0]?.detail ?? '', /1 of 1 chunks of blob \d+, the first \d+\/0/);
  });

  it('takes what other parts still hold for sound', async () => {
    const s = await subject();
    // A copy keeps the content when its source goes.
    await s.f.ask(calls.copyObject, {
      who: ann,
      session: s.f.session,
      source: { bucket: 'b', key: Buffer.from('d/object') },
      sourceConditions: {},
      bucket: 'b',
      key: Buffer.from('copy'),
      conditions: {},
      replaceMetadata: false,
      replaceTags: false,
      headers: {},
      userMetadata: [],
      tags: [],
    });
    await s.f.remove('b', 'd/object');
    assert.deepEqual((await s.f.fsck()).findings, []);
    await s.f.clean();
    assert.deepEqual((await s.f.fsck()).findings, []);
    await s.f.close();
  });

  it('gets past damaged rows, and says what it could not read', async () => {
    const s = await subject();
    const damaged = k.inodeKey(s.object);
    const report = new FsckReport();
    await checkNamespace({ store: unreadable(s.f.store, damaged), report, damaged: [damaged] });
    assert.ok(kindsOf(report).includes('row-unreadable'));
    assert.ok(!kindsOf(report).includes('rows-unchecked'), JSON.stringify(report.findings));
    assert.equal(report.counts['inodes'], 3);
    const unknown = new FsckReport();
    await checkNamespace({ store: unreadable(s.f.store, damaged), report: unknown });
    assert.ok(kindsOf(unknown).includes('rows-unchecked'));
  });

  it('keeps a bounded number of findings and counts all', async () => {
    const s = await subject();
    const count = limits.fsckFindingsMax + 50;
    for (let at = 0; at < count; at++)
      s.f.chunks.chunks.set(
        `${String(2 ** 41 + at).padStart(16, '0')}/0000000000`,
        Buffer.alloc(1),
      );
    const { findings, totals, clean } = await s.f.fsck();
    assert.equal(findings.length, limits.fsckFindingsMax);
    assert.equal(totals.garbage, count);
    assert.ok(clean);
  });

  it('ends when nobody waits for it', async () => {
    const { f } = await subject();
    const options = { store: f.store, report: new FsckReport(), cancelled: () => true };
    await rejects(checkNamespace(options), 'CANCELLED');
  });

  it('finds the same when windows and pages are many', async () => {
    const f = await Fixture.open();
    await f.createBucket('b');
    for (let at = 0; at < 300; at++) await f.put('b', `k${at}`, Buffer.alloc(4097, at));
    assert.deepEqual((await f.fsck()).findings, []);
    const names = [...f.chunks.chunks.keys()];
    for (const at of [0, 255, 256, 298, 299]) f.chunks.chunks.delete(names[at] as string);
    assert.deepEqual(
      kindsOf(await f.fsck()),
      Array.from({ length: 5 }, () => 'chunk-missing'),
    );
  });

  it('does not report what is only under way', async () => {
    const s = await subject();
    const { f } = s;
    const busy = async (worker: number): Promise<void> => {
      for (let at = 0; at < 60; at++) {
        await f.put('b', `w${worker}/${at % 3}`, Buffer.alloc(5000, at));
        if (at % 5 === 0) await f.remove('b', `w${worker}/${at % 3}`);
        if (at % 7 === 0) await f.service.janitor.step();
        if (at % 11 === 0) await f.clock.advance(limits.readLeaseMs / 3);
      }
    };
    const state = { busy: true };
    const check = async (): Promise<number> => {
      let checks = 0;
      for (; state.busy; checks++) {
        assert.deepEqual((await f.fsck()).findings, []);
        await setImmediate();
      }
      return checks;
    };
    const checking = check();
    await Promise.all([busy(1), busy(2), busy(3)]);
    state.busy = false;
    const checks = await checking;
    assert.ok(checks > 1);
    await f.close();
  });
});

function fail(): never {
  throw new CoreError('CORRUPT', 'a row does not match its checksum');
}

/** The store, with one row that cannot be read, as a journaled table answers. */
function unreadable(store: MetaStore, damaged: Uint8Array): MetaStore {
  const hit = (key: Uint8Array): boolean => Buffer.compare(key, damaged) === 0;
  const over = <T extends MetaReader>(reader: T): T =>
    Object.assign(Object.create(reader) as T, {
      get: async (key: Uint8Array) => (hit(key) ? fail() : reader.get(key)),
      getMany: async (keys: readonly Uint8Array[]) =>
        keys.some(hit) ? fail() : reader.getMany(keys),
      range: async (range: RangeRead) => {
        const rows = await reader.range(range);
        return rows.some(([key]) => hit(key)) ? fail() : rows;
      },
    } satisfies Partial<MetaReader>);
  return Object.assign(over(store), {
    transact: <T>(body: (transaction: MetaTransaction) => Promise<T>) =>
      store.transact((transaction) => body(over(transaction))),
  });
}
