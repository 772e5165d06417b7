// Reading a journal back (design 4.6 rules 5–7). The segments from the checkpoint on form a chain, each
// naming the one it continues. Within the chain every record must be there up to the first record of the
// next segment; only after the last segment's last valid record may there be a torn group, since groups
// are written one at a time. Anything else is corruption, found before a user is shown a single record.

import { Buffer } from 'node:buffer';
import { CoreError } from '../base/errors.ts';
import type { RecordNumber } from '../base/ids.ts';
import { mark } from '../base/mark.ts';
import { decodeMark, markKind, pageBytes, pageUp, recordHeaderBytes } from './journal-format.ts';
import { readRecordHeader, recordIsSound } from './journal-format.ts';
import type { RecordHeader, Superblock } from './journal-format.ts';
import { damaged, missing } from './journal-segment.ts';
import type { Segment } from './journal-segment.ts';
import type { JournalRecord, RecordKind } from './types.ts';

type UsedSegment = Segment & { header: NonNullable<Segment['header']> };

/** Where the journal ends: the next record's number and group, and the place behind the last one. */
export interface JournalEnd {
  readonly number: number;
  readonly group: number;
  readonly generation: number;
  readonly offset: number;
  /** Records replayed, for the start-up log. */
  readonly records: number;
}

interface Cursor {
  number: number;
  group: number;
  offset: number;
  records: number;
}

export interface Recovery {
  readonly superblock: Superblock;
  readonly superblockPath: string;
  readonly segments: readonly Segment[];
}

/** Segments with live records, oldest first. @throws CoreError DISK_REFUSED when a link is broken. */
export function liveChain({ superblock, superblockPath, segments }: Recovery): UsedSegment[] {
  const used = segments.filter((segment): segment is UsedSegment => segment.header !== undefined);
  for (const { path, header } of used) {
    if (header.salt !== superblock.salt)
      throw damaged(path, 0, 'the segment belongs to another journal');
    if (header.sequence > superblock.sequence) throw staleSuperblock(superblockPath, superblock);
  }
  const byGeneration = new Map(used.map((segment) => [segment.header.generation, segment]));
  const chain: UsedSegment[] = [];
  let generation = Math.max(0, ...byGeneration.keys());
  // Without its newest segments, an older copy of a file for one, the chain would end early in silence.
  if (generation < superblock.newest)
    throw missing(`the journal segment of generation ${superblock.newest}`);
  while (generation !== 0 && generation >= superblock.generation) {
    const segment = byGeneration.get(generation);
    if (segment === undefined) throw missing(`the journal segment of generation ${generation}`);
    chain.unshift(segment);
    if (generation === superblock.generation) break;
    generation = segment.header.previous;
  }
  if (superblock.generation !== 0 && chain[0]?.header.generation !== superblock.generation)
    throw missing(`the journal segment of generation ${superblock.generation}`);
  return chain;
}

function staleSuperblock(path: string, superblock: Superblock): Error {
  const slot = ((superblock.sequence + 1) % 2) * pageBytes;
  return damaged(path, slot, 'a newer superblock had been in use than the one that can be read');
}

export interface Replay {
  /** Whether somebody replays records of the kind. */
  readonly knows: (kind: number) => boolean;
  /** The chain is whole and ends there. */
  readonly verified: (end: JournalEnd) => void;
  readonly visit: Visit;
}

type Visit = (record: JournalRecord) => void | Promise<void>;

/** Walks the chain twice: first to verify it whole, then through `visit`.
 *  @throws CoreError DISK_REFUSED on corruption, an unknown record kind or a superblock that was lost */
export async function replayChain(
  recovery: Recovery,
  chain: readonly UsedSegment[],
  { knows, verified, visit }: Replay,
): Promise<JournalEnd> {
  const end = await walk(recovery, chain, ({ number, kind, payload }) => {
    if (!knows(kind))
      throw new CoreError(
        'VERSION_UNSUPPORTED',
        `journal record ${number} has the unknown kind ${kind}; use the newer Lampyr that wrote it`,
      );
    if ((kind as number) === markKind && decodeMark(payload) > recovery.superblock.sequence)
      throw staleSuperblock(recovery.superblockPath, recovery.superblock);
  });
  verified(end);
  return walk(recovery, chain, visit);
}

