// Row values: golden bytes of each kind, unknown fields that survive a rewrite, versions and damage.

import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { describe, it } from 'node:test';
import { isCoreError } from '../../../core/base/errors.ts';
import { keepUnknown, message, string, uint } from '../../../core/base/message.ts';
import * as r from '../../../core/meta/rows.ts';
import { assertGolden } from './golden.ts';

const owner = { id: 'o', displayName: 'Owner' };
const layout = { table: 1, tableVersion: 2, chunkBytes: 4 << 20, stripe: 3, seed: 4 };
const checksum = { algorithm: 'CRC32C', type: 'FULL_OBJECT', value: 'AAAAAA==' };
const attributes = {
  headers: { contentType: 'text/plain' },
  userMetadata: [{ name: 'm', value: 'v' }],
  tags: [{ name: 't', value: '' }],
  storageClass: 'STANDARD',
};
const summary = { sizeBytes: 3, modifiedMs: 1_760_000_000_000, etag: 'e', content: 17 };
const inode = {
  kind: r.entryKind.file,
  parent: 16,
  name: Buffer.from('name'),
  links: 1,
  sealed: true,
  sizeBytes: 3,
  modifiedMs: 1_760_000_000_000,
  etag: 'e',
  version: 1_802_240_000_000_000,
  nullVersion: true,
  content: 0,
  inline: Buffer.from('abc'),
  checksum,
  attributes,
  partCount: 0,
};
const part = { partNumber: 1, firstByte: 0, sizeBytes: 5, etag: 'e', modifiedMs: 6, checksum };
const map = {
  extents: [
    { length: 5, blob: 19, offset: 2 ** 40, layout: 0 },
    { length: 1, blob: 0, offset: 0, layout: 0, inline: Buffer.from('i') },
  ],
  layouts: [layout],
};

const golden: Readonly<Record<string, Buffer>> = {
  entry: r.encodeRow(r.EntryRow, { kind: 1, inode: 18, summary, version: 9, nullVersion: true }),
  entryOfOther: r.encodeRow(r.EntryRow, {
    kind: 1,
    inode: 18,
    summary: {
      ...summary,
      storageClass: 'GLACIER',
      owner,
      checksumAlgorithm: 'SHA256',
      checksumType: 'COMPOSITE',
    },
    version: 9,
    nullVersion: false,
    deleteMarker: true,
  }),
  bucketEntry: r.encodeRow(r.EntryRow, {
    kind: 2,
    inode: 16,
    version: 0,
    nullVersion: false,
    bucket: { owner, createdMs: 7, region: 'r' },
  }),
  inode: r.encodeRow(r.InodeRow, inode),
  extents: r.encodeRow(r.ExtentPage, { map }),
  parts: r.encodeRow(r.PartPage, { parts: [part] }),
  blob: r.encodeRow(r.BlobRow, { length: 5, layout, session: 21 }),
  upload: r.encodeRow(r.UploadRow, {
    number: 20,
    phase: r.uploadPhase.completing,
    initiatedMs: 8,
    attributes,
    checksumAlgorithm: 'CRC32',
    checksumType: 'COMPOSITE',
    session: 21,
    token: Buffer.alloc(16, 7),
    content: 22,
  }),
  doneUpload: r.encodeRow(r.DoneUploadRow, {
    number: 20,
    etag: 'e-1',
    versionId: 'null',
    checksum,
    sizeBytes: 5,
    partCount: 1,
    modifiedMs: 9,
    dueMs: 10,
  }),
  partOfBlob: r.encodeRow(r.PartRow, {
    sizeBytes: 5,
    etag: 'e',
    modifiedMs: 6,
    checksum,
    blob: { blob: 19, length: 5, layout },
  }),
  partOfContent: r.encodeRow(r.PartRow, {
    sizeBytes: 5,
    etag: 'e',
    modifiedMs: 6,
    content: 17,
    contentFirst: 100,
  }),
  session: r.encodeRow(r.SessionRow, { role: 'object', openedMs: 11 }),
  sessionExpiry: r.encodeRow(r.SessionExpiryRow, { expiresMs: 12 }),
  sessionGrant: r.encodeRow(r.SessionGrantRow, { count: 4096 }),
  counter: r.encodeRow(r.CounterRow, { next: 16 }),
  tags: r.encodeRow(r.TagsRow, { tags: [{ name: 'k', value: 'v' }] }),
  ownerBucket: r.encodeRow(r.OwnerBucketRow, {
    inode: 16,
    bucket: { owner, createdMs: 7, region: 'r' },
  }),
  garbage: r.encodeRow(r.GarbageRow, { queuedMs: 13 }),
  replay: r.encodeRow(r.ReplayRow, { bucket: 16, key: Buffer.from('k'), uploadId: 'u' }),
  empty: r.emptyRow,
};

const throwing = (name: 'CORRUPT' | 'VERSION_UNSUPPORTED', row: Buffer): void =>
  assert.throws(
    () => r.decodeRow(r.EntryRow, row),
    (error) => isCoreError(error, name),
  );

describe('metadata rows', () => {
  it('are the golden bytes', () => {
    assertGolden('rows.json', golden);
  });

  it('are decoded to what they were made of', () => {
    assert.deepEqual(r.decodeRow(r.InodeRow, golden['inode'] as Buffer), inode);
    assert.deepEqual(r.decodeRow(r.ExtentPage, golden['extents'] as Buffer), { map });
    assert.deepEqual(r.decodeRow(r.PartPage, golden['parts'] as Buffer), { parts: [part] });
  });

  it('keep fields of a newer build when they are rewritten', () => {
    const Newer = message('Counter', { next: uint(1), hint: string(77) });
    const row = r.encodeRow(Newer, { next: 5, hint: 'later' });
    const read = r.decodeRow(r.CounterRow, row);
    const written = r.encodeRow(r.CounterRow, keepUnknown(read, { next: read.next + 1 }));
    assert.deepEqual(r.decodeRow(Newer, written), { next: 6, hint: 'later' });
  });

  it('refuse a newer version and damage', () => {
    throwing('VERSION_UNSUPPORTED', Buffer.of(2, 8, 1));
    throwing('CORRUPT', Buffer.alloc(0));
    throwing('CORRUPT', Buffer.of(1, 0xff, 0xff));
    throwing('CORRUPT', Buffer.from('011a7f00', 'hex'));
  });
});
