// How a body is framed and protected: the value of x-amz-content-sha256. Values that are not known are
// refused, never read as "unsigned": that was the hole of servers that skipped a check for a new mode.

import { err, ok, type Result } from '../../core/base/result.ts';
import { S3Error } from './errors.ts';

/** x-amz-content-sha256 values other than a hash, by the kind of payload that they announce. */
export const payloadMarkers = {
  unsigned: 'UNSIGNED-PAYLOAD',
  'signed-chunks': 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD',
  'signed-chunks-trailer': 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER',
  'unsigned-trailer': 'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
} as const;

export type PayloadMode =
  /** No claim about the payload: presigned and anonymous requests without the header. */
  | { readonly kind: 'none' }
  /** The hash of the whole payload, lower-case hex. */
  | { readonly kind: 'sha256'; readonly hex: string }
  | { readonly kind: keyof typeof payloadMarkers };

const byMarker: ReadonlyMap<string, PayloadMode> = new Map(
  (Object.keys(payloadMarkers) as (keyof typeof payloadMarkers)[]).map((kind) => [
    payloadMarkers[kind],
    { kind },
  ]),
);

/** @param value of x-amz-content-sha256. @returns InvalidArgument when it is unknown. */
export function parsePayloadMode(value: string): Result<PayloadMode, S3Error> {
  const known = byMarker.get(value);
  if (known !== undefined) return ok(known);
  if (/^[0-9a-f]{64}$/i.test(value)) return ok({ kind: 'sha256', hex: value.toLowerCase() });
  const accepted = Object.values(payloadMarkers).join(', ');
  const message = `x-amz-content-sha256 must be ${accepted} or a valid sha256 value.`;
  const fields = { ArgumentName: 'x-amz-content-sha256', ArgumentValue: value };
  return err(new S3Error('InvalidArgument', message, fields));
}

/** Whether chunks carry signatures, so that the body cannot be read without a signing key. */
export function hasSignedChunks(mode: PayloadMode): boolean {
  return mode.kind === 'signed-chunks' || mode.kind === 'signed-chunks-trailer';
}

/** Whether trailers follow the last chunk. */
export function hasTrailer(mode: PayloadMode): boolean {
  return mode.kind === 'signed-chunks-trailer' || mode.kind === 'unsigned-trailer';
}
