// Which parts a Complete names, and what the object that they make is: size, ETag, checksum. Pure.

import { CoreError } from '../../base/errors.ts';
import { limits } from '../../base/limits.ts';
import type { MessageOf } from '../../base/message.ts';
import type { Hasher } from '../../env/hasher.ts';
import type * as calls from '../calls.ts';
import type { Checksum, CompletedPart } from '../messages.ts';
import type { UploadRow } from '../rows.ts';
import { checksumOfParts, etagOfParts } from './part-digests.ts';
import type { DigestedPart } from './part-digests.ts';
import type { NumberedPart } from './parts.ts';

type Request = MessageOf<(typeof calls.completeUpload)['request']>;

/** @throws INVALID_ARGUMENT for none or too many parts, PART_ORDER_INVALID */
export function checkOrder(parts: readonly CompletedPart[]): void {
  if (parts.length === 0 || parts.length > limits.partsMax) {
    throw new CoreError(
      'INVALID_ARGUMENT',
      `${parts.length} parts, 1 to ${limits.partsMax} allowed`,
    );
  }
  for (let at = 1; at < parts.length; at++) {
    const [before, part] = [parts[at - 1] as CompletedPart, parts[at] as CompletedPart];
    if (before.partNumber < part.partNumber) continue;
    throw new CoreError('PART_ORDER_INVALID', `part ${part.partNumber} after ${before.partNumber}`);
  }
}

/** The stored parts that are named, in order. @throws PART_INVALID, PART_TOO_SMALL */
export function chooseParts(
  stored: readonly NumberedPart[],
  named: readonly CompletedPart[],
): NumberedPart[] {
  const byNumber = new Map(stored.map((part) => [part.partNumber, part]));
  const chosen = named.map((part) => {
    const found = byNumber.get(part.partNumber);
    if (found === undefined || !agrees(part, found)) {
      throw new CoreError('PART_INVALID', `part ${part.partNumber} is missing or another one`);
    }
    return found;
  });
  for (const { partNumber, row } of chosen.slice(0, -1)) {
    if (row.sizeBytes >= limits.partBytesMin) continue;
    throw new CoreError('PART_TOO_SMALL', `part ${partNumber} has ${row.sizeBytes} bytes`);
  }
  return chosen;
}

function agrees(named: CompletedPart, { row }: NumberedPart): boolean {
  if (named.etag !== row.etag) return false;
  const { checksumAlgorithm, checksumValue } = named;
  if (checksumAlgorithm === undefined) return true;
  return row.checksum?.algorithm === checksumAlgorithm && row.checksum.value === checksumValue;
}

export interface Digests {
  readonly sizeBytes: number;
  readonly etag: string;
  readonly checksum: Checksum | undefined;
  readonly partCount: number;
}

/** @throws UPLOAD_SIZE_MISMATCH, DIGEST_MISMATCH, PART_INVALID when a checksum is asked for that a part lacks */
export function digestsOf(
  hasher: Hasher,
  request: Request,
  upload: UploadRow,
  parts: readonly NumberedPart[],
): Digests {
  const sizeBytes = parts.reduce((sum, { row }) => sum + row.sizeBytes, 0);
  if (request.sizeBytes !== undefined && request.sizeBytes !== sizeBytes) {
    throw new CoreError(
      'UPLOAD_SIZE_MISMATCH',
      `the parts have ${sizeBytes} bytes, ${request.sizeBytes} are stated`,
    );
  }
  const digested = parts.map(({ partNumber, row }) => ({
    partNumber,
    sizeBytes: row.sizeBytes,
    etag: row.etag,
    checksum: row.checksum,
  }));
  const checksum = checksumOf(hasher, request, upload, digested);
  return { sizeBytes, etag: etagOfParts(hasher, digested), checksum, partCount: parts.length };
}

/** The checksum that the upload was made for, or that the request states; a stated value must agree. */
function checksumOf(
  hasher: Hasher,
  request: Request,
  upload: UploadRow,
  parts: readonly DigestedPart[],
): Checksum | undefined {
  const { checksumType: stated, checksumValue } = request;
  if (stated !== undefined && upload.checksumType !== undefined && stated !== upload.checksumType) {
    throw new CoreError('DIGEST_MISMATCH', `the upload's checksum type is ${upload.checksumType}`);
  }
  const algorithm = upload.checksumAlgorithm ?? request.checksumAlgorithm;
  if (algorithm === undefined) return undefined;
  const usual = algorithm === 'CRC64NVME' ? 'FULL_OBJECT' : 'COMPOSITE';
  const type = upload.checksumType ?? stated ?? usual;
  const checksum = checksumOfParts(hasher, algorithm, type, parts);
  if (checksumValue === undefined) return checksum;
  const same = (request.checksumAlgorithm ?? algorithm) === algorithm;
  // A composite value may carry the number of parts.
  if (same && checksumValue.replace(/-\d+$/, '') === checksum.value) return checksum;
  throw new CoreError('DIGEST_MISMATCH', `the parts' ${algorithm} is not the one that is stated`);
}
