// What the simulation sees and no process does: the order in which updates of a chunk were committed by a target that
// serves, with the content that each made. It is the order that every client must see.
//
// Checked as it grows: a tag takes effect once; versions of a chunk follow each other; the content is what the change
// makes of the content before. Checked at the end, against what clients were told: `judge`.

import { Buffer } from 'node:buffer';
import type { ChunkId, TargetId } from '../../../core/base/ids.ts';
import { type PendingState, chunkKey } from '../../../core/replica/types.ts';
import type { UpdateTag } from '../../../core/store/types.ts';
import type { HistoryEntry } from './history.ts';
import { changedBytes } from './target-disk.ts';
import type { World } from './world.ts';

interface Commit {
  readonly update: PendingState;
  readonly bytes: Buffer;
  readonly atMs: number;
}

/** A commit that no reader could see yet. */
interface Hidden {
  readonly chunk: ChunkId;
  readonly update: PendingState;
  readonly bytes: Buffer;
}

const nothing = Buffer.alloc(0);

export class Observer {
  private readonly world: World;
  private readonly updates = new Map<string, string>();
  private readonly orders = new Map<string, Commit[]>();
  private readonly hiddenOf = new Map<TargetId, Hidden[]>();
  private readonly byTag = new Map<string, Commit>();
  readonly violations: string[] = [];

  constructor(world: World) {
    this.world = world;
  }

  /** A target commits an update, and shows it from now on if it serves. */
  committed(
    target: TargetId,
    parts: { chunk: ChunkId; update: PendingState; bytes: Buffer; serves: boolean },
  ): void {
    const { chunk, update, bytes, serves } = parts;
    const key = chunkKey(chunk);
    const { tag, version, assigned } = update;
    const name = `${key} version ${version} of chain version ${assigned}`;
    const known = this.updates.get(tagName(tag));
    if (known === undefined) this.updates.set(tagName(tag), name);
    else if (known !== name)
      this.violations.push(
        `target ${target}: tag ${tagName(tag)} took effect as ${known} and as ${name}`,
      );
    if (serves) this.show(target, { chunk, update, bytes });
    else this.hidden(target).push({ chunk, update, bytes });
  }

  /** A target begins to serve: what it committed while it was filled shows now, if nobody showed it before. */
  serves(target: TargetId): void {
    for (const commit of this.hidden(target).splice(0)) this.show(target, commit);
  }

  /** A target that is filled anew: what it committed in an earlier time and never showed, others finish. */
  forgot(target: TargetId): void {
    this.hiddenOf.delete(target);
  }

  private hidden(target: TargetId): Hidden[] {
    const hidden = this.hiddenOf.get(target) ?? [];
    this.hiddenOf.set(target, hidden);
    return hidden;
  }

  private show(target: TargetId, { chunk, update, bytes }: Hidden): void {
    const order = this.orders.get(chunkKey(chunk)) ?? [];
    this.orders.set(chunkKey(chunk), order);
    const tag = tagName(update.tag);
    const same = this.byTag.get(tag);
    if (same === undefined) {
      const commit = { update, bytes, atMs: this.world.nowMs };
      order.push(commit);
      this.byTag.set(tag, commit);
    } else if (!same.bytes.equals(bytes))
      this.violations.push(`target ${target}: tag ${tag} has other bytes here`);
  }

  /** @returns what is wrong with what clients were told */
  judge(history: readonly HistoryEntry[]): string[] {
    const wrong: string[] = [];
    const byTag = new Map<string, HistoryEntry>();
    for (const entry of history) if (entry.tag !== undefined) byTag.set(tagName(entry.tag), entry);
    for (const [key, order] of this.orders) wrong.push(...judgeOrder(key, order, byTag));
    for (const entry of history) {
      const said = this.judgeEntry(entry);
      if (said !== undefined) wrong.push(`chunk ${chunkKey(entry.chunk)}: ${said}`);
    }
    return wrong;
  }

  private judgeEntry(entry: HistoryEntry): string | undefined {
    const { outcome, startMs, endMs, tag, operation } = entry;
    if (outcome === undefined || endMs === undefined) return undefined;
    const order = this.orders.get(chunkKey(entry.chunk)) ?? [];
    const at = `${startMs.toFixed(1)}–${endMs.toFixed(1)} client ${entry.client} ${operation.kind}`;
    const commit = tag === undefined ? undefined : this.byTag.get(tagName(tag));
    if (outcome.kind === 'error' && commit !== undefined)
      return `${at} was refused with ${outcome.error} and took effect`;
    if (outcome.kind === 'done') {
      if (commit === undefined) return `${at} was acknowledged and never committed`;
      return commit.atMs <= endMs ? undefined : `${at} was acknowledged before it was committed`;
    }
    const shown = outcome.kind === 'bytes' ? outcome.bytes : undefined;
    if (outcome.kind === 'error' && outcome.error !== 'CHUNK_NOT_FOUND') return undefined;
    if (wasShown(order, entry, shown)) return undefined;
    return `${at} showed ${JSON.stringify(shown ?? null)}, which was current at no time in between`;
  }
}

/** Versions and contents of a chunk follow each other. */
function judgeOrder(
  key: string,
  order: readonly Commit[],
  byTag: ReadonlyMap<string, HistoryEntry>,
): string[] {
  const wrong: string[] = [];
  let before: Commit | undefined;
  for (const commit of order) {
    const { update, bytes } = commit;
    if (before !== undefined && !follows(update, before.update))
      wrong.push(
        `chunk ${key}: version ${update.version} of ${update.assigned} was committed behind ` +
          `${before.update.version} of ${before.update.assigned}`,
      );
    const operation = byTag.get(tagName(update.tag))?.operation;
    if (operation !== undefined && operation.kind !== 'read') {
      const base = before === undefined || before.update.remove ? nothing : before.bytes;
      if (!changedBytes(base, operation).equals(bytes))
        wrong.push(`chunk ${key}: version ${update.version} is not what its change makes`);
    }
    before = commit;
  }
  return wrong;
}

/** The next version; behind a removal a greater one of the same chain version, or any of a later one. */
function follows(update: PendingState, before: PendingState): boolean {
  if (!before.remove) return update.version === before.version + 1;
  if (update.assigned === before.assigned) return update.version > before.version;
  return update.assigned > before.assigned;
}

/** Whether the content was current at some time between start and end. */
function wasShown(
  order: readonly Commit[],
  { startMs, endMs }: HistoryEntry,
  shown: string | undefined,
): boolean {
  const end = endMs ?? Infinity;
  for (let at = lastBefore(order, startMs); at < order.length; at++) {
    const from = order[at]?.atMs ?? -Infinity;
    const to = order[at + 1]?.atMs ?? Infinity;
    if (from > end) break;
    if (to < startMs) continue;
    const commit = order[at];
    const content =
      commit === undefined || commit.update.remove ? undefined : commit.bytes.toString('latin1');
    if (content === shown) return true;
  }
  return false;
}

/** Index of the last commit before that time, -1 without one: what was current then, or replaced at that time. */
function lastBefore(order: readonly Commit[], atMs: number): number {
  let [low, high] = [0, order.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((order[middle] as Commit).atMs < atMs) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

function tagName(tag: UpdateTag | undefined): string {
  return tag === undefined ? '' : `${tag.session}/${tag.channel}/${tag.sequence}`;
}
