import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { KiB } from '../../../../core/base/limits.ts';
import { Prng } from '../../../../core/base/prng.ts';
import type { MetaStore } from '../../../../core/meta/meta-store.ts';
import { openLevelStore } from '../../../contracts/meta-store/level-fixture.ts';
import { SkewedClock } from '../../../contracts/meta-store/skewed-clock.ts';
import { SimDisk } from '../../../sim/disk.ts';
import { crashTest } from '../../../sim/crash-test.ts';
import { SimKv } from '../../../sim/kv.ts';
import { type Commit, commitsShown, randomCommit, url, write } from './level-crash.ts';

/** Operations take a random number of turns, so that a crash meets every step. */
function slowly(prng: Prng): () => Promise<void> {
  return async () => {
    for (let turns = prng.below(3); turns > 0; turns--) {
      // oxlint-disable-next-line no-await-in-loop
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
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
    assert.equal(await write(store, commit, number), number);
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
    const recovered = await commitsShown(store, this.history);
    assert.ok(
      recovered >= this.acknowledged,
      `recovered ${recovered} of ${this.history.length}, acknowledged ${this.acknowledged}`,
    );
    this.lost += this.history.length - recovered;
    this.recoveredUnacknowledged += recovered - this.acknowledged;
    this.history.length = recovered;
    this.acknowledged = recovered;
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

crashTest('level metadata store: every crash state shows the commits that were acknowledged', url);