async function walk(
  { superblock }: Recovery,
  chain: readonly UsedSegment[],
  visit: Visit,
): Promise<JournalEnd> {
  const cursor: Cursor = {
    number: superblock.number,
    group: superblock.group,
    offset: superblock.offset,
    records: 0,
  };
  let content = Buffer.alloc(0);
  for (const [index, segment] of chain.entries()) {
    const { header } = segment;
    if (content.length !== segment.bytes) content = Buffer.allocUnsafe(segment.bytes);
    if (header.generation !== superblock.generation) {
      cursor.group = header.firstGroup;
      cursor.offset = pageBytes;
    }
    // oxlint-disable no-await-in-loop -- records in order
    await readWhole(segment, content);
    await walkSegment({ segment, content, salt: superblock.salt, cursor }, chain[index + 1], visit);
    // oxlint-enable no-await-in-loop
  }
  const last = chain.at(-1);
  return {
    number: cursor.number,
    group: cursor.group,
    generation: last?.header.generation ?? 0,
    offset: cursor.offset,
    records: cursor.records,
  };
}

async function readWhole(segment: Segment, into: Buffer): Promise<void> {
  const bytes = await segment.file.read(into, 0);
  if (bytes !== segment.bytes)
    throw damaged(segment.path, bytes, `the file ends before ${segment.bytes} bytes`);
}

interface Walk {
  readonly segment: UsedSegment;
  readonly content: Buffer;
  readonly salt: number;
  readonly cursor: Cursor;
}

async function walkSegment(
  place: Walk,
  next: UsedSegment | undefined,
  visit: Visit,
): Promise<void> {
  const { segment, content, cursor } = place;
  const end = next?.header.first ?? Infinity;
  while (cursor.number < end) {
    const at = cursor.offset;
    const found = recordAt(place);
    if (found === undefined) break;
    const payloadEnd = at + recordHeaderBytes + found.length;
    const visited = visit({
      number: found.number as RecordNumber,
      kind: found.kind as RecordKind,
      payload: content.subarray(at + recordHeaderBytes, payloadEnd),
    });
    // oxlint-disable-next-line no-await-in-loop -- records in order
    if (visited !== undefined) await visited;
    cursor.number++;
    cursor.records++;
    cursor.offset = found.lastOfGroup ? pageUp(payloadEnd) : payloadEnd;
    if (found.lastOfGroup) cursor.group++;
  }
  const { number, offset } = cursor;
  const record = `record ${number} does not match its checksum`;
  if (next === undefined) {
    if (laterGroupExists(place))
      throw damaged(segment.path, offset, `${record}, and later groups prove that it was complete`);
    if (readRecordHeader(content, offset)?.generation === segment.header.generation)
      mark('journal.tornTail');
    // A group begun but torn; its number is not used again.
    cursor.group++;
    cursor.offset = pageUp(offset);
  } else if (number !== end) {
    const proof = `${next.path} continues at record ${next.header.first}`;
    throw damaged(segment.path, offset, number < end ? `${record}, and ${proof}` : proof);
  }
}

/** The record expected at the cursor; undefined when it is not there. */
function recordAt({ segment, content, salt, cursor }: Walk): RecordHeader | undefined {
  const header = readRecordHeader(content, cursor.offset);
  const expected =
    header !== undefined &&
    header.generation === segment.header.generation &&
    header.number === cursor.number &&
    header.group === cursor.group &&
    recordIsSound(content, cursor.offset, header, salt);
  return expected ? header : undefined;
}

/** Whether a group after the cursor's was written in this use of the segment. One group is in flight at a
 *  time, so that would prove that the cursor's group had been durable. */
function laterGroupExists({ segment, content, salt, cursor }: Walk): boolean {
  for (let at = pageUp(cursor.offset); at < content.length; at += pageBytes) {
    const header = readRecordHeader(content, at);
    if (
      header !== undefined &&
      header.generation === segment.header.generation &&
      header.group > cursor.group &&
      recordIsSound(content, at, header, salt)
    )
      return true;
  }
  return false;
}
