import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Prng } from '../../../core/base/prng.ts';
import { SortedMap, byteKey } from '../../../core/base/sorted-map.ts';

const name = (at: number): string => `k${String(at).padStart(5, '0')}`;

function ascending(map: SortedMap<number>, from: string, to: string): [string, number][] {
  const found: [string, number][] = [];
  map.ascend(from, to, (value, key) => void found.push([key, value]));
  return found;
}

describe('SortedMap', () => {
  it('behaves as a sorted map under random operations', () => {
    const prng = new Prng(5);
    const map = new SortedMap<number>();
    const model = new Map<string, number>();
    for (let step = 1; step <= 20_000; step++) {
      const key = name(prng.below(3000));
      // Phases that grow and phases that shrink, down to few keys.
      if (prng.chance(Math.floor(step / 4000) % 2 === 0 ? 0.2 : 0.8)) {
        assert.equal(map.delete(key), model.delete(key));
      } else {
        map.set(key, step);
        model.set(key, step);
      }
      assert.equal(map.size, model.size);
      const probe = name(prng.below(3000));
      assert.equal(map.get(probe), model.get(probe));
      if (step % 500 === 0) compareRanges(map, model, prng);
    }
  });

  it('visits in both directions and stops when told', () => {
    const map = new SortedMap<number>();
    for (let at = 0; at < 1000; at++) map.set(name((at * 7) % 1000), at);
    const visited: string[] = [];
    const visit = (_: number, key: string): boolean => visited.push(key) < 3;
    map.ascend(name(500), name(999), visit);
    map.descend(name(0), name(500), visit);
    assert.deepEqual(visited, [name(500), name(501), name(502), name(499)]);
    visited.length = 0;
    map.descend(name(0), name(500), visit);
    assert.deepEqual(visited, [name(499), name(498), name(497)]);
    visited.length = 0;
    map.ascend(name(5), name(5), visit);
    map.ascend(name(6), name(5), visit);
    map.descend(name(6), name(5), visit);
    assert.deepEqual(visited, []);
  });

  it('keeps the order of bytes', () => {
    const keys = [[], [0], [0, 255], [1], [127], [128], [128, 1], [255], [255, 255]];
    const map = new SortedMap<number>();
    for (const [at, key] of [...keys.entries()].toReversed())
      map.set(byteKey(Uint8Array.from(key)), at);
    const found = ascending(map, '', '\xff\xff\xff').map(([, at]) => at);
    assert.deepEqual(
      found,
      keys.map((_, at) => at),
    );
  });
});

function compareRanges(map: SortedMap<number>, model: Map<string, number>, prng: Prng): void {
  const sorted = [...model].toSorted(([a], [b]) => (a < b ? -1 : 1));
  for (let i = 0; i < 10; i++) {
    const from = name(prng.below(3000));
    const to = name(prng.below(3200));
    const expected = sorted.filter(([key]) => key >= from && key < to);
    assert.deepEqual(ascending(map, from, to), expected);
    const reversed: string[] = [];
    map.descend(from, to, (_, key) => void reversed.push(key));
    assert.deepEqual(reversed, expected.map(([key]) => key).toReversed());
  }
}
