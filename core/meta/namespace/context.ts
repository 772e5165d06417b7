// What the namespace's operations share: the store, the environment, numbers, turns and read leases, and the
// few checks that every operation begins with. Holds no rules of a single operation.

import { Buffer } from 'node:buffer';
import { asBuffer } from '../../base/bytes.ts';
import { CoreError } from '../../base/errors.ts';
import type { Gate } from '../../base/gate.ts';
import { id } from '../../base/ids.ts';
import type { ChainVer, InodeId, SessionId, TargetId } from '../../base/ids.ts';
import type { Clock } from '../../env/clock.ts';
import type { Events } from '../../env/events.ts';
import type { Hasher } from '../../env/hasher.ts';
import type { Rng } from '../../env/rng.ts';
import type { ChunkStore } from '../../store/types.ts';
import { entryKey, sessionKey, slash } from '../keys.ts';
import type { ChunkInventory } from '../chunk-inventory.ts';
import type { Layout, Owner, Who } from '../messages.ts';
import type { MetaReader, MetaStore } from '../meta-store.ts';
import { EntryRow, decodeRow } from '../rows.ts';
import type { Numbers } from './numbers.ts';
import type { ReadLeases } from './read-leases.ts';
import { requireSession } from './sessions.ts';
import type { OwnSession, Sessions } from './sessions.ts';
import type { Turns } from './turns.ts';
import type { VersionNumbers } from './version-numbers.ts';

/** The chunk store of this process, when it has one: small content then goes with its transaction. */
export interface LocalChunks {
  readonly chunks: ChunkStore;
  readonly target: TargetId;
  readonly chainVersion: ChainVer;
  /** Both commit to one journal: a chunk record submitted before a commit is durable with it (design 4.6). */
  readonly sharesJournal: boolean;
  /** Where readers on this machine may read the store's files themselves. */
  readonly directory?: string;
}

export interface NamespaceContext {
  readonly store: MetaStore;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly hasher: Hasher;
  readonly events: Events;
  /** Layout of new blobs of objects. */
  readonly layout: Layout;
  readonly local: LocalChunks | undefined;
  /** All chunks; undefined: somebody else keeps them. */
  readonly inventory: ChunkInventory | undefined;
  /** Content up to this size lives in the inode row. */
  readonly inlineBytesMax: number;
  /** For what adds rows. @throws CoreError DISK_FULL when new data is refused */
  readonly admit: () => void;
  readonly numbers: Numbers;
  readonly versionNumbers: VersionNumbers;
  readonly turns: Turns;
  /** Of pages of listings. */
  readonly listing: Gate;
  readonly leases: ReadLeases;
  readonly sessions: Sessions;
  readonly own: OwnSession;
}

/** The directory that holds the buckets. */
export const rootInode = id<InodeId>(1);

export interface Bucket {
  readonly name: string;
  readonly inode: InodeId;
  readonly owner: Owner;
  readonly createdMs: number;
  readonly region: string;
  /** One of `bucketVersioning`; undefined: never enabled, so that a key has one version at most. */
  readonly versioning: number | undefined;
}

const slashByte = Buffer.of(slash);

export function bucketEntryKey(bucket: string): Buffer {
  return entryKey(rootInode, Buffer.concat([Buffer.from(bucket), slashByte]));
}

/** What was decoded of a bucket's row. The bytes of a row never change, and the store answers the same ones while
 *  it has them in memory: every operation needs its bucket, and few need it decoded anew. */
const decodedBuckets = new WeakMap<Uint8Array, Bucket>();

/** @throws BUCKET_NOT_FOUND when `row` is absent */
export function bucketOf(name: string, row: Uint8Array | undefined): Bucket {
  if (row === undefined) throw new CoreError('BUCKET_NOT_FOUND', `no bucket ${name}`);
  let bucket = decodedBuckets.get(row);
  if (bucket === undefined) {
    bucket = decodeBucket(name, row);
    decodedBuckets.set(row, bucket);
  }
  return bucket;
}

function decodeBucket(name: string, row: Uint8Array): Bucket {
  const entry = decodeRow(EntryRow, row);
  if (entry.bucket === undefined) throw new CoreError('CORRUPT', `${name} is not a bucket`);
  const { owner, createdMs, region } = entry.bucket;
  const { versioning } = entry;
  return { name, inode: id<InodeId>(entry.inode), owner, createdMs, region, versioning };
}

/** @throws ACCESS_DENIED */
export function authorize(who: Who, bucket: Bucket): void {
  if (who.root || who.id === bucket.owner.id) return;
  throw new CoreError('ACCESS_DENIED', `bucket ${bucket.name} belongs to another owner`);
}

/** @throws BUCKET_NOT_FOUND, ACCESS_DENIED */
export async function readBucket(reader: MetaReader, who: Who, name: string): Promise<Bucket> {
  const bucket = bucketOf(name, await reader.get(bucketEntryKey(name)));
  authorize(who, bucket);
  return bucket;
}

export interface WriteRequest {
  readonly who: Who;
  readonly session: number;
}

/** The context, for a write that adds rows: they need room on the disk even where no chunk does, and `level` without room
 *  takes the disk offline. Not for what removes, nor for a Complete, whose parts were admitted. @throws DISK_FULL */
export function admitted(context: NamespaceContext): NamespaceContext {
  context.admit();
  return context;
}

/** Begins a write: the session's row and the buckets, all in the conflict set.
 *  @throws SESSION_ENDED, BUCKET_NOT_FOUND, ACCESS_DENIED */
export async function beginWrite(
  reader: MetaReader,
  request: WriteRequest,
  names: readonly string[],
): Promise<Bucket[]> {
  const session = sessionKey(id<SessionId>(request.session));
  const rows = await reader.getMany([session, ...names.map(bucketEntryKey)]);
  requireSession(request.session, rows[0]);
  return names.map((name, at) => {
    const bucket = bucketOf(name, rows[at + 1]);
    authorize(request.who, bucket);
    return bucket;
  });
}

/** Name of an object's turn. */
export function turnOf(bucket: string, key: Uint8Array): string {
  return `${bucket}/${asBuffer(key).toString('latin1')}`;
}
