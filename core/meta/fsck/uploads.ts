// fsck of uploads: their rows, the answers kept of completed ones, and their parts.

import { id } from '../../base/ids.ts';
import type { BlobId, ContentId } from '../../base/ids.ts';
import * as k from '../keys.ts';
import type { MetaReader } from '../meta-store.ts';
import { BlobRow, DoneUploadRow, PartRow, UploadRow, decodeRow, uploadPhase } from '../rows.ts';
import type { Deferred } from './deferred.ts';
import { FoundList } from './finding.ts';
import type { Found } from './finding.ts';
import { rowAgain } from './walk.ts';
import type { RowCheck, Walk } from './walk.ts';

export async function checkUploads(walk: Walk, deferred: Deferred): Promise<void> {
  await walk.rows('uploads', k.spaceRange(k.space.upload), checkUpload);
  await walk.rows('parts', k.spaceRange(k.space.part), checkPart, ([key]) => {
    const { upload } = k.decodePartKey(key);
    if (deferred.open.has(upload)) return;
    deferred.add({
      subject: { kind: 'row', key },
      upload,
      check: rowAgain(key, partWithoutUpload),
    });
  });
}

const checkUpload: RowCheck = async (reader, [key, value]) => {
  const name = k.decodeUploadKey(key);
  const text = `${name.state} upload ${name.uploadId}`;
  const found = new FoundList({ kind: 'text', text });
  if (name.state === 'done') {
    const { dueMs, number } = decodeRow(DoneUploadRow, value);
    const due = await reader.get(k.garbageKey({ kind: 'replay', dueMs, upload: number }));
    found.unless(due !== undefined, 'answer-kept', 'it is never removed');
    return found.list;
  }
  const upload = decodeRow(UploadRow, value);
  const [bucket, bucketEnds, uploadEnds] = await reader.getMany([
    k.existenceKey(name.bucket),
    k.garbageKey({ kind: 'bucket', bucket: name.bucket }),
    k.garbageKey({ kind: 'upload', upload: upload.number }),
  ]);
  const held = bucket !== undefined || bucketEnds !== undefined;
  found.unless(held, 'upload-without-bucket', `bucket ${name.bucket} is gone`);
  found.unless(uploadEnds === undefined, 'garbage-in-use', 'its parts are queued as garbage');
  if (upload.phase === uploadPhase.completing) await checkCompletion(reader, upload, found);
  return found.list;
};

/** The end of the session takes a completion back, by the row that says so. */
async function checkCompletion(
  reader: MetaReader,
  { session, token, content }: UploadRow,
  found: FoundList,
): Promise<void> {
  const claimed = session !== undefined && token !== undefined && content !== undefined;
  const work = claimed ? await reader.get(k.sessionWorkKey(id(session), token)) : undefined;
  found.unless(work !== undefined, 'upload-stuck', 'it is being completed by nobody');
}

// --- parts -------------------------------------------------------------------------------------------------

const checkPart: RowCheck = async (reader, [key, value]) => {
  const { upload, partNumber, content } = k.decodePartKey(key);
  const text = `part ${partNumber} of upload ${upload}`;
  const found = new FoundList({ kind: 'text', text });
  // The parts of an upload that ended lose their content before they go themselves.
  if ((await reader.get(k.garbageKey({ kind: 'upload', upload }))) !== undefined) return [];
  if (content !== undefined) {
    // Says only that parts run, or ran, over the content.
    await checkHeld(reader, upload, content, found);
    return found.list;
  }
  const row = decodeRow(PartRow, value);
  if (row.blob !== undefined) await checkPartBlob(reader, upload, row, id(row.blob.blob), found);
  else if (row.content !== undefined)
    await checkPartRun(reader, upload, row, id(row.content), found);
  else {
    const inline = row.inline?.length ?? 0;
    found.unless(inline === row.sizeBytes, 'part-differs', `${inline} of ${row.sizeBytes} bytes`);
  }
  return found.list;
};

async function checkPartBlob(
  reader: MetaReader,
  upload: number,
  { sizeBytes }: PartRow,
  blob: BlobId,
  found: FoundList,
): Promise<void> {
  const reference = k.referenceKey({ kind: 'blob', blob }, { kind: 'upload', upload });
  const [stored, held] = await reader.getMany([k.blobKey(blob), reference]);
  const length = stored === undefined ? undefined : decodeRow(BlobRow, stored).length;
  const detail =
    length === undefined ? `blob ${blob} is missing` : `blob ${blob} has ${length} bytes`;
  found.unless(length === sizeBytes, 'part-differs', `${detail}, the part ${sizeBytes}`);
  found.unless(held !== undefined, 'reference-missing', `it does not hold blob ${blob}`);
}

async function checkPartRun(
  reader: MetaReader,
  upload: number,
  { sizeBytes }: PartRow,
  content: ContentId,
  found: FoundList,
): Promise<void> {
  const keys = [k.extentPageKey(content, 0), k.partContentKey(upload, content)];
  const [first, listed] = await reader.getMany(keys);
  const there = first !== undefined || sizeBytes === 0;
  found.unless(there, 'part-differs', `content ${content}, which it is a copy of, is missing`);
  const detail = `the upload does not list content ${content}, which it holds`;
  found.unless(listed !== undefined, 'part-differs', detail);
  await checkHeld(reader, upload, content, found);
}

async function checkHeld(
  reader: MetaReader,
  upload: number,
  content: ContentId,
  found: FoundList,
): Promise<void> {
  const referrer = { kind: 'upload', upload } as const;
  const held = await reader.get(k.referenceKey({ kind: 'content', content }, referrer));
  found.unless(held !== undefined, 'reference-missing', `it does not hold content ${content}`);
}

const partWithoutUpload: RowCheck = async (reader, [key]) => {
  const { upload, partNumber } = k.decodePartKey(key);
  if ((await reader.get(k.garbageKey({ kind: 'upload', upload }))) !== undefined) return [];
  const subject = { kind: 'text', text: `part ${partNumber} of upload ${upload}` } as const;
  const found: Found = { kind: 'part-without-upload', subject, detail: 'there is no such upload' };
  return [found];
};
