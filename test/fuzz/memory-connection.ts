// A connection of core/env/net in memory: the test delivers bytes as a socket would, and sees what was written.

import type { Connection } from '../../core/env/net.ts';

export class MemoryConnection implements Connection {
  onData: (bytes: Uint8Array) => void = () => undefined;
  readInto: () => Uint8Array | undefined = () => undefined;
  onDrain: () => void = () => undefined;
  onClose: (error?: Error) => void = () => undefined;
  ended = false;
  private readonly parts: Buffer[] = [];

  /** Everything goes out at once. */
  readonly queuedBytes = 0;

  write(parts: readonly Uint8Array[]): boolean {
    if (!this.ended) this.parts.push(...parts.map((part) => Buffer.from(part)));
    return true;
  }

  written(): Buffer {
    return Buffer.concat(this.parts);
  }

  /** Each piece as one or more reads. What was read is overwritten afterwards: it was only lent. */
  deliver(pieces: readonly Uint8Array[]): void {
    for (const piece of pieces) {
      let rest = Buffer.from(piece);
      while (rest.length > 0 && !this.ended) {
        const into = this.readInto();
        const count = Math.min(rest.length, into?.length ?? rest.length);
        const read = rest.subarray(0, count);
        into?.set(read);
        this.onData(into?.subarray(0, count) ?? read);
        rest = rest.subarray(count);
        read.fill(0xdd);
      }
    }
  }

  pause(): void {}
  resume(): void {}

  end(): void {
    this.ended = true;
  }

  destroy(): void {
    this.ended = true;
  }
}
