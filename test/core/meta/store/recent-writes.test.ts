import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { limits } from '../../../../core/base/limits.ts';
import { marks } from '../../../../core/base/mark.ts';
import { Prng } from '../../../../core/base/prng.ts';
import { RecentWrites } from '../../../../core/meta/store/recent-writes.ts';

describe('RecentWrites', () => {
  it('knows the newest commit of keys and ranges, queued ones included', () => {
    const recent = new RecentWrites(0);
    recent.queued(1, ['a', 'c']);
    recent.queued(2, ['b']);
    recent.visible(1, 10);
    assert.equal(recent.newestOf('a', 0), 1);
    assert.equal(recent.newestOf('b', 0), 2);
    assert.equal(recent.newestOf('x', 0), 0);
    assert.equal(recent.newestIn('a', 'b', 0), 1);
    assert.equal(recent.newestIn('a', 'c', 0), 2);
    assert.equal(recent.newestIn('bb', 'c', 0), 0);
    assert.equal(recent.newestIn('a', 'c', 2), 0);
    recent.queued(3, ['a']);
    assert.equal(recent.newestOf('a', 0), 3);
  });

  it('forgets a commit one transaction time after it became visible, never while queued', () => {
    const recent = new RecentWrites(0);
    recent.queued(1, ['a', 'b']);
    recent.queued(2, ['b']);
    recent.visible(1, 100_000);
    assert.equal(recent.floor, 0);
    recent.visible(2, 100_000 + limits.metaTransactionMsMax);
    assert.equal(recent.floor, 0);
    recent.queued(3, ['c']);
    recent.queued(4, ['d']);
    recent.visible(3, 100_001 + limits.metaTransactionMsMax);
    assert.equal(recent.floor, 1);
    assert.equal(recent.newestOf('a', 0), 0);
    assert.equal(recent.newestOf('b', 0), 2);
    recent.visible(4, 1e9);
    assert.equal(recent.floor, 3);
    assert.equal(recent.newestIn('', '~', 0), 4);
  });

  it('keeps its keys bounded and raises the floor instead', () => {
    const recent = new RecentWrites(0, 100);
    for (let number = 1; number <= 50; number++) {
      recent.queued(
        number,
        Array.from({ length: 10 }, (_, at) => `${number}.${at}`),
      );
      recent.visible(number, 1);
    }
    assert.equal(recent.floor, 40);
    assert.equal(recent.newestOf('40.0', 0), 0);
    assert.equal(recent.newestOf('41.0', 0), 41);
    assert.ok(marks().has('store.forgotEarly'));
  });

  it('answers as a list of commits does', () => {
    const prng = new Prng(3);
    const recent = new RecentWrites(0);
    const commits: { keys: string[] }[] = [];
    let nowMs = 0;
    for (let number = 1; number <= 5000; number++) {
      const keys = Array.from({ length: 1 + prng.below(5) }, () => `k${prng.below(500)}`);
      nowMs += prng.below(10);
      commits.push({ keys });
      recent.queued(number, keys);
      recent.visible(number, nowMs);
      const version =
        number - prng.below(Math.min(number - recent.floor, prng.chance(0.2) ? 2000 : 50));
      const through = prng.chance(0.7) ? number : version + prng.below(number - version + 1);
      const newestWith = (matches: (key: string) => boolean): number =>
        1 +
        commits
          .slice(0, through)
          .findLastIndex(({ keys: written }, at) => at >= version && written.some(matches));
      const probe = `k${prng.below(500)}`;
      const same = (key: string): boolean => key === probe;
      assert.equal(recent.newestOf(probe, version, through), newestWith(same));
      const from = `k${prng.below(500)}`;
      const to = prng.chance(0.5) ? `${from}0` : `k${prng.below(500)}`;
      const inside = (key: string): boolean => key >= from && key < to;
      assert.equal(recent.newestIn(from, to, version, through), newestWith(inside));
    }
    assert.ok(recent.floor > 0);
    assert.ok(marks().has('store.run'));
  });
});
