// What must hold of each metadata row, checked row by row against the rows that it names. A rule only reads and
// judges one row by the present state, so that a finding can be looked at again. By keyspace letter.

import { Buffer } from 'node:buffer';
import { equalBytes } from '../../base/bytes.ts';
import { id } from '../../base/ids.ts';
import type { BlobId, ContentId, InodeId } from '../../base/ids.ts';
import * as k from '../keys.ts';
import type { ContentMap } from '../messages.ts';
import type { KeyRange, MetaEntry, MetaReader } from '../meta-store.ts';
import { rootInode } from '../namespace/context.ts';
import { summaryOfInode } from '../namespace/objects.ts';
import * as r from '../rows.ts';
import type { Finding, FindingKind } from './finding.ts';

/** What rules know besides the rows. */
export interface RuleContext {
  readonly reader: MetaReader;
  /** Contents that completions under way are writing: nothing refers to them yet. */
  readonly completing: ReadonlySet<number>;
  /** Numbers of open uploads. */
  readonly uploads: ReadonlySet<number>;
}

export type Rule = (context: RuleContext, row: MetaEntry) => Promise<Finding[]>;

async function holds(reader: MetaReader, range: KeyRange): Promise<boolean> {
  return (await reader.range({ ...range, limit: 1 })).length > 0;
}

/** Collects the findings of one row. */
class Findings {
  readonly list: Finding[] = [];
  private readonly subject: string;

  constructor(subject: string) {
    this.subject = subject;
  }

  unless(holding: boolean, kind: FindingKind, detail: string): void {
    if (!holding) this.list.push({ kind, subject: this.subject, detail });
  }
}

// --- entries ---------------------------------------------------------------------------------------------

const entryRule: Rule = async ({ reader }, [key, value]) => {
  const { parent, name } = k.decodeEntryKey(key);
  const entry = r.decodeRow(r.EntryRow, value);
  const findings = new Findings(`entry ${JSON.stringify(name.toString())} of directory ${parent}`);
  const number = id<InodeId>(entry.inode);
  const [existence, row] = await reader.getMany([k.existenceKey(parent), k.inodeKey(number)]);
  const inRoot = parent === rootInode;
  findings.unless(
    inRoot || existence !== undefined,
    'entry-without-directory',
    'its directory is not there',
  );
  findings.unless(row !== undefined, 'entry-without-inode', `inode ${number} is missing`);
  if (row === undefined) return findings.list;
  const inode = r.decodeRow(r.InodeRow, row);
  findings.unless(
    entryAgrees(name, entry, inode),
    'entry-differs',
    `inode ${number} says otherwise`,
  );
  const placed = inode.parent === parent && equalBytes(inode.name, name);
  findings.unless(
    placed,
    'entry-differs',
    `inode ${number} is entered in directory ${inode.parent}`,
  );
  if (inRoot) {
    const bucket = name.toString('utf8', 0, name.length - 1);
    const owned = await reader.get(k.ownerBucketKey(entry.bucket?.owner.id ?? '', bucket));
    findings.unless(owned !== undefined, 'bucket-row-differs', 'its owner has no row of it');
  }
  return findings.list;
};

function entryAgrees(name: Uint8Array, entry: r.EntryRow, inode: r.InodeRow): boolean {
  const named = name.at(-1) === k.slash ? r.entryKind.directory : r.entryKind.file;
  if (entry.kind !== named || inode.kind !== named) return false;
  if (named === r.entryKind.directory) return true;
  if (entry.version !== inode.version || entry.nullVersion !== inode.nullVersion) return false;
  if (entry.summary === undefined) return !inode.sealed;
  return r.Summary.encode(entry.summary).equals(r.Summary.encode(summaryOfInode(inode)));
}

const versionRule: Rule = async ({ reader }, [key, value]) => {
  const { parent, name, version } = k.decodeVersionKey(key);
  const entry = r.decodeRow(r.EntryRow, value);
  const subject = `version ${version} of ${JSON.stringify(name.toString())} in directory ${parent}`;
  const findings = new Findings(subject);
  if (entry.deleteMarker === true) return findings.list;
  const inode = await reader.get(k.inodeKey(id<InodeId>(entry.inode)));
  findings.unless(inode !== undefined, 'entry-without-inode', `inode ${entry.inode} is missing`);
  return findings.list;
};

// --- inodes ----------------------------------------------------------------------------------------------

const inodeRule: Rule = async ({ reader }, [key, value]) => {
  const number = id<InodeId>(k.decodeNumber(key));
  const inode = r.decodeRow(r.InodeRow, value);
  const findings = new Findings(`inode ${number}`);
  const parent = id<InodeId>(inode.parent);
  const [entry, existence] = await reader.getMany([
    k.entryKey(parent, inode.name),
    k.existenceKey(number),
  ]);
  const entered = entry !== undefined && r.decodeRow(r.EntryRow, entry).inode === number;
  findings.unless(entered, 'inode-without-entry', `directory ${parent} does not name it`);
  if (inode.kind === r.entryKind.directory) {
    findings.unless(existence !== undefined, 'directory-without-existence', 'no existence row');
  } else if (inode.content === 0) {
    const inline = inode.inline?.length ?? 0;
    findings.unless(inline === inode.sizeBytes, 'inode-without-content', `${inline} inline bytes`);
  } else await checkContent(reader, number, inode, findings);
  return findings.list;
};

