// Collects the memory of received bodies before V8 thinks of it. Node's parser gives every piece of a body a
// buffer outside of the heap, and V8 counts those towards a full collection, one for each 64 MiB, however small and
// young the heap is: a sixth of the door's CPU on large uploads, and up to 64 MiB of garbage kept. Pieces are
// copied or written soon after they came, so a collection of the young generation, a millisecond, frees them.

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { MiB } from '../../core/base/limits.ts';

/** Below it V8 hardly ever collects all: with 16 MiB one in 24 MiB, with 8 one in 40, with 4 one in 100. */
const garbageBytesMax = 4 * MiB;

type Collect = (options: { type: 'minor' }) => void;

export class YoungGarbage {
  private readonly collect: Collect;
  private bytes = 0;

  constructor(collect: Collect = collector()) {
    this.collect = collect;
  }

  /** So many bytes of short-lived buffers were received. */
  received(bytes: number): void {
    this.bytes += bytes;
    if (this.bytes < garbageBytesMax) return;
    this.bytes = 0;
    this.collect({ type: 'minor' });
  }
}

/** V8's own function, without the flag for the whole process: it takes effect in new contexts only. */
function collector(): Collect {
  setFlagsFromString('--expose-gc');
  const collect: unknown = runInNewContext('gc');
  setFlagsFromString('--no-expose-gc');
  return typeof collect === 'function' ? (collect as Collect) : () => undefined;
}
