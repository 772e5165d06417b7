// Errors that the body decoders share.

import { S3Error } from './errors.ts';

export function entityTooLarge(maxBytes: number, proposedBytes: number): S3Error {
  const fields = { ProposedSize: String(proposedBytes), MaxSizeAllowed: String(maxBytes) };
  return new S3Error('EntityTooLarge', undefined, fields);
}

/** Neither fewer nor more bytes than the header states. */
export function lengthMismatch(header: string): S3Error {
  return new S3Error(
    'IncompleteBody',
    `You did not provide the number of bytes specified by the ${header} HTTP header`,
  );
}
