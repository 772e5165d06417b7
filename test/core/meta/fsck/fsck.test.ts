// fsck finds each kind of damage and leftover, and nothing on a sound system.

import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { describe, it } from 'node:test';
import { id } from '../../../../core/base/ids.ts';
import type { BlobId, ContentId, InodeId } from '../../../../core/base/ids.ts';
import * as calls from '../../../../core/meta/calls.ts';
import { findingTable } from '../../../../core/meta/fsck/finding.ts';
import type { FindingKind } from '../../../../core/meta/fsck/finding.ts';
import { checkNamespace } from '../../../../core/meta/fsck/fsck.ts';
import * as k from '../../../../core/meta/keys.ts';
import type { MetaTransaction } from '../../../../core/meta/meta-store.ts';
import * as r from '../../../../core/meta/rows.ts';
import { Fixture, ann, md5, noAttributes } from '../namespace/fixture.ts';

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

/** How each kind of finding comes about. More findings may follow from the same damage. */
const damages: Readonly<Record<FindingKind, Damage>> = {
  'unreadable-row': ({ object }, t) => t.set(k.inodeKey(object), Buffer.of(1, 0xff, 0xff)),
  'entry-without-directory': ({ directory }, t) => t.delete(k.existenceKey(directory)),
  'entry-without-inode': ({ object }, t) => t.delete(k.inodeKey(object)),
  'entry-differs': async ({ object }, t) => {
    const row = r.decodeRow(r.InodeRow, (await t.get(k.inodeKey(object))) as Uint8Array);
    t.set(k.inodeKey(object), r.encodeRow(r.InodeRow, { ...row, etag: 'another' }));
  },
  'inode-without-entry': ({ directory }, t) =>
    t.delete(k.entryKey(directory, Buffer.from('object'))),
  'inode-without-content': ({ content }, t) => t.delete(k.extentPageKey(content, 0)),
  'directory-without-existence': ({ directory }, t) => t.delete(k.existenceKey(directory)),
  'existence-without-directory': ({ directory }, t) => t.delete(k.inodeKey(directory)),
  'content-without-reference': ({ content, object }, t) =>
    t.delete(k.referenceKey({ kind: 'content', content }, { kind: 'inode', inode: object })),
  'content-with-gap': async ({ content }, t) => {
    const page = (await t.get(k.extentPageKey(content, 0))) as Uint8Array;
    t.delete(k.extentPageKey(content, 0));
    t.set(k.extentPageKey(content, 7), page);
  },
  'content-without-blob': ({ blob }, t) => t.delete(k.blobKey(blob)),
  'reference-missing': ({ blob, content }, t) =>
    t.delete(k.referenceKey({ kind: 'blob', blob }, { kind: 'content', content })),
  'reference-dangling': ({ content }, t) =>
    t.set(
      k.referenceKey({ kind: 'content', content }, { kind: 'inode', inode: id<InodeId>(12) }),
      r.emptyRow,
    ),
  'blob-without-reference': ({ blob, content }, t) =>
    t.delete(k.referenceKey({ kind: 'blob', blob }, { kind: 'content', content })),
  'chunk-missing': (s) => void s.f.chunks.chunks.delete(chunkOf(s)),
  'chunk-short': (s) => void s.f.chunks.chunks.set(chunkOf(s), Buffer.alloc(19_999)),
  'chunk-unknown': ({ f }) =>
    void f.chunks.chunks.set('0000000000000001/0000000000', Buffer.alloc(1)),
  'upload-without-bucket': ({ bucket }, t) => t.delete(k.existenceKey(bucket)),
  'part-without-upload': ({ upload }, t) => t.delete(k.uploadKey('open', upload)),
  'bucket-row-differs': (_, t) => t.delete(k.ownerBucketKey(ann.id, 'b')),
  'counter-behind': (_, t) => t.set(k.counterKey('blob'), r.encodeRow(r.CounterRow, { next: 1 })),
};

describe('fsck', () => {
  it('finds nothing on a sound system, and counts its rows', async () => {
    const { f } = await subject();
    const report = await f.fsck();
    assert.deepEqual(report.findings, []);
    assert.equal(report.truncated, false);
    const { entry, inode, existence, content, blob, reference, upload, part, chunk } =
      report.counts;
    assert.deepEqual(
      { entry, inode, existence, content, blob, reference, upload, part, chunk },
      {
        entry: 4,
        inode: 4,
        existence: 2,
        content: 1,
        blob: 2,
        reference: 3,
        upload: 1,
        part: 1,
        chunk: 2,
      },
    );
    await f.close();
  });

  for (const kind of Object.keys(findingTable) as FindingKind[]) {
    it(`finds ${kind}`, async () => {
      const s = await subject();
      await s.f.store.transact(async (transaction) => damages[kind](s, transaction));
      const { findings } = await s.f.fsck();
      assert.ok(
        findings.some((finding) => finding.kind === kind),
        `found ${JSON.stringify(findings)}`,
      );
    });
  }

  it('does not report what is only under way', async () => {
    const s = await subject();
    const { f } = s;
    const busy = async (worker: number): Promise<void> => {
      for (let at = 0; at < 40; at++) {
        await f.put('b', `w${worker}/${at % 3}`, Buffer.alloc(5000, at));
        if (at % 5 === 0) await f.remove('b', `w${worker}/${at % 3}`);
        if (at % 7 === 0) await f.service.janitor.step();
      }
    };
    const state = { busy: true };
    const check = async (): Promise<number> => {
      let checks = 0;
      for (; state.busy; checks++) {
        assert.deepEqual((await checkNamespace(f.store)).findings, []);
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
