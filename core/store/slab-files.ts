// The slab files of one disk: bounded open handles, writes, reads and grouped syncs. Knows nothing of
// chunks. A failed write or sync is reported once to `onFailure` and never retried: after it, the kernel may
// have dropped the pages, so no later sync can be believed (design 4.6).
//
// Grouping: one fdatasync covers every write of its file that finished before it was issued. Callers that
// come while one is running share the next one.

import { CoreError } from '../base/errors.ts';
import { MiB } from '../base/limits.ts';
import { mark } from '../base/mark.ts';
import { allocatePages } from '../base/page-memory.ts';
import type { Disk, DiskFile } from '../env/disk.ts';

interface SlabFile {
  readonly path: string;
  handle: DiskFile | undefined;
  opening: Promise<DiskFile> | undefined;
  /** Operations that use the handle now. */
  users: number;
  /** Bytes were written since the last sync began. */
  dirty: boolean;
  /** Asked for and not begun. */
  queued: Promise<void> | undefined;
  /** Begun and not ended. */
  running: Promise<void> | undefined;
  /** Being made: nothing refers to it, so running out of space is no failure of the disk. */
  making: boolean;
  /** Its slab is gone: nothing in it is worth a sync, and the handle goes with the last user. */
  gone: boolean;
}

export interface SlabFilesOptions {
  readonly disk: Disk;
  readonly handlesMax: number;
  readonly syncsInFlightMax: number;
  /** Zeros written at once while a slab is made. */
  readonly pieceBytes: number;
  /** The disk must be taken offline. Called for every failure. */
  readonly onFailure: (error: CoreError) => void;
}

/** Zero bytes for gaps and for the rest of pages; shared, never written to. */
const zeroBytes = allocatePages(1 * MiB);

/** `bytes` zeros as views of one shared buffer. */
export function zeros(bytes: number): Uint8Array[] {
  const parts: Uint8Array[] = [];
  for (let left = bytes; left > 0; left -= zeroBytes.length)
    parts.push(left >= zeroBytes.length ? zeroBytes : zeroBytes.subarray(0, left));
  return parts;
}

export class SlabFiles {
  private readonly options: SlabFilesOptions;
  private readonly files = new Map<number, SlabFile>();
  /** Files with an open handle, least recently used first. */
  private readonly open = new Set<SlabFile>();
  private syncsInFlight = 0;
  private readonly syncQueue: (() => void)[] = [];

  constructor(options: SlabFilesOptions) {
    this.options = options;
  }

  /** Makes the file of a slab known; it is opened when it is used. */
  add(slab: number, path: string): void {
    if (!this.files.has(slab)) this.register(slab, path, false);
  }

  private register(slab: number, path: string, making: boolean): SlabFile {
    const file: SlabFile = {
      path,
      handle: undefined,
      opening: undefined,
      users: 0,
      dirty: false,
      queued: undefined,
      running: undefined,
      making,
      gone: false,
    };
    this.files.set(slab, file);
    return file;
  }

  /** Makes a slab file of zeros, synced with its name: overwriting it later changes no metadata of the
   *  file system. @throws CoreError DISK_FULL, leaving no file; DISK_OFFLINE */
  async create(slab: number, path: string, bytes: number): Promise<void> {
    const { disk, pieceBytes } = this.options;
    const file = this.register(slab, path, true);
    file.users++;
    try {
      const handle = await disk.open(path, 'create', { direct: true });
      file.handle = handle;
      this.open.add(file);
      for (let at = 0; at < bytes; at += pieceBytes) {
        // oxlint-disable-next-line no-await-in-loop -- pieces, so that other syncs get their turn
        await handle.write(zeros(Math.min(pieceBytes, bytes - at)), at);
        await this.sync(slab);
      }
      await disk.syncDir(path.slice(0, path.lastIndexOf('/')));
      file.making = false;
    } catch (error) {
      this.files.delete(slab);
      await this.close(file);
      if (codeOf(error) !== 'ENOSPC') throw this.failed('creation', file, error);
      mark('slabFiles.noSpace');
      await disk.remove(path).catch(() => undefined);
      throw new CoreError('DISK_FULL', `no space for ${path}`, { cause: error });
    } finally {
      file.users--;
    }
  }

  path(slab: number): string {
    return this.files.get(slab)?.path ?? `slab ${slab}`;
  }

  /** The slab was removed: its file is nobody's any more. */
  forget(slab: number): void {
    const file = this.files.get(slab);
    if (file === undefined) return;
    this.files.delete(slab);
    file.gone = true;
    if (file.users === 0) void this.close(file);
  }

