// Keys of the metadata rows: golden bytes, round trips, and the byte order that iteration rests on.

import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { isCoreError } from '../../../core/base/errors.ts';
import { id } from '../../../core/base/ids.ts';
import type { BlobId, ContentId, InodeId, SessionId } from '../../../core/base/ids.ts';
import * as k from '../../../core/meta/keys.ts';
import { isReservedKey } from '../../../core/meta/store/keyspace.ts';
import { assertGolden } from './golden.ts';

const inode = (number: number): InodeId => id<InodeId>(number);
const content = (number: number): ContentId => id<ContentId>(number);
const blob = (number: number): BlobId => id<BlobId>(number);
const session = (number: number): SessionId => id<SessionId>(number);
const text = (name: string): Buffer => Buffer.from(name);

const upload: k.UploadName = { bucket: inode(16), key: text('a\0b'), uploadId: '0123abcd' };
const pin: k.Referrer = { kind: 'pin', token: Buffer.alloc(16, 7) };

const golden: Readonly<Record<string, Buffer>> = {
  entry: k.entryKey(inode(16), text('name')),
  directory: k.entryKey(inode(16), text('name/')),
  explicitDirectory: k.entryKey(inode(16), text('')),
  version: k.versionKey(inode(16), text('n\0x'), 5),
  inode: k.inodeKey(inode(2 ** 53 - 1)),
  existence: k.existenceKey(inode(16)),
  times: k.timesKey(inode(16)),
  move: k.moveKey(inode(16)),
  extents: k.extentPageKey(content(17), 2 ** 40),
  parts: k.partPageKey(content(17), 10_000),
  blob: k.blobKey(blob(4096)),
  contentOfInode: k.referenceKey(
    { kind: 'content', content: content(17) },
    { kind: 'inode', inode: inode(18) },
  ),
  blobOfContent: k.referenceKey(
    { kind: 'blob', blob: blob(19) },
    { kind: 'content', content: content(17) },
  ),
  blobOfUpload: k.referenceKey({ kind: 'blob', blob: blob(19) }, { kind: 'upload', upload: 20 }),
  contentPin: k.referenceKey({ kind: 'content', content: content(17) }, pin),
  openUpload: k.uploadKey('open', upload),
  doneUpload: k.uploadKey('done', upload),
  part: k.partKey(20, 10_000),
  partContent: k.partContentKey(20, content(17)),
  session: k.sessionKey(session(21)),
  sessionExpiry: k.sessionExpiryKey(session(21)),
  sessionGrant: k.sessionGrantKey(session(21), blob(4096)),
  counter: k.counterKey('inode'),
  tags: k.settingKey(inode(16), k.settingKind.tags),
  ownerBucket: k.ownerBucketKey('owner', 'bucket'),
  garbageReference: k.garbageKey({
    kind: 'reference',
    referent: { kind: 'content', content: content(17) },
    referrer: { kind: 'inode', inode: inode(18) },
  }),
  garbageContent: k.garbageKey({ kind: 'content', content: content(17) }),
  garbageBlob: k.garbageKey({ kind: 'blob', blob: blob(19) }),
  garbageDirectory: k.garbageKey({ kind: 'directory', directory: inode(16) }),
  garbageUpload: k.garbageKey({ kind: 'upload', upload: 20 }),
  garbageBucket: k.garbageKey({ kind: 'bucket', bucket: inode(16) }),
  garbageReplay: k.garbageKey({ kind: 'replay', dueMs: 1_800_000_000_000, upload: 20 }),
  garbageUnknown: k.garbageKey({ kind: 'unknown', blob: blob(19) }),
};

const keyOf = (name: string): Buffer => golden[name] as Buffer;

const corrupt = (decode: () => unknown): void =>
  assert.throws(decode, (error) => isCoreError(error, 'CORRUPT'));

