// A target in memory whose writes are durable a moment later, in order: what drivers are tried on without disks.

import type { TargetId } from '../../../core/base/ids.ts';
import type { OpenedTarget } from '../../../core/cluster/store-driver.ts';
import type { StoreOutcome, StoreWrite } from '../../../core/replica/types.ts';
import { chunkKey } from '../../../core/replica/types.ts';
import type { DiskImage } from '../../sim/cluster/target-disk.ts';

export interface MemoryTarget extends OpenedTarget {
  /** The process ended: nothing of it reaches the image any more. */
  kill(): void;
}

export function memoryTarget(id: TargetId, image: DiskImage): MemoryTarget {
  let queue: { write: StoreWrite; done: (outcome: StoreOutcome) => void }[] = [];
  let flushing = false;
  let dead = false;
  const flush = (): void => {
    const group = queue;
    queue = [];
    flushing = false;
    if (dead) return;
    for (const { write } of group) image.apply(write);
    for (const { done } of group) done({ ok: true });
  };
  return {
    id,
    identity: image.identity,
    noted: image.noted,
    kill: () => void (dead = true),
    env: {
      row: (chunk) => image.row(chunk),
      rows: (after, limit, done) => {
        const page = image
          .sorted()
          .filter(({ chunk: { blob, index } }) =>
            after === undefined
              ? true
              : blob > after.blob || (blob === after.blob && index > after.index),
          )
          .slice(0, limit)
          .map(({ chunk }) => [chunk, image.row(chunk) ?? {}] as const);
        setImmediate(() => {
          if (!dead) done(page);
        });
      },
      pendingChunks: () =>
        image.sorted().flatMap(({ chunk, pending }) => (pending === undefined ? [] : [chunk])),
      tag: (session, channel) => image.tags.get(`${session}/${channel}`),
      tags: () => [...image.tags.values()],
      persist: (write, done) => {
        queue.push({ write, done });
        if (!flushing) setTimeout(flush, 1);
        flushing = true;
      },
      commit: (chunk) => image.commit(chunk),
      read: (chunk, which, { offset, length }, done) => {
        const stored = image.chunks.get(chunkKey(chunk));
        const content = which === 'committed' ? stored?.committed : stored?.pending;
        const bytes = content?.bytes.subarray(offset, offset + length);
        setImmediate(() => {
          if (!dead) done(bytes);
        });
      },
    },
  };
}