  /** Fills `into` from `at`. @throws CoreError CORRUPT when the file is shorter */
  async read(slab: number, into: Uint8Array, at: number): Promise<void> {
    const file = this.fileOf(slab);
    const read = await this.using(file, (handle) => handle.read(into, at));
    if (read !== into.length)
      throw new CoreError(
        'CORRUPT',
        `${file.path} ends at ${at + read}; ${into.length} bytes at ${at} belong to it`,
      );
  }

  /** @throws CoreError CORRUPT when the file is missing */
  size(slab: number): Promise<number> {
    return this.using(this.fileOf(slab), (handle) => handle.size());
  }

  /** @throws CoreError DISK_OFFLINE after reporting the failure */
  async write(slab: number, parts: readonly Uint8Array[], at: number): Promise<void> {
    const file = this.fileOf(slab);
    try {
      await this.using(file, async (handle) => {
        await handle.write(parts, at);
        // Before the handle could be evicted.
        file.dirty = true;
      });
    } catch (error) {
      throw this.failed('write', file, error);
    }
  }

  /** Resolves after an fdatasync that began after this call. @throws CoreError DISK_OFFLINE */
  sync(slab: number): Promise<void> {
    const file = this.fileOf(slab);
    if (file.queued !== undefined) {
      mark('slabFiles.sharedSync');
      return file.queued;
    }
    file.queued = this.runSync(file);
    return file.queued;
  }

  private async runSync(file: SlabFile): Promise<void> {
    // A second sync of a file waits for the first: what finished meanwhile shares it.
    const before = file.running;
    if (before !== undefined) await before.catch(() => undefined);
    await this.syncSlot();
    const ended = (async () => {
      try {
        file.dirty = false;
        if (!file.gone) await this.using(file, (handle) => handle.sync());
      } catch (error) {
        file.dirty = true;
        throw file.making ? error : this.failed('sync', file, error);
      } finally {
        file.running = undefined;
        this.syncsInFlight--;
        this.syncQueue.shift()?.();
      }
    })();
    file.running = ended;
    file.queued = undefined;
    await ended;
  }

  private async syncSlot(): Promise<void> {
    while (this.syncsInFlight >= this.options.syncsInFlightMax)
      // oxlint-disable-next-line no-await-in-loop -- waits for its turn
      await new Promise<void>((resolve) => {
        this.syncQueue.push(resolve);
      });
    this.syncsInFlight++;
  }

  /** Syncs every file that was written since its last sync, and waits for the syncs in progress. */
  async syncAll(): Promise<void> {
    const waits: Promise<void>[] = [];
    for (const [slab, file] of this.files) {
      if (file.running !== undefined) waits.push(file.running);
      if (file.dirty) waits.push(this.sync(slab));
      else if (file.queued !== undefined) waits.push(file.queued);
    }
    await Promise.all(waits);
  }

  async closeAll(): Promise<void> {
    await Promise.all([...this.files.values()].map((file) => this.close(file)));
  }

  private fileOf(slab: number): SlabFile {
    const file = this.files.get(slab);
    if (file === undefined) throw new CoreError('CORRUPT', `no slab ${slab} on this disk`);
    return file;
  }

  private async using<T>(file: SlabFile, action: (handle: DiskFile) => Promise<T>): Promise<T> {
    file.users++;
    try {
      const handle = file.handle ?? (await this.opened(file));
      this.open.delete(file);
      this.open.add(file);
      return await action(handle);
    } finally {
      file.users--;
      if (file.gone && file.users === 0) void this.close(file);
      if (this.open.size > this.options.handlesMax) this.evict();
    }
  }

  private async opened(file: SlabFile): Promise<DiskFile> {
    file.opening ??= this.options.disk
      .open(file.path, 'write', { direct: true })
      .catch((error: unknown) => {
        if (codeOf(error) === 'ENOENT')
          throw new CoreError('CORRUPT', `${file.path} is missing`, { cause: error });
        throw error;
      });
    try {
      file.handle = await file.opening;
      return file.handle;
    } finally {
      file.opening = undefined;
    }
  }

  /** A dirty file keeps its handle: a failure of its write-back must be seen by the sync of this handle. */
  private evict(): void {
    for (const file of this.open) {
      if (file.users > 0 || file.dirty || file.queued !== undefined) continue;
      mark('slabFiles.evict');
      void this.close(file);
      if (this.open.size <= this.options.handlesMax) return;
    }
  }

  private async close(file: SlabFile): Promise<void> {
    const { handle } = file;
    file.handle = undefined;
    this.open.delete(file);
    // Nothing unsynced is lost by a failed close, and nothing can be done about it.
    await handle?.close().catch(() => undefined);
  }

  private failed(what: string, file: SlabFile, cause: unknown): CoreError {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const error = new CoreError('DISK_OFFLINE', `${what} of ${file.path} failed: ${reason}`, {
      cause,
    });
    this.options.onFailure(error);
    return error;
  }
}

function codeOf(error: unknown): unknown {
  return (error as { code?: unknown }).code;
}
