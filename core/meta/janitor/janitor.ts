// The janitor (design 5): collects what operations left in its queues. Driven by steps, each bounded per queue;
// everything that it does is a transaction of its own and may be repeated, so that it may stop at any point.
// References by inodes wait until no running read can have resolved them (read-leases.ts).

import { Buffer } from 'node:buffer';
import { asBuffer } from '../../base/bytes.ts';
import { toCoreError } from '../../base/errors.ts';
import type { ErrorName } from '../../base/errors.ts';
import { limits } from '../../base/limits.ts';
import { mark } from '../../base/mark.ts';
import { mapParallel } from '../../base/parallel.ts';
import { decodeGarbageKey, garbageKey, garbageRange, sessionsRange } from '../keys.ts';
import type { Garbage, GarbageKind } from '../keys.ts';
import type { KeyRange, MetaEntry } from '../meta-store.ts';
import type { NamespaceContext } from '../namespace/context.ts';
import { removeIfEmpty } from '../namespace/empty-directories.ts';
import { wallMs } from '../namespace/path.ts';
import { collectBlob, collectContent, collectReference } from './collect.ts';
import { GrantCollector, endIfExpired, endWork } from './sessions.ts';
import { UnknownChunks } from './unknown.ts';
import { collectBucket, collectParts, collectReplay } from './uploads.ts';

type Item<Kind extends GarbageKind> = Garbage & { kind: Kind };

/** References seen in one epoch, waiting for the leases. */
interface Batch {
  readonly epoch: number;
  readonly items: readonly Item<'reference'>[];
}

/** Failures that are not the item's: nothing else will work either. */
const endsService: ReadonlySet<ErrorName> = new Set([
  'DISK_OFFLINE',
  'UNAVAILABLE',
  'DEADLINE_EXCEEDED',
  'COMMIT_UNKNOWN',
]);

export class Janitor {
  private readonly context: NamespaceContext;
  private readonly grants: GrantCollector | undefined;
  private readonly unknown: UnknownChunks | undefined;
  /** Oldest first. */
  private readonly batches: Batch[] = [];
  private waiting = 0;
  /** References from here on have not been seen in this round. */
  private seenTo: Uint8Array | undefined;
  private nextUnknownMs = 0;
  /** Where the next step on a queue begins; absent: at its first row. */
  private readonly positions = new Map<string, Uint8Array>();

  constructor(context: NamespaceContext) {
    this.context = context;
    const { inventory } = context;
    this.grants = inventory === undefined ? undefined : new GrantCollector(context, inventory);
    this.unknown = inventory === undefined ? undefined : new UnknownChunks(context, inventory);
  }

  /** One bounded step over all queues. Answers how many items it finished; 0: nothing to do for now. */
  async step(nowMs = this.context.clock.now()): Promise<number> {
    let done = await this.stepSessions();
    done += await this.stepUploads();
    await this.seeReferences();
    done += await this.freeReferences(nowMs);
    done += await this.stepGarbage();
    done += await this.stepDirectories();
    await this.stepUnknown(nowMs);
    return done;
  }

  // --- queues without a wait -------------------------------------------------------------------------

  private async stepSessions(): Promise<number> {
    const ended = await this.each(sessionsRange('live'), (row) => endIfExpired(this.context, row));
    const works = await this.each(sessionsRange('work'), (row) => endWork(this.context, row));
    const { grants } = this;
    if (grants === undefined) return ended + works;
    return ended + works + (await this.each(sessionsRange('grant'), (row) => grants.step(row)));
  }

  private async stepUploads(): Promise<number> {
    const { context } = this;
    const buckets = await this.eachOf('bucket', (item) => collectBucket(context, item));
    const uploads = await this.eachOf('upload', (item) => collectParts(context, item));
    const replays = await this.eachOf('replay', async (item) => {
      if (item.dueMs > wallMs(context)) return false;
      await collectReplay(context, item);
      return true;
    });
    return buckets + uploads + replays;
  }

  private async stepGarbage(): Promise<number> {
    const { context } = this;
    const contents = await this.eachOf('content', (item) => collectContent(context, item));
    const { inventory } = context;
    if (inventory === undefined) return contents;
    return contents + (await this.eachOf('blob', (item) => collectBlob(context, inventory, item)));
  }

