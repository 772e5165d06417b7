// One built data directory as a specimen: its files in memory, its right answers, and ways to open a damaged
// copy: with simulated storage (fast: journal, superblocks, slabs), with one real LevelDB folder, or whole in
// a real directory.

import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { equalBytes } from '../../../../core/base/bytes.ts';
import type { Disk } from '../../../../core/env/disk.ts';
import type { Kv, KvEntry } from '../../../../core/env/kv.ts';
import { openLevelKv } from '../../../../core/env/node/kv.ts';
import { openCredentials, rootIdentity } from '../../../../gateways/launcher/credentials.ts';
import { SimDisk } from '../../../sim/disk.ts';
import { SimKv } from '../../../sim/kv.ts';
import { PlainDisk } from './disks.ts';
import { copyDirectory } from './fill.ts';
import { type Opened, openCore, openDirectory, simulatedStorage } from './opened.ts';
import { type Answers, type Question, answer, questionsOf } from './questions.ts';
import { recovered } from './recovered.ts';

export type Files = ReadonlyMap<string, Buffer>;

const store = 'stores/0/';
export const levelFolders = ['stores/0/index', 'meta/rows'] as const;

export class Specimen {
  readonly name: string;
  /** Of the undamaged store. */
  recovered = '';
  readonly path: string;
  readonly files: Files;
  questions: readonly Question[] = [];
  expected: Answers = new Map();
  private readonly scratch: string;
  private readonly disk: SimDisk;
  private plain: PlainDisk;
  private readonly kvs = new Map<string, SimKv>();

  private constructor(name: string, path: string, scratch: string) {
    this.name = name;
    this.path = path;
    this.scratch = scratch;
    this.files = filesOf(path);
    this.disk = diskOf(this.files);
    this.plain = new PlainDisk(storeFiles(this.files));
  }

  static async read(name: string, path: string, scratch: string): Promise<Specimen> {
    const specimen = new Specimen(name, path, scratch);
    for (const folder of levelFolders)
      // oxlint-disable-next-line no-await-in-loop -- two
      specimen.kvs.set(folder, await specimen.loadKv(folder));
    const sound = await specimen.openFiles(specimen.files);
    specimen.questions = await questionsOf(sound);
    const expected = new Map<string, string>();
    // oxlint-disable-next-line no-await-in-loop -- one after another
    for (const each of specimen.questions) expected.set(each.name, await answer(each, sound));
    specimen.expected = expected;
    specimen.recovered = await recovered(specimen.copyDisk());
    await sound.close();
    return specimen;
  }

  private async loadKv(folder: string): Promise<SimKv> {
    const path = join(mkdtempSync(join(this.scratch, 'kv-')), 'level');
    copyDirectory(join(this.path, folder), path);
    const level = await openLevelKv(path);
    const kv = new SimKv();
    const rows = await level.range(allRows);
    await kv.batch(
      rows.map(([key, value]) => ({ key, value })),
      { sync: true },
    );
    await level.close();
    rmSync(dirname(path), { recursive: true });
    return kv;
  }

  /** A copy of the store's files, to be damaged and opened with `openSimulated`. */
  copyDisk(): SimDisk {
    return this.disk.copy();
  }

  /** Whether a start takes the same from the store's files with that byte of `path` damaged. */
  async recoversSame(path: string, at: number, byte: number): Promise<boolean> {
    const name = path.slice(store.length);
    const mask = ((this.files.get(path) as Buffer)[at] as number) ^ byte;
    this.plain.flip(name, at, mask);
    try {
      return (await recovered(this.plain)) === this.recovered;
    } catch {
      return false;
    } finally {
      this.plain.flip(name, at, mask);
      // One disk serves for all bytes as long as opening changes nothing on it.
      if (this.plain.changed) this.plain = new PlainDisk(storeFiles(this.files));
    }
  }

