// The content of one simulated file: what is seen, what was synced, and the unsynced sector writes between.

export const sectorBytes = 512;

export interface PendingSector {
  readonly id: number;
  readonly sector: number;
  /** Holds the whole sector after the write, at `at`; shared by the sectors of the write. */
  readonly image: Buffer;
  readonly at: number;
}

export class SimInode {
  private seen = Buffer.alloc(0);
  private synced = Buffer.alloc(0);
  size = 0;
  private syncedSize = 0;
  /** In order of writing. The same sector may occur several times: any version may be the one that survives. */
  pending: PendingSector[] = [];
  /** Names the unsynced change of the size; undefined when the size is synced. */
  sizeId: number | undefined;
  /** The file was cut since the last sync: what is behind the cut changed without a pending sector. */
  private cut = false;
  /** Sectors that a failed sync dropped: seen until the cache goes, never written by a later sync. */
  private dropped = new Set<number>();

  content(): Buffer {
    return Buffer.from(this.seen.subarray(0, this.size));
  }

  read(into: Uint8Array, position: number): number {
    const end = Math.min(this.size, position + into.length);
    if (end <= position) return 0;
    into.set(this.seen.subarray(position, end));
    return end - position;
  }

  write(bytes: Uint8Array, position: number, nextId: () => number): void {
    const end = position + bytes.length;
    this.seen = grown(this.seen, end);
    this.seen.set(bytes, position);
    if (end > this.size) this.resize(end, nextId);
    const first = Math.floor(position / sectorBytes);
    const last = Math.ceil(end / sectorBytes);
    const image = Buffer.from(this.seen.subarray(first * sectorBytes, last * sectorBytes));
    for (let sector = first; sector < last; sector++) {
      this.dropped.delete(sector);
      this.pending.push({ id: nextId(), sector, image, at: (sector - first) * sectorBytes });
    }
  }

  truncate(bytes: number, nextId: () => number): void {
    this.seen = grown(this.seen, bytes);
    if (bytes < this.size) {
      this.seen.fill(0, bytes, this.size);
      this.cut = true;
      // A cut is kept or lost with the size; sectors that it cut stay pending, as on a real disk.
    }
    if (bytes !== this.size) this.resize(bytes, nextId);
  }

  private resize(bytes: number, nextId: () => number): void {
    this.size = bytes;
    this.sizeId = this.size === this.syncedSize ? undefined : nextId();
  }

  sync(): void {
    if (this.cut) this.syncAll();
    else {
      this.synced = grown(this.synced, this.seen.length);
      for (const { sector } of this.pending) {
        const at = sector * sectorBytes;
        this.seen.copy(this.synced, at, at, at + sectorBytes);
      }
    }
    this.cut = false;
    this.syncedSize = this.size;
    this.pending = [];
    this.sizeId = undefined;
  }

  private syncAll(): void {
    const image = Buffer.from(this.seen);
    for (const sector of this.dropped) {
      const at = sector * sectorBytes;
      image.fill(0, at, at + sectorBytes);
      image.set(this.synced.subarray(at, at + sectorBytes), at);
    }
    this.synced = image;
  }

  /** A failed sync: the kernel marks the pages clean, so that no later sync writes them. */
  forgetPending(): void {
    for (const { sector } of this.pending) this.dropped.add(sector);
    this.pending = [];
  }

  flip(position: number, mask: number): void {
    for (const image of [this.seen, this.synced])
      if (position < image.length) image[position] = (image[position] as number) ^ mask;
    this.pending = this.pending.map((write) => {
      const at = position - write.sector * sectorBytes;
      if (at < 0 || at >= sectorBytes) return write;
      const image = Buffer.from(bytesOf(write));
      image[at] = (image[at] as number) ^ mask;
      return { ...write, image, at: 0 };
    });
  }

  /** The file after a power loss; sectors beyond a lost size are lost with it. */
  crashed(survives: (id: number) => boolean): SimInode {
    const after = new SimInode();
    const size = this.sizeId !== undefined && survives(this.sizeId) ? this.size : this.syncedSize;
    let image = grown(Buffer.from(this.synced), size);
    image.fill(0, Math.min(size, this.syncedSize));
    for (const write of this.pending) {
      if (!survives(write.id) || write.sector * sectorBytes >= size) continue;
      image = grown(image, (write.sector + 1) * sectorBytes);
      image.set(bytesOf(write), write.sector * sectorBytes);
    }
    image.fill(0, size);
    after.seen = image;
    after.size = size;
    after.syncAll();
    after.syncedSize = size;
    return after;
  }

  copy(): SimInode {
    const copy = new SimInode();
    copy.seen = Buffer.from(this.seen);
    copy.synced = Buffer.from(this.synced);
    copy.size = this.size;
    copy.syncedSize = this.syncedSize;
    copy.pending = [...this.pending];
    copy.sizeId = this.sizeId;
    copy.cut = this.cut;
    copy.dropped = new Set(this.dropped);
    return copy;
  }
}

/** The buffer, at least `bytes` long rounded up to sectors, zeros in the new part. */
function grown(buffer: Buffer<ArrayBuffer>, bytes: number): Buffer<ArrayBuffer> {
  if (bytes <= buffer.length) return buffer;
  const capacity = Math.ceil(Math.max(bytes, buffer.length * 1.5) / sectorBytes) * sectorBytes;
  const larger = Buffer.alloc(capacity);
  larger.set(buffer);
  return larger;
}

function bytesOf({ image, at }: PendingSector): Buffer {
  return image.subarray(at, at + sectorBytes);
}
