// The summary row of a disk's index: which disk it belongs to, and how many slabs there are, so that a lost
// slab row is noticed before its file is taken for a leftover. Pure codec; layout in
// docs/internals/disk-format.md, "Summary row". Written at every checkpoint with the slab rows; between
// checkpoints each space record states the count. (Lost chunk rows are found by the table's own summary.)

import { Buffer } from 'node:buffer';
import { ByteReader, ByteWriter } from '../base/bytes.ts';
import { CoreError } from '../base/errors.ts';
import { identityBytes } from './superblock.ts';

export interface Summary {
  /** Which disk the index belongs to. */
  readonly diskIdentity: Uint8Array;
  /** The number of the next slab. */
  readonly nextSlab: number;
  readonly slabs: number;
}

const rowVersion = 1;

export const summaryKey = Buffer.from('e', 'latin1');

export function encodeSummary(summary: Summary): Buffer {
  const writer = new ByteWriter()
    .u8(rowVersion)
    .raw(summary.diskIdentity)
    .u32(summary.nextSlab)
    .u32(summary.slabs);
  return writer.finish();
}

/** @throws CoreError CORRUPT, VERSION_UNSUPPORTED */
export function decodeSummary(row: Uint8Array): Summary {
  try {
    const reader = new ByteReader(row);
    const format = reader.u8();
    if (format !== rowVersion)
      throw new CoreError('VERSION_UNSUPPORTED', `summary row of format ${format}`);
    const diskIdentity = Uint8Array.from(reader.raw(identityBytes));
    const nextSlab = reader.u32();
    const slabs = reader.u32();
    reader.end();
    return { diskIdentity, nextSlab, slabs };
  } catch (error) {
    if (!(error instanceof CoreError) || error.errorName !== 'PROTOCOL') throw error;
    throw new CoreError('CORRUPT', `summary row: ${error.message}`, { cause: error });
  }
}
