// Files that every core has, whatever its stores: the name of the journal in use (DIR/meta/journal.json) and the mark
// of the cluster in the metadata rows. Nothing here is made anew beside data that exists.

import { asBuffer, equalBytes } from '../../core/base/bytes.ts';
import { CoreError } from '../../core/base/errors.ts';
import type { Disk } from '../../core/env/disk.ts';
import type { Kv } from '../../core/env/kv.ts';
import { isMissing } from '../../core/store/journal-segment.ts';

export const metaDirectory = 'meta';
const journalFile = `${metaDirectory}/journal.json`;
const journalFormat = 1;
/** Rows of the namespace; the identity of the database stands outside every table. */
export const metaPrefix = Uint8Array.of(0x10);
export const identityKey = Uint8Array.of(0xff, 0x01);

/** The text of the file; undefined when it does not exist. */
export async function readJournalFile(directory: Disk): Promise<string | undefined> {
  try {
    const file = await directory.open(journalFile, 'read');
    try {
      const bytes = Buffer.alloc(await file.size());
      return bytes.toString('utf8', 0, await file.read(bytes, 0));
    } finally {
      await file.close();
    }
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** Whole or as it was: written beside, synced, renamed, the directory synced. */
export async function writeJournalFile(
  directory: Disk,
  journal: string,
  making: boolean,
): Promise<void> {
  const named = { format: journalFormat, journal };
  const text = `${JSON.stringify(making ? { ...named, making } : named)}\n`;
  const temporary = `${journalFile}.tmp`;
  await directory.remove(temporary).catch((error: unknown) => {
    if (!isMissing(error)) throw error;
  });
  const file = await directory.open(temporary, 'create');
  try {
    await file.write([Buffer.from(text)], 0);
    await file.sync();
  } finally {
    await file.close();
  }
  await directory.rename(temporary, journalFile);
  await directory.syncDir(metaDirectory);
}

/** @returns true while the journal was only being made
 *  @throws CoreError VERSION_UNSUPPORTED, DISK_REFUSED when another journal is named */
export function checkJournalFile(path: string, text: string, expected: string): boolean {
  const { format, journal, making } = parse(text);
  if (typeof format === 'number' && format > journalFormat)
    throw new CoreError(
      'VERSION_UNSUPPORTED',
      `${path} says format ${format}, this build reads up to ${journalFormat}: start a newer lampyr on it`,
    );
  if (format !== journalFormat || journal !== expected)
    throw refused(path, `does not name the journal ${expected}`);
  return making === true;
}

function parse(text: string): { format?: unknown; journal?: unknown; making?: unknown } {
  try {
    return (JSON.parse(text) ?? {}) as ReturnType<typeof parse>;
  } catch {
    return {};
  }
}

/** A database that level made anew, or that belongs elsewhere, must not pass for ours. */
export async function checkRows(rows: Kv, clusterId: string, path: string): Promise<void> {
  const found = await rows.get(identityKey);
  if (found === undefined) throw refused(path, 'holds no metadata: it was lost or replaced');
  if (!equalBytes(found, Buffer.from(clusterId, 'hex')))
    throw refused(
      path,
      `belongs to cluster ${asBuffer(found).toString('hex')}, not to ${clusterId}`,
    );
}

export function refused(path: string, what: string): CoreError {
  return new CoreError('DISK_REFUSED', `${path} ${what}; restore the data directory from a backup`);
}