  /** Whether a LevelDB of these files has every row that it should have, and no other.
   *  @throws what opening it is refused with */
  async levelIsSame(folder: string, level: Files): Promise<boolean> {
    const real = this.writeLevel(level);
    try {
      const kv = await openLevelKv(real, { create: false });
      const rows = await kv.range(allRows);
      await kv.close();
      const right = this.kvs.get(folder)?.entries() ?? [];
      const same = ([key, value]: KvEntry, index: number): boolean => {
        const [otherKey, otherValue] = right[index] ?? [];
        return (
          otherKey !== undefined &&
          otherValue !== undefined &&
          equalBytes(key, otherKey) &&
          equalBytes(value, otherValue)
        );
      };
      return rows.length === right.length && rows.every(same);
    } finally {
      rmSync(real, { recursive: true, force: true });
    }
  }

  private writeLevel(level: Files): string {
    const real = mkdtempSync(join(this.scratch, 'level-'));
    for (const [name, bytes] of level) writeFileSync(join(real, name), bytes);
    return real;
  }

  /** Index and metadata rows are sound, in memory; the store's files are those of `disk`. */
  openSimulated(disk: Disk): Promise<Opened> {
    return this.openWith(disk, async (folder) => this.kvOf(folder));
  }

  /** The files of one LevelDB are `level`, in a real folder; all else is sound, in memory. */
  async openLevel(folder: string, level: Files): Promise<Opened> {
    const real = this.writeLevel(level);
    const remove = (): void => rmSync(real, { recursive: true, force: true });
    try {
      const opened = await this.openWith(this.copyDisk(), (each, options) =>
        each === folder ? openLevelKv(real, options) : Promise.resolve(this.kvOf(each)),
      );
      return { ...opened, close: () => opened.close().finally(remove) };
    } catch (error) {
      remove();
      throw error;
    }
  }

  /** Every file real, opened as a start does, the launcher's files included. */
  async openFiles(files: Files): Promise<Opened> {
    const real = mkdtempSync(join(this.scratch, 'data-'));
    for (const [name, bytes] of files) {
      mkdirSync(dirname(join(real, name)), { recursive: true });
      writeFileSync(join(real, name), bytes);
    }
    const remove = (): void => rmSync(real, { recursive: true, force: true });
    try {
      const opened = await openDirectory(real);
      return { ...opened, close: () => opened.close().finally(remove) };
    } catch (error) {
      remove();
      throw error;
    }
  }

  private kvOf(folder: string): Kv {
    const kv = this.kvs.get(folder);
    if (kv === undefined) throw new Error(`no such folder: ${folder}`);
    return kv.copy();
  }

  private openWith(
    disk: Disk,
    openKv: (folder: string, options: { readonly create: boolean }) => Promise<Kv>,
  ): Promise<Opened> {
    const system = JSON.parse(String(this.files.get('lampyr.json'))) as { clusterId: string };
    const root = rootIdentity(system.clusterId, openCredentials(this.path, undefined));
    const storage = simulatedStorage(disk, (path, options) =>
      openKv(relative(this.path, path), options),
    );
    return openCore(this.path, root, system.clusterId, storage);
  }
}

function filesOf(root: string): Files {
  const files = new Map<string, Buffer>();
  for (const entry of readdirSync(root, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    files.set(relative(root, path), readFileSync(path));
  }
  return new Map([...files].toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

const allRows = { from: Buffer.alloc(0), to: Buffer.alloc(64, 0xff), limit: 1_000_000 };

const isOfStore = (name: string): boolean =>
  name.startsWith(store) && !levelFolders.some((folder) => name.startsWith(`${folder}/`));

/** Of the store, without its index; paths as its Disk has them. */
function storeFiles(files: Files): Files {
  const chosen = [...files].filter(([name]) => isOfStore(name));
  return new Map(chosen.map(([name, bytes]) => [name.slice(store.length), bytes]));
}

function diskOf(files: Files): SimDisk {
  const disk = new SimDisk();
  for (const [path, bytes] of storeFiles(files)) {
    if (path.includes('/')) disk.apply({ kind: 'makeDirectory', path: dirname(path) });
    disk.apply({ kind: 'create', path });
    disk.apply({ kind: 'write', path, position: 0, bytes });
    disk.apply({ kind: 'sync', path });
    disk.apply({ kind: 'syncDir', path: path.includes('/') ? dirname(path) : '' });
  }
  return disk;
}
