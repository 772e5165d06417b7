// Files as the fuzzer of disk structures breaks them: a superblock, and the records of a journal whose checksums
// are good whatever they say.

import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import type { Prng } from '../../core/base/prng.ts';
import { crc32c } from '../../core/base/crc32c.ts';
import { KiB } from '../../core/base/limits.ts';
import { Group, GroupEncoder } from '../../core/store/journal-group.ts';
import {
  encodeSegmentHeader,
  encodeSuperblock,
  pageBytes,
  recordHeaderBytes,
} from '../../core/store/journal-format.ts';
import { segmentName, superblockName } from '../../core/store/journal-segment.ts';
import {
  createDiskSuperblock,
  diskSuperblockPath,
  openDiskSuperblock,
} from '../../core/store/superblock.ts';
import { recordKind } from '../../core/store/types.ts';
import { openOn } from '../core/store/journal-fixture.ts';
import { SimDisk } from '../sim/disk.ts';
import { randomBytes } from './fuzzer.ts';

const salt = 7;
const segmentBytes = 16 * KiB;

/** Groups of records from the first page on. */
export function journalImage(random: Prng): Buffer {
  const encoder = new GroupEncoder();
  const parts: Buffer[] = [];
  let number = 1;
  for (let group = 1; group <= 1 + random.below(3); group++) {
    const records = new Group(number);
    for (let count = 1 + random.below(3); count > 0; count--) {
      const payload = Buffer.from(randomBytes(random, 60), 'latin1');
      const kind = random.chance(0.5) ? recordKind.chunk : recordKind.meta;
      records.add({ kind, parts: [payload], payloadBytes: payload.length, onDurable: undefined });
    }
    number = records.last + 1;
    const place = { salt, generation: 1, group, segmentHeader: undefined };
    parts.push(Buffer.concat(encoder.encode(records, place)));
  }
  return Buffer.concat(parts).subarray(0, segmentBytes - pageBytes);
}

/** Makes the checksum of every record good that the walk can reach by the lengths as they are. */
function reseal(records: Buffer): void {
  let at = 0;
  while (at + recordHeaderBytes <= records.length) {
    const end = at + recordHeaderBytes + records.readUInt32BE(at + 4);
    if (end > records.length) return;
    records.writeUInt32BE(crc32c(records.subarray(at + 4, end), salt), at);
    const last = records.readUInt8(at + 9) === 1;
    at = last ? Math.ceil(end / pageBytes) * pageBytes : end;
  }
}

async function put(disk: SimDisk, path: string, parts: readonly Buffer[]): Promise<void> {
  const file = await disk.open(path, 'create');
  await file.write(parts, 0);
  await file.sync();
  await file.close();
}

/** Opens a journal of one used segment with these records. @throws what opening throws */
export async function checkJournal(records: Buffer): Promise<void> {
  const disk = new SimDisk();
  await disk.makeDirectory('journal');
  const superblock = Buffer.alloc(2 * pageBytes);
  encodeSuperblock({
    sequence: 2,
    salt,
    number: 1,
    group: 1,
    generation: 1,
    offset: pageBytes,
    newest: 0,
    segments: 2,
  }).copy(superblock);
  const header = Buffer.alloc(pageBytes);
  const value = { salt, generation: 1, previous: 0, first: 1, firstGroup: 1, sequence: 1 };
  encodeSegmentHeader({ ...value, bytes: segmentBytes }).copy(header);
  const content = Buffer.alloc(segmentBytes - pageBytes);
  records.copy(content);
  reseal(content);
  await put(disk, `journal/${superblockName}`, [superblock]);
  await put(disk, `journal/${segmentName(0)}`, [header, content]);
  await put(disk, `journal/${segmentName(1)}`, [Buffer.alloc(segmentBytes)]);
  await disk.syncDir('journal');
  const { journal, user } = await openOn(disk, { segmentBytes });
  assert.ok(user.done);
  let before = 0;
  for (const { number, text } of user.replayedRecords) {
    assert.ok(number > before, 'records in order');
    assert.ok(content.includes(Buffer.from(text, 'latin1')), 'a record that was not written');
    before = number;
  }
  await journal.close();
}

const identity = {
  diskIdentity: Buffer.alloc(16, 1),
  clusterId: Buffer.alloc(16, 2),
  createdMs: 3,
};
const slotBytes = 4 * KiB;

/** Pairs of an offset in the used part of a slot and the byte to put there. */
export function superblockImage(random: Prng): Buffer {
  return Buffer.from(randomBytes(random, 4), 'latin1');
}

/** Overwrites the start of both slots and makes their checksums good. @throws what opening throws */
export async function checkSuperblock(edits: Buffer): Promise<void> {
  const disk = new SimDisk();
  await createDiskSuperblock(disk, identity);
  const file = await disk.open(diskSuperblockPath, 'write');
  for (const slot of [0, slotBytes]) {
    const bytes = Buffer.alloc(slotBytes);
    await file.read(bytes, slot);
    for (let at = 0; at + 1 < Math.min(edits.length, 400); at += 2)
      bytes[(edits[at] as number) % 80] = edits[at + 1] as number;
    bytes.writeUInt32BE(crc32c(bytes.subarray(0, -4)), slotBytes - 4);
    await file.write([bytes], slot);
  }
  await file.sync();
  await file.close();
  const superblock = await openDiskSuperblock(disk);
  await superblock.update(superblock.value);
}
