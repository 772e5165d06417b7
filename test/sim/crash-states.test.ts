import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Prng } from '../../core/base/prng.ts';
import { type CrashState, crashStates, newCounts } from './crash-states.ts';
import { SimDevices } from './devices.ts';
import { Trace } from './trace.ts';

const sector = (letter: string): Buffer => Buffer.alloc(512, letter);

function put(devices: SimDevices, key: string, sync: boolean): Promise<void> {
  return devices.kv().batch([{ key: Buffer.from(key), value: Buffer.from('1') }], { sync });
}

/** First letters of the sectors of file `f`, then the keys of the rows: '.' for zeros, '-' for no file. */
function shown(devices: SimDevices): string {
  const { disk } = devices;
  const content = disk.files().includes('f') ? disk.content('f') : undefined;
  const keys = devices
    .kv()
    .entries()
    .map(([key]) => String(key));
  if (content === undefined) return ['-', ...keys].join('');
  const letters = Array.from({ length: content.length / 512 }, (_, at) =>
    String.fromCodePoint(content[at * 512] || 0x2e),
  );
  return [...letters, ...keys].join('');
}

/** A file of these sectors, durable with its name. */
async function fileOn(devices: SimDevices, letters = 'ab') {
  const file = await devices.disk.open('f', 'create');
  await file.write(letters.split('').map(sector), 0);
  await file.sync();
  await devices.disk.syncDir('');
  return file;
}

function statesOf(trace: Trace, more: object = {}): CrashState[] {
  return [...crashStates(trace, { prng: new Prng(1), randomSubsets: 20, ...more })];
}

const contents = (states: readonly CrashState[]): string[] =>
  [...new Set(states.map(({ devices }) => shown(devices)))].toSorted();

describe('crash states', () => {
  test('every choice of few unsynced units occurs, of all devices at once', async () => {
    const trace = new Trace();
    const devices = new SimDevices({ trace });
    const file = await fileOn(devices);
    const first = trace.events.length;
    await file.write([sector('A'), sector('B')], 0);
    await put(devices, 'k', false);
    const all = ['ab', 'aB', 'Ab', 'AB'].flatMap((letters) => [letters, `${letters}k`]);
    assert.deepEqual(contents(statesOf(trace, { first })), all.toSorted());
  });

  test('a file that is being made may be absent, empty or half there', async () => {
    const trace = new Trace();
    await fileOn(new SimDevices({ trace }));
    assert.deepEqual(contents(statesOf(trace)), ['', '-', '..', '.b', 'a.', 'ab']);
  });

  test('each event is a point; of many units each is lost alone and survives alone', async () => {
    const trace = new Trace();
    const devices = new SimDevices({ trace });
    const letters = 'abcdefghijklmnop';
    const file = await fileOn(devices, letters);
    const first = trace.events.length;
    await file.write(letters.toUpperCase().split('').map(sector), 0);
    await file.sync();
    const counts = newCounts();
    const states = statesOf(trace, { first, counts });
    const kept = contents(states).map((text) => text.replaceAll(/[a-z]/g, '').length);
    const count = (sectors: number): number => kept.filter((each) => each === sectors).length;
    assert.ok(
      count(0) === 1 && count(1) === 16 && count(15) === 16 && count(16) === 1,
      kept.join(' '),
    );
    assert.ok(states.length >= 34 + 10, `${states.length} states, random subsets among them`);
    const { points, distinct } = counts;
    assert.deepEqual([points, counts.states, distinct.size], [2, states.length, states.length]);
    assert.ok(
      states.every(({ point }) => point === first + 1),
      'the sync shows nothing new',
    );
  });

  test('a state counts again when more was acknowledged, and its marks are those before the crash', async () => {
    const trace = new Trace();
    const devices = new SimDevices({ trace });
    await put(devices, 'a', true);
    trace.mark(1);
    await put(devices, 'a', true);
    trace.mark(2);
    const counts = newCounts();
    const states = statesOf(trace, { counts });
    assert.deepEqual(
      states.map(({ marks }) => marks),
      [[1], [1, 2]],
    );
    assert.equal(counts.distinct.size, 1);
  });

  test('what a dead process left unsynced can still be lost after the next one has begun', async () => {
    const devices = new SimDevices();
    const file = await fileOn(devices);
    await file.write([sector('A')], 0);
    await put(devices, 'k', false);
    const trace = new Trace();
    const next = devices.copy({ trace });
    assert.equal(shown(next), 'Abk', 'the page cache shows it');
    const reopened = await next.disk.open('f', 'write');
    await reopened.write([sector('B')], 512);
    await reopened.sync();
    const states = statesOf(trace, { from: devices.copy() });
    assert.deepEqual(contents(states), ['AB', 'ABk', 'Ab', 'Abk', 'aB', 'aBk', 'ab', 'abk']);
    const last = states.filter(({ point }) => point === trace.events.length);
    assert.deepEqual(contents(last), [], 'after the sync only the batch is left to lose');
  });

  test('devices that a crash left are apart from those that crashed', async () => {
    const devices = new SimDevices();
    const file = await fileOn(devices);
    const after = devices.crash(() => true);
    const print = after.print();
    assert.equal(print, devices.print());
    await file.write([sector('A')], 0);
    await put(devices, 'k', true);
    assert.equal(shown(after), 'ab');
    assert.equal(after.print(), print);
    assert.notEqual(devices.print(), print);
    const other = await after.disk.open('f', 'write');
    await other.write([sector('C')], 0);
    assert.deepEqual([shown(devices), shown(after)], ['Abk', 'Cb']);
  });
});