  private stepDirectories(): Promise<number> {
    return this.eachOf('directory', async (item) => {
      await removeIfEmpty(this.context, item.directory);
    });
  }

  /** The next rows of a queue, round and round, so that rows that stay do not keep the others waiting. `work`
   *  answers false when it leaves its row for later. */
  private async each(
    range: KeyRange,
    work: (row: MetaEntry) => Promise<boolean | void>,
  ): Promise<number> {
    const queue = asBuffer(range.from).toString('latin1');
    const from = this.positions.get(queue) ?? range.from;
    const limit = limits.janitorItemsPerStep;
    const rows = await this.context.store.range({ from, to: range.to, limit });
    const last = rows.at(-1);
    if (last === undefined || rows.length < limit) this.positions.delete(queue);
    else {
      mark('janitor.goesOn');
      this.positions.set(queue, Buffer.concat([last[0], Buffer.of(0)]));
    }
    const done = await mapParallel(rows, limits.janitorParallel, (row) =>
      this.attempt(row[0], async () => (await work(row)) !== false),
    );
    return done.filter(Boolean).length;
  }

  /** One damaged item must not keep the others: it is reported and stays. */
  private async attempt(key: Uint8Array, work: () => Promise<boolean>): Promise<boolean> {
    try {
      return await work();
    } catch (error) {
      const { errorName, message } = toCoreError(error);
      if (endsService.has(errorName)) throw error;
      mark('janitor.damaged');
      const item = asBuffer(key).toString('hex');
      this.context.events.emit('error', 'meta.janitor-item', { item, errorName, message });
      return false;
    }
  }

  private eachOf<Kind extends GarbageKind>(
    kind: Kind,
    work: (item: Item<Kind>, row: Uint8Array) => Promise<boolean | void>,
  ): Promise<number> {
    return this.each(garbageRange(kind), ([key, value]) =>
      work(decodeGarbageKey(key) as Item<Kind>, value),
    );
  }

  // --- references wait for the leases ------------------------------------------------------------------

  /** Takes note of queued references: what is seen now may be in use by reads of this epoch and earlier ones. */
  private async seeReferences(): Promise<void> {
    const room = limits.janitorWaitingMax - this.waiting;
    if (room <= 0) return;
    const { from: start, to } = garbageRange('reference');
    const limit = Math.min(room, limits.janitorBatchMax);
    const rows = await this.context.store.range({ from: this.seenTo ?? start, to, limit });
    const last = rows.at(-1);
    if (last === undefined) {
      // A new round when the last one is through: until then its items are still in the queue.
      if (this.batches.length === 0) this.seenTo = undefined;
      return;
    }
    this.seenTo = Buffer.concat([last[0], Buffer.of(0)]);
    const items = rows.map(([key]) => decodeGarbageKey(key) as Item<'reference'>);
    this.waiting += items.length;
    this.batches.push({ epoch: this.context.leases.advance(), items });
  }

  private async freeReferences(nowMs: number): Promise<number> {
    let done = 0;
    while (this.batches[0] !== undefined && done < limits.janitorItemsPerStep) {
      const { epoch, items } = this.batches[0];
      if (!this.context.leases.free(epoch, nowMs)) {
        mark('janitor.waits');
        return done;
      }
      // oxlint-disable-next-line no-await-in-loop -- batch after batch
      await mapParallel(items, limits.janitorParallel, (item) =>
        this.attempt(garbageKey(item), async () => {
          await collectReference(this.context, item);
          return true;
        }),
      );
      this.batches.shift();
      this.waiting -= items.length;
      done += items.length;
    }
    return done;
  }

  // --- unknown chunks ------------------------------------------------------------------------------------

  private async stepUnknown(nowMs: number): Promise<void> {
    const { unknown } = this;
    if (unknown === undefined || nowMs < this.nextUnknownMs) return;
    if (await unknown.step()) this.nextUnknownMs = nowMs + limits.janitorUnknownRoundMs;
    await this.eachOf('unknown', (item, row) => unknown.release(item, row));
  }
}
