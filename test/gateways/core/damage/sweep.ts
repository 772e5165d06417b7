// Damages a specimen byte by byte and file by file, and counts the outcomes per kind of file.

import { isCoreError } from '../../../../core/base/errors.ts';
import { answer } from './questions.ts';
import type { Question } from './questions.ts';
import type { Opened } from './opened.ts';
import type { SimDisk } from '../../../sim/disk.ts';
import { type Access, TracedDisk } from './disks.ts';
import { type Files, type Specimen, levelFolders } from './specimen.ts';
import { type Outcome, type Verdict, asked, examine } from './trial.ts';

export const patterns = {
  /** One bit, a different one from byte to byte. */
  bit: (byte: number, at: number) => byte ^ (1 << (at % 8)),
  zero: () => 0,
  ones: () => 0xff,
} as const satisfies Record<string, (byte: number, at: number) => number>;
export type Pattern = keyof typeof patterns;

export type Counts = Record<Outcome, number> & { bytes: number };

export interface Report {
  /** By kind of file, or by kind of damage. */
  readonly rows: Map<string, Counts>;
  /** What must not be, at most `findingsMax`. */
  readonly findings: string[];
}

export interface SweepOptions {
  readonly pattern: Pattern;
  /** Takes every n-th byte of a file of the kind. */
  readonly stride: (kind: string) => number;
  /** Only files that it takes; all when absent. */
  readonly takes?: (path: string) => boolean;
  /** Told of each file begun. */
  readonly onFile?: (path: string) => void;
}

const findingsMax = 50;

export const newReport = (): Report => ({ rows: new Map(), findings: [] });

function note(report: Report, kind: string, { outcome, detail }: Verdict, what: string): void {
  rowOf(report, kind)[outcome]++;
  if (outcome === 'WRONG' && report.findings.length < findingsMax)
    report.findings.push(`${what}: ${detail}`);
}

function rowOf(report: Report, kind: string): Counts {
  let row = report.rows.get(kind);
  if (row === undefined) {
    row = { bytes: 0, refused: 0, error: 0, lost: 0, right: 0, WRONG: 0 };
    report.rows.set(kind, row);
  }
  return row;
}

/** The table's row of a file. */
export function kindOf(path: string): string {
  const level = levelFolders.find((folder) => path.startsWith(`${folder}/`));
  const name = path.slice(path.lastIndexOf('/') + 1);
  if (level !== undefined) {
    const whose = level === 'meta/rows' ? 'rows' : 'index';
    if (name.startsWith('MANIFEST')) return `${whose}: MANIFEST`;
    if (/^LO[GC]/.test(name)) return `${whose}: LOG, LOCK`;
    return `${whose}: ${name === 'CURRENT' ? name : name.replace(/^\d+\./, '*.')}`;
  }
  if (path.startsWith('lock/')) return 'lock/';
  if (path.startsWith('stores/0/slabs/')) return 'slabs';
  if (path.startsWith('stores/0/journal/segment')) return 'journal: segments';
  if (path === 'stores/0/journal/superblock') return 'journal: superblock';
  if (path.endsWith('.superblock'))
    return path.includes('targets') ? 'target superblock' : 'disk superblock';
  return path;
}

/** Every byte (or every n-th) of every file, one at a time. */
export async function sweepBytes(
  specimen: Specimen,
  report: Report,
  options: SweepOptions,
): Promise<void> {
  for (const [path, bytes] of specimen.files) {
    const kind = kindOf(path);
    if (options.takes?.(path) === false) continue;
    options.onFile?.(path);
    rowOf(report, kind).bytes += bytes.length;
    const flips = flipsOf(bytes, options, kind);
    // oxlint-disable no-await-in-loop -- one damage at a time
    if (kind === 'slabs') await sweepSlab(specimen, report, path, flips);
    else
      for (const [at, byte] of flips) {
        const verdict = await verdictOf(specimen, path, at, byte);
        note(report, kind, verdict, `${specimen.name}, byte ${at} of ${path} = ${byte}`);
      }
    // oxlint-enable no-await-in-loop
  }
}

/** Of the bytes that change nothing of what is recovered, this share is asked everything all the same. */
const askedEvery = 211;