async function checkContent(
  reader: MetaReader,
  number: InodeId,
  inode: r.InodeRow,
  findings: Findings,
): Promise<void> {
  const content = id<ContentId>(inode.content);
  const pages = k.extentPagesRange(content);
  const [last] = await reader.range({ ...pages, limit: 1, reverse: true });
  const end = last === undefined ? 0 : endOfPage(last);
  const covered = end === inode.sizeBytes;
  findings.unless(covered, 'inode-without-content', `content ${content} has ${end} bytes`);
  if (inode.partCount > 0) {
    const parts = await holds(reader, k.partPagesRange(content));
    findings.unless(parts, 'inode-without-content', `content ${content} has no part table`);
  }
  const referent = { kind: 'content', content } as const;
  const reference = await reader.get(k.referenceKey(referent, { kind: 'inode', inode: number }));
  findings.unless(reference !== undefined, 'reference-missing', `of content ${content}`);
}

const lengthOf = (map: ContentMap): number =>
  map.extents.reduce((sum, { length }) => sum + length, 0);

function endOfPage([key, value]: MetaEntry): number {
  return k.decodeContentKey(key).start + lengthOf(r.decodeRow(r.ExtentPage, value).map);
}

const existenceRule: Rule = async ({ reader }, [key]) => {
  const directory = id<InodeId>(k.decodeNumber(key));
  const findings = new Findings(`existence of directory ${directory}`);
  const row = await reader.get(k.inodeKey(directory));
  const kind = row === undefined ? 0 : r.decodeRow(r.InodeRow, row).kind;
  const holding = kind === r.entryKind.directory;
  findings.unless(holding, 'existence-without-directory', 'no inode of a directory');
  return findings.list;
};

// --- contents and blobs --------------------------------------------------------------------------------------

const contentRule: Rule = async ({ reader, completing }, [key, value]) => {
  const { content, kind, start } = k.decodeContentKey(key);
  const findings = new Findings(`content ${content}, ${kind} from ${start}`);
  const dead = await reader.get(k.garbageKey({ kind: 'content', content }));
  if (dead !== undefined) return [];
  if (!completing.has(content)) {
    const referred = await holds(reader, k.referencesRange({ kind: 'content', content }));
    findings.unless(referred, 'content-without-reference', 'nothing refers to it');
  }
  if (kind === 'parts') return findings.list;
  const { from } = k.extentPagesRange(content);
  const [before] = await reader.range({ from, to: key, limit: 1, reverse: true });
  const expected = before === undefined ? 0 : endOfPage(before);
  findings.unless(expected === start, 'content-with-gap', `the page before ends at ${expected}`);
  await checkExtents(reader, content, r.decodeRow(r.ExtentPage, value).map, findings);
  return findings.list;
};

async function checkExtents(
  reader: MetaReader,
  content: ContentId,
  { extents, layouts }: ContentMap,
  findings: Findings,
): Promise<void> {
  const stored = extents.filter(({ inline }) => inline === undefined);
  const blobs = stored.map(({ blob }) => id<BlobId>(blob));
  const rows = await reader.getMany(blobs.map(k.blobKey));
  const referrer = { kind: 'content', content } as const;
  const references = await reader.getMany(
    blobs.map((blob) => k.referenceKey({ kind: 'blob', blob }, referrer)),
  );
  for (const [at, { blob, offset, length, layout }] of stored.entries()) {
    const row = rows[at];
    const blobLength = row === undefined ? 0 : r.decodeRow(r.BlobRow, row).length;
    const inside = offset + length <= blobLength && layouts[layout] !== undefined;
    findings.unless(inside, 'content-without-blob', `blob ${blob} has ${blobLength} bytes`);
    findings.unless(references[at] !== undefined, 'reference-missing', `of blob ${blob}`);
  }
}

const blobRule: Rule = async ({ reader }, [key]) => {
  const blob = id<BlobId>(k.decodeNumber(key));
  const findings = new Findings(`blob ${blob}`);
  if ((await reader.get(k.garbageKey({ kind: 'blob', blob }))) !== undefined) return [];
  const referred = await holds(reader, k.referencesRange({ kind: 'blob', blob }));
  findings.unless(referred, 'blob-without-reference', 'nothing refers to it');
  return findings.list;
};

const referenceRule: Rule = async (context, [key]) => {
  const { referent, referrer } = k.decodeReferenceKey(key);
  const { reader } = context;
  const what = referent.kind === 'content' ? referent.content : referent.blob;
  const findings = new Findings(`reference to ${referent.kind} ${what} by ${referrer.kind}`);
  const present =
    referent.kind === 'content'
      ? await holds(reader, k.contentRange(referent.content))
      : (await reader.get(k.blobKey(referent.blob))) !== undefined;
  findings.unless(present, 'reference-dangling', `${referent.kind} ${what} is missing`);
  const queued = await reader.get(k.garbageKey({ kind: 'reference', referent, referrer }));
  const holding = queued !== undefined || (await refers(context, referrer));
  findings.unless(holding, 'reference-dangling', 'who refers is missing');
  return findings.list;
};

