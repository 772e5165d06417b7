// The content of one simulated file: what is seen, what was synced, and the unsynced sector writes between.
// Images are copied on write: a crash state shares every file that the crash left alone with the run it is of,
// so that thousands of states cost little more than the sectors in which they differ.

import { createHash } from 'node:crypto';

export const sectorBytes = 512;

export interface PendingSector {
  readonly id: number;
  readonly sector: number;
  /** The whole sector after the write. */
  readonly bytes: Buffer;
}

/** Hashes of images, which nobody changes once they are here, by their size as a file. */
const prints = new WeakMap<Buffer, { readonly size: number; readonly print: string }>();

export class SimInode {
  private seen = Buffer.alloc(0);
  private synced = Buffer.alloc(0);
  /** Others hold `seen` too; a write copies it first. `synced` is never written to. */
  private shared = true;
  size = 0;
  private syncedSize = 0;
  /** In order of writing. The same sector may occur several times: any version may be the one that survives. */
  pending: PendingSector[] = [];
  /** Names the unsynced change of the size; undefined when the size is synced. */
  sizeId: number | undefined;
  /** Sectors that a failed sync dropped: seen until the cache goes, never written by a later sync. */
  private dropped = new Set<number>();

  content(): Buffer {
    return Buffer.from(this.seen.subarray(0, this.size));
  }

  /** Equal for equal contents. */
  print(): string {
    const known = prints.get(this.seen);
    if (known?.size === this.size) return known.print;
    this.shared = true;
    const hash = createHash('sha1').update(this.seen.subarray(0, this.size));
    const print = `${this.size} ${hash.digest('base64')}`;
    prints.set(this.seen, { size: this.size, print });
    return print;
  }

  read(into: Uint8Array, position: number): number {
    const end = Math.min(this.size, position + into.length);
    if (end <= position) return 0;
    into.set(this.seen.subarray(position, end));
    return end - position;
  }

  write(bytes: Uint8Array, position: number, nextId: () => number): void {
    const end = position + bytes.length;
    this.own(end).set(bytes, position);
    if (end > this.size) this.resize(end, nextId);
    const first = Math.floor(position / sectorBytes);
    const last = Math.ceil(end / sectorBytes);
    const written = Buffer.from(this.seen.subarray(first * sectorBytes, last * sectorBytes));
    for (let sector = first; sector < last; sector++) {
      this.dropped.delete(sector);
      const at = (sector - first) * sectorBytes;
      this.pending.push({ id: nextId(), sector, bytes: written.subarray(at, at + sectorBytes) });
    }
  }

  truncate(bytes: number, nextId: () => number): void {
    const image = this.own(bytes);
    // A cut is kept or lost with the size; sectors that it cut stay pending, as on a real disk.
    if (bytes < this.size) image.fill(0, bytes, this.size);
    if (bytes !== this.size) this.resize(bytes, nextId);
  }

  /** `seen`, to be written to, at least `bytes` long. */
  private own(bytes: number): Buffer {
    if (bytes > this.seen.length) this.seen = grown(this.seen, bytes);
    else if (this.shared) this.seen = Buffer.from(this.seen);
    this.shared = false;
    return this.seen;
  }

  private resize(bytes: number, nextId: () => number): void {
    this.size = bytes;
    this.sizeId = this.size === this.syncedSize ? undefined : nextId();
  }

  sync(): void {
    if (this.dropped.size === 0) {
      this.synced = this.seen;
      this.shared = true;
    } else this.synced = this.withoutDropped();
    this.syncedSize = this.size;
    this.pending = [];
    this.sizeId = undefined;
  }

  private withoutDropped(): Buffer<ArrayBuffer> {
    const image = Buffer.from(this.seen);
    for (const sector of this.dropped) {
      const at = sector * sectorBytes;
      image.fill(0, at, at + sectorBytes);
      image.set(this.synced.subarray(at, at + sectorBytes), at);
    }
    return image;
  }

  /** A failed sync: the kernel marks the pages clean, so that no later sync writes them. */
  forgetPending(): void {
    for (const { sector } of this.pending) this.dropped.add(sector);
    this.pending = [];
  }

  flip(position: number, mask: number): void {
    const flipped = (image: Buffer<ArrayBuffer>): Buffer<ArrayBuffer> => {
      const copy = Buffer.from(image);
      if (position < copy.length) copy[position] = (copy[position] as number) ^ mask;
      return copy;
    };
    this.seen = flipped(this.seen);
    this.synced = flipped(this.synced);
    this.pending = this.pending.map((write) => {
      const at = position - write.sector * sectorBytes;
      if (at < 0 || at >= sectorBytes) return write;
      const bytes = Buffer.from(write.bytes);
      bytes[at] = (bytes[at] as number) ^ mask;
      return { ...write, bytes };
    });
  }

  /** The file after a power loss; sectors beyond a lost size are lost with it. */
  crashed(survives: (id: number) => boolean): SimInode {
    const after = new SimInode();
    const size = this.sizeId !== undefined && survives(this.sizeId) ? this.size : this.syncedSize;
    const kept = this.pending.filter(
      ({ id, sector }) => survives(id) && sector * sectorBytes < size,
    );
    if (kept.length === 0 && size === this.syncedSize) after.seen = this.synced;
    else {
      const image = copied(this.synced, Math.ceil(size / sectorBytes) * sectorBytes);
      image.fill(0, Math.min(size, this.syncedSize));
      for (const { sector, bytes } of kept) image.set(bytes, sector * sectorBytes);
      image.fill(0, size);
      after.seen = image;
    }
    after.size = size;
    after.sync();
    return after;
  }

  copy(): SimInode {
    const copy = new SimInode();
    this.shared = true;
    copy.seen = this.seen;
    copy.synced = this.synced;
    copy.size = this.size;
    copy.syncedSize = this.syncedSize;
    copy.pending = [...this.pending];
    copy.sizeId = this.sizeId;
    copy.dropped = new Set(this.dropped);
    return copy;
  }
}

/** A copy, at least `bytes` long rounded up to sectors, zeros in the new part. */
function grown(buffer: Buffer<ArrayBuffer>, bytes: number): Buffer<ArrayBuffer> {
  const capacity = Math.ceil(Math.max(bytes, buffer.length * 1.5) / sectorBytes) * sectorBytes;
  return copied(buffer, capacity);
}

function copied(buffer: Buffer<ArrayBuffer>, capacity: number): Buffer<ArrayBuffer> {
  const copy = Buffer.alloc(Math.max(capacity, buffer.length));
  copy.set(buffer);
  return copy;
}
