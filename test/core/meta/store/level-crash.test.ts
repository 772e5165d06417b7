import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { describe, it } from 'node:test';
import { KiB } from '../../../../core/base/limits.ts';
import { Prng } from '../../../../core/base/prng.ts';
import type { MetaStore } from '../../../../core/meta/meta-store.ts';
import { openLevelStore } from '../../../contracts/meta-store/level-fixture.ts';
import { SkewedClock } from '../../../contracts/meta-store/skewed-clock.ts';
import { SimDisk } from '../../../sim/disk.ts';
import { SimKv } from '../../../sim/kv.ts';

type Write = readonly [key: string, value: string | undefined];

/** What one commit writes; the commit with number n is history[n - 1]. */
interface Commit {
  readonly writes: readonly Write[];
  readonly outbox: boolean;
}

const keys = 60;

/** Operations take a random number of turns, so that a crash meets every step. */
function slowly(prng: Prng): () => Promise<void> {
  return async () => {
    for (let turns = prng.below(3); turns > 0; turns--) {
      // oxlint-disable-next-line no-await-in-loop
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
}

function randomCommit(prng: Prng, number: number): Commit {
  const writes = new Map<string, string | undefined>([['seq', String(number)]]);
  for (let i = 1 + prng.below(4); i > 0; i--) {
    const name = `k${prng.below(keys)}`;
    const filling = 'x'.repeat(prng.chance(0.1) ? prng.below(6000) : prng.below(100));
    writes.set(name, prng.chance(0.25) ? undefined : `${number}.${i}.${filling}`);
  }
  return { writes: [...writes], outbox: prng.chance(0.2) };
}

async function stateOf(store: MetaStore): Promise<Map<string, string>> {
  const rows = [
    ...(await store.range({ from: Buffer.from('k'), to: Buffer.from('l'), limit: 1000 })),
    ...(await store.range({ from: Buffer.from('seq'), to: Buffer.from('ser'), limit: 2 })),
  ];
  return new Map(rows.map(([key, value]) => [asText(key), asText(value)]));
}

const asText = (bytes: Uint8Array): string => Buffer.from(bytes).toString();

function replayed(history: readonly Commit[]): Map<string, string> {
  const model = new Map<string, string>();
  for (const { writes } of history) {
    for (const [key, value] of writes) {
      if (value === undefined) model.delete(key);
      else model.set(key, value);
    }
  }
  return model;
}

/** Opens what the crash left, checks it against the history, goes on for a while and crashes again. */
class Survivor {
  readonly prng: Prng;
  readonly history: Commit[] = [];
  acknowledged = 0;
  lost = 0;
  recoveredUnacknowledged = 0;
  checkpoints = 0;
  private disk: SimDisk;
  private kv: SimKv;

  constructor(seed: number) {
    this.prng = new Prng(seed);
    this.disk = new SimDisk({ delay: slowly(this.prng.fork('disk')) });
    this.kv = new SimKv({ delay: slowly(this.prng.fork('kv')) });
  }

  async life(): Promise<void> {
    const { prng, disk, kv } = this;
    const parts = { segmentBytes: 256 * KiB, overlayBytesMax: 24 * KiB, clock: new SkewedClock() };
    const opened = await openLevelStore({ ...parts, disk, kv });
    await this.check(opened.store);
    const crashAfter = this.history.length + prng.below(120);
    const writers: Promise<void>[] = [];
    while (this.history.length < crashAfter) {
      writers.push(this.commit(opened.store));
      // oxlint-disable-next-line no-await-in-loop
      if (prng.chance(0.6)) await new Promise((resolve) => setImmediate(resolve));
    }
    this.crash();
    this.checkpoints += opened.journal.stats.checkpoints;
    // The old process goes on to its end on a disk that nobody looks at again.
    const { acknowledged } = this;
    await Promise.all(writers);
    await opened.close();
    this.acknowledged = acknowledged;
  }

  private async commit(store: MetaStore): Promise<void> {
    const number = this.history.length + 1;
    const commit = randomCommit(this.prng, number);
    this.history.push(commit);
    const transaction = store.begin();
    for (const [key, value] of commit.writes) {
      if (value === undefined) transaction.delete(Buffer.from(key));
      else transaction.set(Buffer.from(key), Buffer.from(value));
    }
    if (commit.outbox) transaction.outbox('feed', Buffer.from(String(number)));
    const position = await transaction.commit();
    assert.equal(Number.parseInt(position, 16), number);
    this.acknowledged = number;
  }

  /** A kill keeps the page cache; a power loss keeps any subset of what was not synced. */
  private crash(): void {
    const { prng } = this;
    const delays = { delay: slowly(prng.fork(`crash ${this.history.length}`)) };
    const chance = prng.pick([0, 0.1, 0.5, 0.9, 1]);
    if (prng.chance(0.2)) {
      this.disk = this.disk.copy(delays);
      this.kv = this.kv.copy(delays);
    } else {
      this.disk = this.disk.crash(() => prng.chance(chance), delays);
      this.kv = this.kv.crash(() => prng.chance(chance), delays);
    }
  }

  private async check(store: MetaStore): Promise<void> {
    const found = await stateOf(store);
    const recovered = Number(found.get('seq') ?? 0);
    assert.ok(
      recovered >= this.acknowledged && recovered <= this.history.length,
      `recovered ${recovered} of ${this.history.length}, acknowledged ${this.acknowledged}`,
    );
    this.lost += this.history.length - recovered;
    this.recoveredUnacknowledged += recovered - this.acknowledged;
    this.history.length = recovered;
    this.acknowledged = recovered;
    assert.deepEqual(found, replayed(this.history));
    const entries = await store.readOutbox('feed', undefined, 10_000);
    const expected = this.history.flatMap(({ outbox }, at) => (outbox ? [String(at + 1)] : []));
    assert.deepEqual(
      entries.map(({ value }) => asText(value)),
      expected,
    );
  }
}

describe('level metadata store over crashes', () => {
  it('keeps every acknowledged commit whole, in order, and no part of others', async () => {
    const total = { lost: 0, unacknowledged: 0, commits: 0, checkpoints: 0 };
    for (let seed = 1; seed <= 6; seed++) {
      const survivor = new Survivor(seed);
      // oxlint-disable-next-line no-await-in-loop
      for (let life = 0; life < 12; life++) await survivor.life();
      total.lost += survivor.lost;
      total.unacknowledged += survivor.recoveredUnacknowledged;
      total.commits += survivor.history.length;
      total.checkpoints += survivor.checkpoints;
    }
    // The crashes met commits in every state.
    for (const [what, count] of Object.entries(total)) assert.ok(count > 10, `${what}: ${count}`);
  });
});