async function verdictOf(
  specimen: Specimen,
  path: string,
  at: number,
  byte: number,
): Promise<Verdict> {
  if (at % askedEvery !== 0) {
    const short = await shortcut(specimen, path, at, byte);
    if (short !== undefined) return short;
  }
  const open = (): Promise<Opened> => openDamaged(specimen, path, at, byte);
  return examine(open, specimen.questions, specimen.expected);
}

/** The verdict, where it follows from what a start takes from the file; undefined: ask. */
async function shortcut(
  specimen: Specimen,
  path: string,
  at: number,
  byte: number,
): Promise<Verdict | undefined> {
  const right = { outcome: 'right', detail: '' } as const;
  const level = levelFolders.find((folder) => path.startsWith(`${folder}/`));
  if (level === undefined) {
    const ofStore = path.startsWith('stores/');
    return ofStore && (await specimen.recoversSame(path, at, byte)) ? right : undefined;
  }
  const files = withFile(
    levelFiles(specimen, level),
    path.slice(level.length + 1),
    flipped(specimen, path, at, byte),
  );
  try {
    return (await specimen.levelIsSame(level, files)) ? right : undefined;
  } catch (error) {
    return isCoreError(error, 'DISK_REFUSED')
      ? { outcome: 'refused', detail: error.message }
      : undefined;
  }
}

function flipped({ files }: Specimen, path: string, at: number, byte: number): Buffer {
  const content = Buffer.from(files.get(path) as Buffer);
  content[at] = byte;
  return content;
}

function damagedDisk(specimen: Specimen, path: string, at: number, byte: number): SimDisk {
  const disk = specimen.copyDisk();
  const before = (specimen.files.get(path) as Buffer)[at] as number;
  disk.flip(path.slice('stores/0/'.length), at, before ^ byte);
  return disk;
}

type Flip = readonly [at: number, byte: number];

/** Bytes that the pattern changes. */
function flipsOf(bytes: Buffer, { pattern, stride }: SweepOptions, kind: string): Flip[] {
  const flips: Flip[] = [];
  for (let at = 0; at < bytes.length; at += stride(kind)) {
    const before = bytes[at] as number;
    const after = patterns[pattern](before, at);
    if (after !== before) flips.push([at, after]);
  }
  return flips;
}

function openDamaged(specimen: Specimen, path: string, at: number, byte: number): Promise<Opened> {
  const content = flipped(specimen, path, at, byte);
  const level = levelFolders.find((folder) => path.startsWith(`${folder}/`));
  if (level !== undefined)
    return specimen.openLevel(
      level,
      withFile(levelFiles(specimen, level), path.slice(level.length + 1), content),
    );
  if (!path.startsWith('stores/'))
    return specimen.openFiles(withFile(specimen.files, path, content));
  return specimen.openSimulated(damagedDisk(specimen, path, at, byte));
}

function withFile(files: Files, path: string, bytes: Buffer): Files {
  return new Map([...files, [path, bytes] as const]);
}

function levelFiles({ files }: Specimen, folder: string): Files {
  const names = [...files].filter(([path]) => path.startsWith(`${folder}/`));
  return new Map(names.map(([path, bytes]) => [path.slice(folder.length + 1), bytes]));
}

/** A slab's content is read by no start, so one opened system serves for all of its bytes: each is damaged
 *  and mended again in place, and a question whose answer reads it is asked. A byte that nobody reads, or that
 *  replay writes anew, matters to nobody. */
async function sweepSlab(
  specimen: Specimen,
  report: Report,
  file: string,
  flips: readonly Flip[],
): Promise<void> {
  const path = file.slice('stores/0/'.length);
  const disk = new TracedDisk(specimen.copyDisk());
  const system = await specimen.openSimulated(disk);
  // Everything that replay writes is written now.
  await system.data.journal.checkpoint();
  const written = disk.accesses.filter((each) => each.kind === 'write' && each.path === path);
  const readers = await readersOf(specimen, system, disk, path);
  for (const [at, byte] of flips) {
    const concerned = written.some((each) => within(at, each))
      ? []
      : readers.filter(([, reads]) => reads.some((each) => within(at, each)));
    // All readers of a byte verify it alike: one of them each time, another from byte to byte.
    const [question] = concerned[at % Math.max(1, concerned.length)] ?? [];
    const questions = question === undefined ? [] : [question];
    const mask = (disk.disk.content(path)[at] as number) ^ byte;
    if (question !== undefined) disk.disk.flip(path, at, mask);
    // oxlint-disable-next-line no-await-in-loop -- one damage at a time
    const verdict = await asked(system, questions, specimen.expected);
    if (question !== undefined) disk.disk.flip(path, at, mask);
    note(report, 'slabs', verdict, `${specimen.name}, byte ${at} of ${file} = ${byte}`);
  }
  await system.close();
}

