// Limits of the S3 door, each with its reason. Limits of objects are in core/base/limits.ts, those of the
// wire format in protocols/s3/limits.ts.

import { assert } from '../../core/base/assert.ts';
import { KiB, MiB } from '../../core/base/limits.ts';

export const doorLimits = {
  /** About 10 KiB of heap each while idle; more than a node's clients open, less than its descriptors. */
  connectionsMax: 10_000,
  /** Requests being served; above it clients are told to slow down. */
  requestsMax: 1024,
  /** Requests that a client sends ahead on one connection; served one after another. No S3 client does so at
   *  all; one that sends more is cut, since every head that waits is memory. */
  requestsAheadMax: 64,
  /** S3's limit on header names and values together. */
  headerSectionBytesMax: 8 * KiB,
  /** What the HTTP parser takes: the above and a request line with key, prefix and markers percent-encoded. */
  requestHeadBytesMax: 32 * KiB,
  /** From the first byte of a request to the end of its headers. */
  headersMs: 30_000,
  /** Longer than the pools of clients keep connections (SDKs: up to 60 s), so that they close first. */
  keepAliveMs: 90_000,

  /** A peer that moves fewer bytes in this time is cut: about as long as SDKs wait. */
  stallMs: 60_000,
  stallBytesMin: 1 * KiB,
  sweepMs: 5_000,

  /** Of a request's body, waiting for the model. */
  bodyBufferedBytesMax: 256 * KiB,
  /** One write to a socket: progress of a slow reader shows at this grain. */
  writeBytesMax: 256 * KiB,
  /** Content that leaves with the end of its answer, in one system call; of more the memory is used again. */
  endBytesMax: 64 * KiB,
  /** XML of a request: 10,000 parts with every checksum fit. */
  documentBytesMax: 2 * MiB,
  /** Bodies from this size on are refused for a missing bucket or a failed condition before they are read. */
  precheckBytesMin: 1 * MiB,

  /** An unread body of this size is read over so that the connection stays usable. */
  skipBytesMax: 64 * KiB,
  /** Of a larger one, so much is read, so long, that the client gets to see the answer before the end. */
  lingerBytesMax: 16 * MiB,
  lingerMs: 2_000,

  /** An operation that takes longer answers its 200 first, keeps the connection alive with blanks, and says
   *  how it ended in the document (S3 does so for Complete and Copy). */
  lateAnswerMs: 5_000,
  lateBeatMs: 5_000,
} as const;

assert(
  doorLimits.headerSectionBytesMax < doorLimits.requestHeadBytesMax,
  'our answer, not the parser’s',
);
assert(doorLimits.sweepMs * 2 <= doorLimits.stallMs, 'a stall is seen more than once');
