// Every limit of the core in one place, each with its reason; relations between them are asserted at the
// bottom. Units are last in the names. Gateways keep the limits of their protocol beside their codecs.

import { assert } from './assert.ts';

export const KiB = 1024;
export const MiB = 1024 * KiB;
export const GiB = 1024 * MiB;

export const limits = {
  // --- chunk store -------------------------------------------------------------------------------
  /** Smallest and largest block of a slab (design 4.6). */
  blockBytesMin: 4 * KiB,
  blockBytesMax: 64 * MiB,
  /** Patches on one base block; the next update folds (design 4.6). */
  chunkPatchesMax: 32,
  /** Checksum unit: one CRC per unit is verified on every read (design 4.6). */
  checksumUnitBytes: 64 * KiB,
  /** Chunk sizes of new blobs: objects, files (design 4.6). */
  objectChunkBytes: 4 * MiB,
  fileChunkBytes: 1 * MiB,
  /** Updates up to this size travel in the journal record and are placed later: one sync, two writes.
   *  Above it the bytes go to the slab first: two syncs, one write. */
  journaledBytesMax: 256 * KiB,

  /** Slabs double the size of their class between these bounds: a small store stays small, a large one
   *  has few files, and making one stalls the disk for less than a second. */
  slabBytesMin: 1 * MiB,
  slabBytesMax: 64 * MiB,
  /** Zeros written between two syncs while a slab is made, so that other syncs are not delayed long. */
  slabPieceBytes: 4 * MiB,
  /** Open slab files; a handle costs the kernel and us about 1 KiB. */
  slabHandlesMax: 512,
  /** With the journal's one: two syncs in flight per disk (design 9). */
  slabSyncsInFlightMax: 1,
  /** Slabs of larger blocks are not made ahead of need. */
  spareBlockBytesMax: 16 * MiB,
  /** An overwrite of a chunk up to this size rewrites it: cheaper than a patch to write and to read. */
  rewriteBytesMax: 16 * KiB,
  /** A row with its checksums; above it an update folds. Half of it is the base of a 64 MiB chunk in
   *  4 KiB units. */
  chunkRowBytesMax: 128 * KiB,
  /** Bytes that are durable in the journal and wait in memory for their place. */
  placementBytesMax: 64 * MiB,
  /** One round of placing: enough to merge small writes into long ones. */
  placementRoundBytes: 4 * MiB,
  /** File-system space that new data leaves alone, a twentieth of the disk within these bounds: for the index and
   *  the metadata rows, which grow when things are removed too, and for what else lives on the disk. The lower
   *  one holds what `level` writes beside what it replaces: two memtables and a round of compaction, for two
   *  databases; a disk smaller than four times of it keeps a quarter. */
  diskReserveBytes: 1 * GiB,
  diskReserveBytesMin: 128 * MiB,
  /** Patched chunks remembered for folding; a scan of the index finds the others. */
  foldHintsMax: 65_536,
  /** Bytes that the reads of a replicated target hold at a time: a largest chunk, or hundreds of pieces. */
  replicaReadBytesMax: 64 * MiB,
  /** Entries of an exactly-once table that are handed over in one record: about 50 KiB. */
  tagsPerRecordMax: 1024,
  /** Patches at which the background folds a chunk that is still being written. */
  foldPatchesMin: 8,
  /** Index rows looked at in one step of maintenance or checking: about a millisecond. */
  scanRowsMax: 256,
  /** A slab below this share of used blocks is emptied when its class has room for its content. */
  sparseSlabShare: 0.5,

  // --- journal -----------------------------------------------------------------------------------
  journalSegmentBytes: 32 * MiB,
  /** Segments kept prewritten; a checkpoint starts well before they are all used. */
  journalSegmentsMin: 4,
  journalSegmentsMax: 16,
  /** One record, bytes included. */
  journalRecordBytesMax: 2 * MiB,
  /** A group is closed at this size even when more records wait. */
  journalGroupBytesMax: 8 * MiB,
  /** Records of a group: encoding them and showing them are one synchronous turn each. */
  journalGroupRecordsMax: 512,
  /** Of the first two segments of a new journal, so that a first start is quick. */
  journalFirstSegmentBytes: 8 * MiB,
  /** Bytes appended and not yet durable before `room` makes callers wait: a few groups. */
  journalQueueBytesMax: 32 * MiB,
  /** After this pause a mark proves that the last group was complete, so that damage to it is told from a
   *  torn tail. Ten small syncs a second at most. */
  journalIdleMarkMs: 100,
  /** How long a record that nobody waits for may wait for company: a commit mark that a crash takes costs one trip
   *  along the chain, and a sync of its own per mark would double those of a write. */
  journalLazyMs: 20,

  // --- journaled table ---------------------------------------------------------------------------
  /** Changes held in memory before the table asks for a checkpoint. */
  tableOverlayBytesMax: 64 * MiB,
  /** Removals held in memory before that: a range reads past every stored row that one of them hides, two
   *  microseconds each. */
  tableRemovalsMax: 8192,
  /** Rows read from the store or written back to it that are kept for the next read: some ten thousand objects
   *  of 4 KiB with their content. One that is not there costs as much as all the rest of a small read. */
  tableCacheBytesMax: 128 * MiB,
  /** Removals in one part of a table before it is compacted: a range passes so many in a millisecond. */
  tableCompactRowsMin: 8192,
  /** Stored bytes that one compaction rewrites, more only when a single part has them: a second of `level`'s thread. */
  tableCompactBytesMax: 64 * MiB,
  /** One synced batch of a flush. */
  tableBatchRowsMax: 500,
  tableBatchBytesMax: 1 * MiB,

  // --- metadata ----------------------------------------------------------------------------------
  /** Limits of a MetaStore transaction (design 5). */
  metaKeyBytesMax: 4 * KiB,
  metaValueBytesMax: 64 * KiB,
  metaMutationsMax: 100,
  metaReadConflictsMax: 120,
  metaTransactionBytesMax: 1_000_000,
  metaTransactionMsMax: 5_000,
  /** Entries of one range read: a larger page would hold the event loop too long. */
  metaRangeEntriesMax: 10_000,
  /** Attempts and time of `transact`. With n callers on one row, one wins each group commit, in order of
   *  arrival: the count admits a full crowd of one gateway. */
  metaAttemptsMax: 200,
  metaRetryMsMax: 10_000,
  /** Longest pause before an attempt that lost to commits that were already visible. */
  metaRetryPauseMsMax: 64,
  /** Commits that are queued and not yet durable; more are refused with BUSY. */
  metaCommitsQueuedMax: 16_384,
  /** Keys that the conflict resolver remembers, about 200 bytes each; beyond it older transactions are too old. */
  metaConflictKeysMax: 200_000,
  metaWatchersMax: 10_000,
  outboxTopicBytesMax: 255,
  /** How long a commit token answers a retry; longer than any client retries (design 5). */
  commitTokenKeptMs: 30 * 60_000,
  /** Content up to this size lives in the inode row on one-target systems: one record, no chunk. */
  inlineBytesMax: 4 * KiB,

  // --- identities --------------------------------------------------------------------------------
  /** Users of one system, listed in pages that fit a control frame. */
  identitiesMax: 10_000,
  identitiesPerPage: 1000,
  accessKeyBytesMax: 128,
  /** A removed user is out, and a new one in, after this time at every door. */
  identityCacheMs: 3_000,
  unknownIdentityCacheMs: 1_000,
  identitiesCached: 10_000,
  unknownIdentitiesCached: 1_000,

  // --- namespace ---------------------------------------------------------------------------------
  objectKeyBytesMax: 1024,
  fileNameBytesMax: 255,
  userMetadataBytesMax: 2 * KiB,
  partsMax: 10_000,
  partBytesMin: 5 * MiB,
  partBytesMax: 5 * GiB,
  objectPutBytesMax: 5 * GiB,
  listKeysMax: 1000,
  /** Pages of listings that are made at the same time: enough to read the next ones while one is worked on.
   *  Each holds a few thousand small buffers; more of them only outlive the young generation of the heap. */
  listsRunningMax: 3,
  /** Listings that wait for that; more are refused with BUSY. */
  listsWaitingMax: 4096,
  bucketsPerOwnerMax: 1000,
  /** Buckets of one page of ListBuckets: all that one owner may have. */
  listBucketsMax: 1000,
  /** Items of one DeleteObjects (S3's own limit). */
  deleteItemsMax: 1000,
  /** Levels of a path whose entries a transaction holds as conflicts; deeper, the bucket's move row stands
   *  for them (design 5). Two paths (copy) and their ends stay below metaReadConflictsMax. */
  pathConflictLevelsMax: 32,
  /** Missing parents that a PUT makes in its own transaction, three rows each; more are made before it. */
  directoriesPerTransactionMax: 24,
  /** A page of a content's map; leaves room for the page's frame below metaValueBytesMax. */
  contentPageBytesMax: 60 * KiB,
  /** Blobs that a page of extents names: with a reference to each it fits one transaction. */
  contentPageBlobsMax: 64,
  /** Extents of one answer of openObject or readMap: well below a control frame. */
  mapExtentsMax: 8192,
  /** Inline bytes of one such answer. */
  mapInlineBytesMax: 256 * KiB,
  /** Operations of one process that wait for their turn on one key; more are refused with BUSY. */
  turnWaitersMax: 4096,
  /** Attempts of a read whose entry was replaced between its reads. */
  resolveAttemptsMax: 64,
  /** Answers of a completed upload are kept for replays (design 5). */
  uploadReplayKeptMs: 24 * 3600_000,
  /** Numbers of inodes, contents and uploads taken from a counter row at once; a restart loses the rest. */
  numbersPerRange: 4096,

  // --- sessions, read leases, garbage (design 5) ---------------------------------------------------
  /** A writer session that was not renewed for this long is ended. Renewed every third of it. */
  sessionLeaseMs: 60_000,
  sessionsMax: 10_000,
  /** Blob ids of one grant. */
  blobsPerGrant: 4096,
  /** A reader without heartbeat loses its lease; renewed every third of it. */
  readLeaseMs: 15_000,
  readersMax: 10_000,
  /** Rows that one janitor step looks at per queue: a step stays a few milliseconds. */
  janitorItemsPerStep: 200,
  /** Items that the janitor works on at the same time, so that they share a group commit. */
  janitorParallel: 16,
  janitorIntervalMs: 500,
  /** Pause between steps while there is work: the janitor never takes more than a share of the process. */
  janitorBusyMs: 20,
  /** References of one epoch, and references that wait for the read leases, about 100 bytes each. */
  janitorBatchMax: 1000,
  janitorWaitingMax: 50_000,
  /** A round over all chunks, in search of unknown ones, begins this long after the last one ended. */
  janitorUnknownRoundMs: 10 * 60_000,
  /** Chunks that metadata does not know are kept this long before they are removed. */
  quarantineMs: 24 * 3600_000,

  // --- fsck ----------------------------------------------------------------------------------------
  /** Findings of each severity in one report, at most 2 KiB each: a report fits a control frame. All are counted. */
  fsckFindingsMax: 150,
  /** Rows looked at together, so that their reads are gathered and the service keeps its share. */
  fsckParallel: 32,
  /** Content rows of one page: up to metaValueBytesMax each. */
  fsckContentRowsMax: 64,
  /** Suspicions kept until the open uploads are known again, about 200 bytes each. */
  fsckDeferredMax: 50_000,
  /** Open uploads whose numbers are held, 16 bytes each. */
  fsckUploadsMax: 2_000_000,
  /** Directories known to hang below the root, remembered so that each path is climbed about once. */
  fsckDirectoriesMax: 100_000,
  /** Content read and verified between two looks at whether somebody still waits for the check. */
  fsckScrubBytes: 32 * MiB,

  /** openObject answers the bytes themselves up to this size: one round trip for small reads. */
  openPayloadBytesMax: 256 * KiB,

  // --- client ------------------------------------------------------------------------------------
  /** Content that one process holds on its way to the stores, all uploads together, in segments that are used
   *  again (core/client/write-memory.ts). */
  clientWriteBytesMax: 48 * MiB,
  /** Of one upload: two chunks on their way while the next one fills. */
  clientWriterWindowBytes: 8 * MiB,
  /** Content that one process has asked for or not yet passed on, all downloads together. */
  clientReadBytesMax: 32 * MiB,
  /** Pieces of a download that are asked for ahead of the one in hand. */
  clientReadAhead: 2,
  /** Smallest pieces when many uploads or downloads run at once; whole checksum units. A written piece costs
   *  the store a sync, a read one costs a call. */
  clientWritePieceBytesMin: 512 * KiB,
  clientReadPieceBytesMin: 128 * KiB,
  /** Largest piece of a download: the first byte of a chunk need not wait for its last. */
  clientReadPieceBytesMax: 2 * MiB,
  /** A direct read (docs/internals/direct-read.md): copied, summed and sent in one go; of the sizes from 64 KiB to 1 MiB
   *  the cheapest, since it is sent while it is in the processor's cache. */
  directPieceBytesMax: 256 * KiB,
  /** Smaller content comes with the store's answer: at 16 KiB both cost the same, at 64 KiB a direct read half. */
  directBytesMin: 32 * KiB,
  /** Direct pieces that are read ahead of the one in hand. */
  directReadAhead: 1,
  /** Chunks whose places one answer states, of 64 MiB of an object: about 5 KiB. */
  placesMax: 16,
  /** Slab files that a reader holds open, and how long without a read: a slab that was removed takes its space until
   *  then. */
  directFilesMax: 64,
  directFileIdleMs: 5_000,
  /** After so many direct reads in a row that found other bytes or no file (files of a foreign machine or container) the
   *  next ones go to the store, for this time. */
  directMissesMax: 8,
  directPauseMs: 10_000,
  /** How long a chunk call is tried again after failures that another attempt may cure. */
  clientRetryMs: 30_000,
  clientRetryPauseMsMin: 10,
  clientRetryPauseMsMax: 1_000,
  /** Channels of a session (design 4.2): chunk writes of one process that run at the same time. */
  sessionChannelsMax: 64,
  /** Blob ids in stock below which more are asked for. */
  blobStockMin: 1024,
  /** A read that takes longer loses its hold on collection (design 5). */
  readMsMax: 3_600_000,
  /** One attempt of a chunk call on a chain: longer than a disk under load takes. A change of the chain ends it
   *  earlier. */
  clientAttemptMs: 10_000,
  /** After this an attempt to read goes to another replica beside, so that a stopped store delays no reader. */
  clientReadPatienceMs: 1_000,
  /** A replica that failed a read is avoided for so long while there are others. */
  clientAvoidMs: 2_000,

  // --- chains ------------------------------------------------------------------------------------
  /** Copies of a chunk. More lengthen the way of every write, and three survive the loss of two. */
  replicasMax: 5,
  /** Store processes of one machine: each has a journal, an index and a pool of threads of its own. */
  storesMax: 16,
  /** Chains of a cluster on one machine, a target of each on every disk that holds a replica: enough that heads and
   *  reads of a lost disk spread evenly, and few enough that a heartbeat and a scan of all stay small. */
  chainsOfMachine: 6,
  /** Design 4.4: T, heartbeats, the manager's lease. */
  storeDeadMs: 6_000,
  heartbeatMs: 500,
  managerLeaseMs: 2_000,
  managerRenewMs: 500,
  managerScanMs: 250,
  managerGapMs: 1_000,
  /** A routing request waits so long for something newer, well below the deadline of its call. */
  routingPollMs: 10_000,
  /** Clients and stores that wait for routing. */
  routingWaitersMax: 256,
  /** A message between replicas without an answer is sent again: longer than three syncs of a loaded disk. */
  replicaCallMs: 4_000,
  replicaOtherVersionMs: 20,
  /** A read of a chunk whose update is pending waits at most so long, then the client asks again. */
  replicaReadWaitMs: 5_000,
  /** Rows of one page of a resync, chunks transferred at the same time, and slices of the digest: each slice reads all
   *  rows of a target, so there are few (design 4.5 has 4,096). */
  replicaSyncRows: 512,
  replicaSyncWindow: 4,
  replicaSlices: 8,
  /** A request that a replica has not answered by then is told busy: its answer may never come. */
  replicaAnswerMs: 20_000,
  /** Messages and bytes that wait for a store; more are dropped and sent again by whoever said them. */
  peerOutboxMessagesMax: 65_536,
  peerOutboxBytesMax: 64 * MiB,
  /** Messages of one batch: well below a control frame. */
  peerBatchMessagesMax: 256,
  peerBatchesInFlightMax: 8,
  peerBatchMs: 5_000,

  // --- rpc ---------------------------------------------------------------------------------------
  /** Control part of a frame and payload of a frame. */
  rpcControlBytesMax: 1 * MiB,
  rpcPayloadBytesMax: 4 * MiB + 64 * KiB,
  rpcDeadlineMs: 30_000,
  /** A frame carries at most this much of a payload, so that a small call waits for one piece of a large
   *  one and not for the whole (0.1 ms on a local socket). */
  rpcPieceBytes: 512 * KiB,
  /** A request that moves more than this, both ways together, takes byte credits of its lane; others take
   *  one request credit. So queued bulk work never holds a small call back. */
  rpcSmallBytes: 64 * KiB,
  /** Request credits of a lane per connection. */
  rpcLaneRequests: 256,
  /** Byte credits of a lane: of one connection, and of all connections of a server together. A server with
   *  many peers gives each its share, never less than one largest request. */
  rpcLaneBytes: 32 * MiB,
  rpcLaneBytesTotal: 128 * MiB,
  /** Memory of received payloads that is kept for the next ones. */
  rpcPooledBytesMax: 32 * MiB,
  /** Calls of one client that wait for credits or for a connection; BUSY beyond. */
  rpcWaitingMax: 4096,
  /** A server starts no further request of a peer that leaves this much unread, overhead included. */
  rpcUnreadBytesMax: 8 * MiB,
  /** Connections of one server. */
  rpcConnectionsMax: 64,
  /** A peer that has not shown its token by then is disconnected. */
  rpcHelloMs: 5_000,
  /** Control part of a frame before the token was accepted. */
  rpcHelloBytesMax: 4 * KiB,
  /** How long a call waits for a connection before it is UNAVAILABLE: longer than a role's restart. */
  rpcConnectWaitMs: 10_000,
  /** Pauses between attempts to connect, doubled from min to max. */
  rpcBackoffMsMin: 20,
  rpcBackoffMsMax: 1_000,
  /** A stopping server waits this long for running requests. */
  rpcDrainMs: 10_000,
} as const;