const within = (at: number, { from, to }: Pick<Access, 'from' | 'to'>): boolean =>
  at >= from && at < to;

/** Each question with what it reads of the file. */
async function readersOf(
  { questions }: Specimen,
  system: Opened,
  disk: TracedDisk,
  path: string,
): Promise<(readonly [Question, readonly Access[]])[]> {
  const readers: (readonly [Question, readonly Access[]])[] = [];
  for (const question of questions) {
    disk.accesses = [];
    // oxlint-disable-next-line no-await-in-loop -- one after another
    await answer(question, system);
    readers.push([question, disk.accesses.filter((each) => each.path === path)]);
  }
  return readers;
}

// --- whole files -----------------------------------------------------------------------------------------

/** Each file cut, removed, swapped with others of its kind, and taken from `older`, and folders too; every n-th
 *  case of each. */
export async function sweepFiles(
  specimen: Specimen,
  older: Files,
  report: Report,
  every: (what: string) => number,
): Promise<void> {
  for (const [what, kind, files] of damagedSets(specimen.files, older)) {
    if (rowOf(report, what).bytes++ % every(what) !== 0) continue;
    const open = (): Promise<Opened> => specimen.openFiles(files);
    // oxlint-disable-next-line no-await-in-loop -- one damage at a time
    const verdict = await examine(open, specimen.questions, specimen.expected);
    note(report, what, verdict, `${specimen.name}, ${what}: ${kind}`);
  }
}

function* damagedSets(files: Files, older: Files): Generator<readonly [string, string, Files]> {
  const paths = [...files.keys()].filter((path) => !path.startsWith('lock/'));
  // Its removal is how new keys are asked for.
  const kept = 'credentials.json';
  for (const path of paths) {
    const bytes = files.get(path) as Buffer;
    const without = new Map(files);
    without.delete(path);
    if (path !== kept) yield ['removed', path, without];
    for (const length of new Set([0, 1, bytes.length >> 1, bytes.length - 512, bytes.length - 1]))
      if (length >= 0 && length < bytes.length)
        yield ['cut', `${path} at ${length}`, withFile(files, path, bytes.subarray(0, length))];
    const before = older.get(path);
    if (before !== undefined && !before.equals(bytes))
      yield ['older copy', path, withFile(files, path, before)];
  }
  for (const [index, a] of paths.entries())
    for (const b of paths.slice(index + 1))
      if (kindOf(a) === kindOf(b)) {
        const swapped = new Map([...files, [a, files.get(b)] as const, [b, files.get(a)] as const]);
        yield ['swapped', `${a} and ${b}`, swapped as Files];
      }
  for (const folder of [
    'stores/0/index',
    'meta/rows',
    'stores/0/journal',
    'meta',
    'stores/0/slabs',
    'stores/0/targets',
    'stores',
  ]) {
    const inside = (path: string): boolean => path.startsWith(`${folder}/`);
    const rest = [...files].filter(([path]) => !inside(path));
    yield ['folder removed', folder, new Map(rest)];
    yield [
      'folder of an older copy',
      folder,
      new Map([...rest, ...[...older].filter(([path]) => inside(path))]),
    ];
  }
}

// --- table -----------------------------------------------------------------------------------------------

/** Markdown: a row per kind. */
export function tableOf({ rows }: Report, first: string, count: string): string {
  const columns: readonly Outcome[] = ['refused', 'error', 'right', 'lost', 'WRONG'];
  const titles = ['refused', 'error', 'right answers', 'lost, fsck reports', 'wrong'];
  const lines = [[first, count, 'tried', ...titles]];
  lines.push(lines[0]?.map(() => '---') ?? []);
  for (const [kind, counts] of rows) {
    const tried = columns.reduce((sum, column) => sum + counts[column], 0);
    lines.push([
      kind,
      ...[counts.bytes, tried, ...columns.map((column) => counts[column])].map(String),
    ]);
  }
  return lines.map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}
