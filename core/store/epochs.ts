// Epoch-based reclamation: a block that a record freed may be reused when every reader that could still
// hold the old row is gone. Readers enter before they look a row up and leave when their bytes are read;
// what is retired waits for the readers that were inside at that moment. No per-block pins, so no pin can
// be forgotten: `enter` and `leave` pair in one try/finally. Pure.

import { assert } from '../base/assert.ts';
import { Queue } from './queue.ts';

export class Epochs<T> {
  private stamp = 0;
  private nextReader = 1;
  /** Reader → stamp at its entry; insertion order is stamp order. */
  private readonly readers = new Map<number, number>();
  private readonly retired = new Queue<{ readonly item: T; readonly stamp: number }>();

  enter(): number {
    const reader = this.nextReader++;
    this.readers.set(reader, this.stamp);
    return reader;
  }

  leave(reader: number): void {
    assert(this.readers.delete(reader), 'a reader leaves once');
  }

  retire(item: T): void {
    this.retired.push({ item, stamp: ++this.stamp });
  }

  /** Passes on what no reader can see any more, in the order of retirement. */
  drain(reclaim: (item: T) => void): void {
    const oldest = this.readers.values().next();
    const before = oldest.done === true ? Infinity : oldest.value;
    for (let next = this.retired.first; next !== undefined; next = this.retired.first) {
      if (next.stamp > before) return;
      this.retired.shift();
      reclaim(next.item);
    }
  }

  get waiting(): number {
    return this.retired.length;
  }
}