async function refers(context: RuleContext, referrer: k.Referrer): Promise<boolean> {
  const { reader, completing } = context;
  switch (referrer.kind) {
    case 'inode':
      return (await reader.get(k.inodeKey(referrer.inode))) !== undefined;
    case 'content':
      return completing.has(referrer.content) || holds(reader, k.contentRange(referrer.content));
    case 'upload':
      return isUpload(context, referrer.upload);
    case 'pin':
      return true;
    case 'none':
      return false;
  }
}

async function isUpload({ reader, uploads }: RuleContext, upload: number): Promise<boolean> {
  if (uploads.has(upload)) return true;
  return (await reader.get(k.garbageKey({ kind: 'upload', upload }))) !== undefined;
}

// --- uploads, buckets --------------------------------------------------------------------------------------

const uploadRule: Rule = async ({ reader }, [key, value]) => {
  const { state, bucket, uploadId } = k.decodeUploadKey(key);
  const findings = new Findings(`${state} upload ${uploadId}`);
  if (state === 'done') {
    const { dueMs, number } = r.decodeRow(r.DoneUploadRow, value);
    const due = await reader.get(k.garbageKey({ kind: 'replay', dueMs, upload: number }));
    findings.unless(due !== undefined, 'upload-without-bucket', 'its answer is kept for ever');
    return findings.list;
  }
  r.decodeRow(r.UploadRow, value);
  const rows = await reader.getMany([
    k.existenceKey(bucket),
    k.garbageKey({ kind: 'bucket', bucket }),
  ]);
  const holding = rows.some((row) => row !== undefined);
  findings.unless(holding, 'upload-without-bucket', `bucket ${bucket} is missing`);
  return findings.list;
};

const partRule: Rule = async (context, [key, value]) => {
  const { upload, partNumber, content } = k.decodePartKey(key);
  const findings = new Findings(`part ${partNumber} of upload ${upload}`);
  findings.unless(await isUpload(context, upload), 'part-without-upload', 'no such upload');
  const referents =
    content === undefined ? referentsOf(value) : [{ kind: 'content', content } as const];
  const referrer = { kind: 'upload', upload } as const;
  const rows = await context.reader.getMany(
    referents.map((referent) => k.referenceKey(referent, referrer)),
  );
  for (const row of rows) findings.unless(row !== undefined, 'reference-missing', 'by the upload');
  return findings.list;
};

function referentsOf(value: Uint8Array): k.Referent[] {
  const { blob, content } = r.decodeRow(r.PartRow, value);
  const referents: k.Referent[] = [];
  if (blob !== undefined) referents.push({ kind: 'blob', blob: id<BlobId>(blob.blob) });
  if (content !== undefined) referents.push({ kind: 'content', content: id<ContentId>(content) });
  return referents;
}

const settingRule: Rule = async ({ reader }, [key]) => {
  const bucket = id<InodeId>(k.decodeNumber(key));
  const findings = new Findings(`setting of bucket ${bucket}`);
  const existence = await reader.get(k.existenceKey(bucket));
  findings.unless(existence !== undefined, 'bucket-row-differs', 'no such bucket');
  return findings.list;
};

const ownerBucketRule: Rule = async ({ reader }, [key, value]) => {
  const { owner, bucket } = k.decodeOwnerBucketKey(key);
  const { inode } = r.decodeRow(r.OwnerBucketRow, value);
  const findings = new Findings(`bucket ${bucket} of owner ${owner}`);
  const row = await reader.get(k.entryKey(rootInode, Buffer.from(`${bucket}/`)));
  const entry = row === undefined ? undefined : r.decodeRow(r.EntryRow, row);
  const holding = entry?.inode === inode && entry.bucket?.owner.id === owner;
  findings.unless(holding, 'bucket-row-differs', 'the bucket says otherwise');
  return findings.list;
};

/** Decodes only: what the row names is another keyspace's matter. */
const garbageRule: Rule = async (_context, [key]) => {
  k.decodeGarbageKey(key);
  return [];
};

const sessionRule: Rule = async (_context, [key]) => {
  k.decodeSessionKey(key);
  return [];
};

export const rules: ReadonlyMap<number, Rule> = new Map([
  [k.space.entry, entryRule],
  [k.space.version, versionRule],
  [k.space.inode, inodeRule],
  [k.space.existence, existenceRule],
  [k.space.content, contentRule],
  [k.space.blob, blobRule],
  [k.space.reference, referenceRule],
  [k.space.upload, uploadRule],
  [k.space.part, partRule],
  [k.space.setting, settingRule],
  [k.space.ownerBucket, ownerBucketRule],
  [k.space.garbage, garbageRule],
  [k.space.session, sessionRule],
]);