assert(limits.journaledBytesMax < limits.journalRecordBytesMax, 'a journaled update fits a record');
assert(
  limits.journaledBytesMax < limits.clientWritePieceBytesMin,
  'pieces of chunks are written once, into their slab, and not to the journal first',
);
assert(limits.journalRecordBytesMax <= limits.journalGroupBytesMax, 'a record fits a group');
assert(limits.journalGroupBytesMax * 2 <= limits.journalSegmentBytes, 'two groups fit a segment');
assert(
  limits.journalRecordBytesMax * 3 <= limits.journalFirstSegmentBytes,
  'a record fits half of any segment',
);
assert(
  limits.journalGroupBytesMax <= limits.journalQueueBytesMax,
  'a whole group fits the queue before callers wait',
);
assert(
  limits.inlineBytesMax <= limits.metaValueBytesMax / 2,
  'inline content leaves room in its row',
);
assert(limits.objectChunkBytes <= limits.rpcPayloadBytesMax, 'a chunk fits a frame');
assert(
  limits.clientWritePieceBytesMin % limits.checksumUnitBytes === 0 &&
    limits.clientReadPieceBytesMin % limits.checksumUnitBytes === 0,
  'a piece is whole checksum units',
);
assert(
  limits.directPieceBytesMax % limits.checksumUnitBytes === 0,
  'a direct piece is whole checksum units',
);
assert(
  limits.clientWriterWindowBytes + limits.objectChunkBytes <= limits.clientWriteBytesMax,
  'one upload fits the memory of all',
);
assert(
  limits.rpcLaneBytes >= 2 * limits.rpcPayloadBytesMax,
  'the largest request and its answer fit the byte credits',
);
assert(
  limits.rpcLaneBytesTotal >= limits.rpcLaneBytes,
  'one connection does not exceed the credits of the server',
);
assert(
  limits.contentPageBytesMax + 2 * KiB <= limits.metaValueBytesMax,
  'a page of a content fits a row',
);
assert(
  2 * limits.pathConflictLevelsMax + 20 <= limits.metaReadConflictsMax,
  'the conflicts of a copy fit a transaction',
);
assert(
  3 * limits.directoriesPerTransactionMax + 20 <= limits.metaMutationsMax,
  'a PUT with its parents fits a transaction',
);
assert(limits.openPayloadBytesMax <= limits.rpcPayloadBytesMax, 'a small object fits a frame');
assert(
  3 * limits.heartbeatMs <= limits.storeDeadMs / 2,
  'a lost heartbeat or two do not end a lease',
);
assert(
  limits.managerLeaseMs + limits.managerScanMs < limits.storeDeadMs / 2,
  'a manager that lost its lease acknowledges nobody whom the next one could judge',
);
assert(
  3 * limits.managerRenewMs < limits.managerLeaseMs && limits.managerGapMs < limits.storeDeadMs / 2,
  'a manager renews several times in a lease and knows of its gaps',
);
assert(limits.routingPollMs < limits.rpcDeadlineMs, 'a waiting routing call is answered in time');
assert(limits.replicaAnswerMs < limits.rpcDeadlineMs, 'a store answers before the caller gives up');
assert(limits.replicasMax <= limits.storesMax, 'each replica has a store of its own');
assert(limits.journaledBytesMax <= limits.rpcPayloadBytesMax, 'a small PUT fits a frame');
assert(
  limits.metaTransactionBytesMax < limits.journalRecordBytesMax,
  'a transaction fits a record',
);
assert(
  3 * limits.fsckFindingsMax * 2 * KiB <= limits.rpcControlBytesMax,
  'a report of fsck fits a frame',
);
