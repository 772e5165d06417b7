// Limits of the S3 protocol, each with its reason. Limits of objects themselves are in core/base/limits.ts.

import { KiB, MiB } from '../../core/base/limits.ts';

export const s3Limits = {
  /** A client's clock may differ this much; also how far in the future a presigned URL may begin. */
  clockSkewMsMax: 15 * 60_000,
  /** Longest life of a presigned URL: seven days, since signing keys are not older either. */
  presignedSecondsMax: 604_800,
  /** Names in SignedHeaders: more than any client sends, few enough to join cheaply. */
  signedHeadersMax: 128,
  /** Derived signing keys kept: one for each key, day and region in use; a miss costs four HMACs. */
  signingKeysMax: 4096,

  /** A signed chunk's content flows on before its signature is checked; this bounds how much. */
  signedChunkBytesMax: 16 * MiB,
  /** One line of chunk framing or trailer. */
  framingLineBytesMax: 4 * KiB,
  /** Interior chunks that AWS itself accepts; enforced only in strict mode (docs/internals/s3-body.md). */
  strictChunkBytesMin: 8 * KiB,
} as const;
