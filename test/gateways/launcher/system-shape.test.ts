import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  firstShape,
  refuseOtherShape,
  shapeFromFile,
  shapeToFile,
} from '../../../gateways/launcher/system-shape.ts';

const disks = (replicas: number, ...stores: string[]) => firstShape('/d', { replicas, stores });

describe('shape of a system', () => {
  test('one replica is the default, three have folders of their own inside the data directory', () => {
    assert.deepEqual(firstShape('/data', {}), { replicas: 1, stores: [] });
    const three = firstShape('/data', { replicas: 3 });
    assert.deepEqual(three.stores, ['/data/stores/1', '/data/stores/2', '/data/stores/3']);
  });

  test('disks are enough, different, and go with replicas', () => {
    assert.deepEqual(disks(2, '/a', '/b', '/c').stores, ['/a', '/b', '/c']);
    assert.throws(() => disks(3, '/a', '/b'), /need 3/);
    assert.throws(() => disks(2, '/a', '/a'), /different/);
    assert.throws(() => disks(1, '/a'), /--disks goes with/);
  });

  test('what was chosen is remembered, also when the directory was moved, and nothing else is accepted', () => {
    const text = shapeToFile('/old', firstShape('/old', { replicas: 2, stores: ['/old/s', '/x'] }));
    const moved = shapeFromFile('/new', text);
    assert.deepEqual(moved, { replicas: 2, stores: ['/new/s', '/x'] });
    assert.ok(moved !== undefined);
    refuseOtherShape('/new', moved, {});
    refuseOtherShape('/new', moved, { replicas: 2, stores: ['/new/s', '/x'] });
    assert.throws(() => refuseOtherShape('/new', moved, { replicas: 3 }), /--replicas 2/);
    assert.throws(() => refuseOtherShape('/new', moved, { replicas: 1 }), /--replicas 2/);
    assert.throws(() => refuseOtherShape('/new', moved, { stores: ['/x', '/new/s'] }), /--disks/);
  });

  test('a file without the members is of one replica; strange members are damage', () => {
    assert.deepEqual(shapeFromFile('/d', {}), { replicas: 1, stores: [] });
    for (const text of [{ replicas: 'x' }, { replicas: 2 }, { replicas: 2, stores: ['a', 3] }])
      assert.equal(shapeFromFile('/d', text), undefined);
  });
});