describe('metadata keys', () => {
  it('are the golden bytes', () => {
    assertGolden('keys.json', golden);
  });

  it('stay out of the keyspaces of the store and of the identities', () => {
    const identities = 0x41;
    for (const [name, bytes] of Object.entries(golden)) {
      assert.ok(!isReservedKey(bytes) && bytes[0] !== identities, name);
    }
    const letters = Object.values(k.space);
    assert.equal(new Set(letters).size, letters.length);
  });

  it('are decoded to what they were made of', () => {
    assert.deepEqual(k.decodeEntryKey(keyOf('entry')), { parent: 16, name: text('name') });
    assert.deepEqual(k.decodeVersionKey(keyOf('version')), {
      parent: 16,
      name: text('n\0x'),
      version: 5,
    });
    assert.equal(k.decodeNumber(keyOf('inode')), 2 ** 53 - 1);
    assert.deepEqual(k.decodeContentKey(keyOf('extents')), {
      content: 17,
      kind: 'extents',
      start: 2 ** 40,
    });
    assert.deepEqual(k.decodeContentKey(keyOf('parts')), {
      content: 17,
      kind: 'parts',
      start: 10_000,
    });
    assert.deepEqual(k.decodeUploadKey(keyOf('openUpload')), { ...upload, state: 'open' });
    assert.deepEqual(k.decodeUploadKey(keyOf('doneUpload')), { ...upload, state: 'done' });
    assert.deepEqual(k.decodePartKey(keyOf('part')), {
      upload: 20,
      partNumber: 10_000,
      content: undefined,
    });
    assert.deepEqual(k.decodePartKey(keyOf('partContent')), {
      upload: 20,
      partNumber: 0,
      content: 17,
    });
    assert.deepEqual(k.decodeSessionKey(keyOf('sessionGrant')), {
      part: 'grant',
      session: 21,
      firstBlob: 4096,
    });
    assert.deepEqual(k.decodeOwnerBucketKey(keyOf('ownerBucket')), {
      owner: 'owner',
      bucket: 'bucket',
    });
    for (const name of ['contentOfInode', 'blobOfContent', 'blobOfUpload', 'contentPin']) {
      const { referent, referrer } = k.decodeReferenceKey(keyOf(name));
      assert.deepEqual(k.referenceKey(referent, referrer), keyOf(name));
    }
    for (const [name, bytes] of Object.entries(golden)) {
      if (name.startsWith('garbage'))
        assert.deepEqual(k.garbageKey(k.decodeGarbageKey(bytes)), bytes);
    }
  });

  it('report malformed bytes as corrupt', () => {
    corrupt(() => k.decodeEntryKey(Buffer.from('D123')));
    corrupt(() => k.decodeNumber(Buffer.alloc(9, 0xff)));
    corrupt(() => k.unescapeName(Buffer.from('name without an end'), 0));
    corrupt(() => k.unescapeName(Buffer.from([1, 0, 2]), 0));
    corrupt(() => k.decodeReferenceKey(Buffer.alloc(20, 1)));
    corrupt(() => k.decodeGarbageKey(Buffer.from('G?')));
    corrupt(() => k.decodeSessionKey(Buffer.alloc(10, 1)));
    corrupt(() => k.decodePartKey(Buffer.alloc(10)));
  });
});

const names = fc
  .array(fc.constantFrom(0, 1, 0x2e, 0x2f, 0x61, 0xfe, 0xff), { maxLength: 6 })
  .map((codes) => Buffer.from(codes));

describe('byte order', () => {
  it('of escaped names is that of the names, whatever follows them', () => {
    fc.assert(
      fc.property(
        names,
        names,
        fc.uint8Array({ maxLength: 3 }),
        fc.uint8Array({ maxLength: 3 }),
        (a, b, x, y) => {
          const left = Buffer.concat([k.escapeName(a), x]);
          const right = Buffer.concat([k.escapeName(b), y]);
          if (!a.equals(b)) assert.equal(Buffer.compare(left, right), Buffer.compare(a, b));
          assert.deepEqual(k.unescapeName(left, 0), { name: a, end: left.length - x.length });
          if (b.subarray(0, a.length).equals(a)) {
            const prefix = k.escapePrefix(a);
            assert.ok(k.escapeName(b).subarray(0, prefix.length).equals(prefix));
          }
        },
      ),
    );
  });

  it('of versions puts the newest of a name first, and names in order', () => {
    const keys = [
      k.versionKey(inode(16), text('a'), 9),
      k.versionKey(inode(16), text('a'), 3),
      k.versionKey(inode(16), text('a\0'), 7),
      k.versionKey(inode(16), text('ab'), 1),
      k.versionKey(inode(17), text(''), 1),
    ];
    assert.deepEqual(
      keys.toSorted((a, b) => Buffer.compare(a, b)),
      keys,
    );
  });

  it('of one directory level after another is the byte order of whole keys', () => {
    // Walks D rows depth first, as a listing does, and compares with sorted keys.
    const segment = fc.constantFrom('', 'a', 'a-', 'a0', 'b', '.', '\0', 'ü');
    const keysOf = fc.uniqueArray(
      fc
        .array(segment, { minLength: 1, maxLength: 4 })
        .map((parts) => parts.join('/'))
        .filter((key) => key !== ''),
      { maxLength: 12 },
    );
    fc.assert(
      fc.property(keysOf, (keys) => {
        const tree = new Map<string, Map<string, unknown>>();
        for (const key of keys) insert(tree as Tree, key);
        const sorted = keys
          .map(text)
          .toSorted((a, b) => Buffer.compare(a, b))
          .map(String);
        assert.deepEqual([...walk(tree as Tree, '')], sorted);
      }),
    );
  });
});

interface Tree extends Map<string, Tree> {}

function insert(tree: Tree, key: string): void {
  const slash = key.indexOf('/');
  const name = slash < 0 ? key : key.slice(0, slash + 1);
  const child: Tree = tree.get(name) ?? new Map();
  tree.set(name, child);
  if (slash >= 0) insert(child, key.slice(slash + 1));
}

function* walk(tree: Tree, path: string): Generator<string> {
  const rows = [...tree].toSorted(([a], [b]) =>
    Buffer.compare(k.entryKey(inode(16), text(a)), k.entryKey(inode(16), text(b))),
  );
  for (const [name, child] of rows) {
    if (name.endsWith('/')) yield* walk(child, path + name);
    else yield path + name;
  }
}
