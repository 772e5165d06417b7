// fsck of the janitor's queues, of sessions and of counters. What is queued will be removed, so it must not be
// in use; what the queues name and is gone already is left for the janitor to take off.

import { isCoreError } from '../../base/errors.ts';
import { id } from '../../base/ids.ts';
import type { InodeId } from '../../base/ids.ts';
import * as k from '../keys.ts';
import type { CounterName, Garbage } from '../keys.ts';
import type { KeyRange, MetaReader } from '../meta-store.ts';
import { readInode } from '../namespace/objects.ts';
import {
  CounterRow,
  GarbageRow,
  ReplayRow,
  SessionExpiryRow,
  SessionGrantRow,
  SessionRow,
  SessionWorkRow,
  decodeRow,
} from '../rows.ts';
import { FoundList } from './finding.ts';
import { holds } from './walk.ts';
import type { RowCheck, Walk } from './walk.ts';

export async function checkQueues(walk: Walk): Promise<void> {
  await walk.rows('queued', k.spaceRange(k.space.garbage), checkGarbage);
  await walk.rows('session rows', k.spaceRange(k.space.session), checkSession);
  await checkCounters(walk);
}

const checkGarbage: RowCheck = async (reader, [key, value]) => {
  const item = k.decodeGarbageKey(key);
  const found = new FoundList({ kind: 'row', key });
  decodeRow<object>(item.kind === 'replay' ? ReplayRow : GarbageRow, value);
  const used = await useOf(reader, item);
  found.unless(used === undefined, 'garbage-in-use', used ?? '');
  const gone = await goneOf(reader, item, value);
  found.unless(gone === undefined, 'garbage-nowhere', gone ?? '');
  return found.list;
};

/** Who uses what is queued to be removed. */
async function useOf(reader: MetaReader, item: Garbage): Promise<string | undefined> {
  switch (item.kind) {
    case 'reference': {
      const { referent, referrer } = item;
      if (referent.kind !== 'content' || referrer.kind !== 'inode') return undefined;
      const inode = await readInode(reader, referrer.inode);
      const used = inode !== undefined && inode.content === referent.content;
      return used ? `inode ${referrer.inode} has content ${referent.content}` : undefined;
    }
    case 'content':
    case 'blob': {
      const used = await holds(reader, k.referencesRange(item));
      const what = item.kind === 'content' ? `content ${item.content}` : `blob ${item.blob}`;
      return used ? `${what} is referred to` : undefined;
    }
    case 'bucket': {
      const existence = await reader.get(k.existenceKey(item.bucket));
      return existence === undefined ? undefined : `bucket ${item.bucket} exists`;
    }
    case 'directory':
    case 'upload':
    case 'replay':
    case 'unknown':
      // The janitor looks itself before it removes; of an upload its own row tells (uploads.ts).
      return undefined;
  }
}

/** What the item names and is not there. Most items may well outlive what they name. */
async function goneOf(
  reader: MetaReader,
  item: Garbage,
  value: Uint8Array,
): Promise<string | undefined> {
  if (item.kind === 'reference' && item.referrer.kind !== 'none') {
    const row = await reader.get(k.referenceKey(item.referent, item.referrer));
    return row === undefined ? 'the reference to drop is gone' : undefined;
  }
  if (item.kind !== 'replay') return undefined;
  const { bucket, key, uploadId } = decodeRow(ReplayRow, value);
  const name = { bucket: id<InodeId>(bucket), key, uploadId };
  const row = await reader.get(k.uploadKey('done', name));
  return row === undefined ? 'the answer to remove is gone' : undefined;
}

const sessionRows = {
  live: SessionRow,
  expiry: SessionExpiryRow,
  grant: SessionGrantRow,
  work: SessionWorkRow,
} as const;

const checkSession: RowCheck = async (_reader, [key, value]) => {
  const { part } = k.decodeSessionKey(key);
  decodeRow<object>(sessionRows[part], value);
  return [];
};

// --- counters ------------------------------------------------------------------------------------------------

/** The keyspace in which each counter's numbers are keys. */
const numbered: readonly (readonly [CounterName, number])[] = [
  ['inode', k.space.inode],
  ['content', k.space.content],
  ['blob', k.space.blob],
  ['upload', k.space.part],
];

/** undefined when there is none, or when its row cannot be read, which the walk of its keyspace reports. */
async function newest(reader: MetaReader, range: KeyRange): Promise<number | undefined> {
  try {
    const [last] = await reader.range({ ...range, limit: 1, reverse: true });
    return last === undefined ? undefined : k.decodeNumber(last[0]);
  } catch (error) {
    if (isCoreError(error, 'CORRUPT')) return undefined;
    throw error;
  }
}

/** A counter at or below a number in use would give it out again. The number is read first: a counter is moved
 *  before its numbers are used, and never back. */
async function checkCounters(walk: Walk): Promise<void> {
  const { store } = walk;
  for (const [name, letter] of numbered) {
    const range = k.spaceRange(letter);
    // Nobody knows the newest number when its row may be among the damaged ones.
    if (walk.damagedIn(range).length > 0) continue;
    // oxlint-disable-next-line no-await-in-loop -- four of them
    const used = await newest(store, range);
    if (used === undefined) continue;
    const key = k.counterKey(name);
    const subject = { kind: 'text', text: `counter ${name}` } as const;
    // oxlint-disable-next-line no-await-in-loop
    await walk.confirm(subject, async (reader) => {
      const row = await reader.get(key);
      const next = row === undefined ? 0 : decodeRow(CounterRow, row).next;
      const found = new FoundList(subject);
      const detail = `number ${used} is in use, the next one would be ${next}`;
      found.unless(used < next, 'counter-behind', detail);
      return found.list;
    });
  }
  await walk.rows('counters', k.spaceRange(k.space.counter), async (_reader, [, value]) => {
    decodeRow(CounterRow, value);
    return [];
  });
}
