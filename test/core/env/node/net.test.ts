import assert from 'node:assert/strict';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { CoreError } from '../../../../core/base/errors.ts';
import type { Address, Connection, Listener } from '../../../../core/env/net.ts';
import { nodeNet } from '../../../../core/env/node/net.ts';
import { eventually } from '../../rpc/rig.ts';

describe('net', () => {
  let directory: string;
  let listener: Listener | undefined;
  let accepted: Connection[];
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'lampyr-net-'));
    accepted = [];
  });
  afterEach(async () => {
    for (const connection of accepted) connection.destroy();
    await listener?.close();
    await rm(directory, { recursive: true });
  });

  const addresses: Record<string, () => Address> = {
    unix: () => ({ kind: 'unix', path: join(directory, 's') }),
    tcp: () => ({ kind: 'tcp', host: '127.0.0.1', port: 0 }),
  };
  for (const [kind, address] of Object.entries(addresses)) {
    test(`${kind}: parts arrive in order, both ways, and into the memory that is named`, async () => {
      const received: Buffer[] = [];
      const target = Buffer.alloc(100);
      listener = await nodeNet.listen(address(), (connection) => {
        accepted.push(connection);
        connection.onData = (bytes) => {
          received.push(Buffer.from(bytes));
          connection.write([Buffer.from('pong')]);
        };
        connection.readInto = () => target;
      });
      const client = await nodeNet.connect(listener.address, 1000);
      let answer = '';
      client.onData = (bytes) => (answer += Buffer.from(bytes).toString());
      client.write([Buffer.from('a'), Buffer.from('b')]);
      client.write([Buffer.from('c')]);
      await eventually(() => answer === 'pong', 'an answer');
      assert.equal(Buffer.concat(received).toString(), 'abc');
      // The memory for the first read was chosen when the connection was made.
      client.write([Buffer.from('def')]);
      await eventually(() => answer === 'pongpong', 'another answer');
      assert.equal(target.subarray(0, 3).toString(), 'def');
      let closed = false;
      (accepted[0] as Connection).onClose = () => (closed = true);
      client.write([Buffer.from('last')]);
      client.end();
      await eventually(() => closed, 'the end');
      assert.equal(Buffer.concat(received).toString(), 'abcdeflast');
    });
  }

  test('what the callbacks of one turn write leaves together at the end of the turn', async () => {
    const received: string[] = [];
    const take = (bytes: Uint8Array): void => void received.push(Buffer.from(bytes).toString());
    listener = await nodeNet.listen({ kind: 'unix', path: join(directory, 's') }, (connection) => {
      accepted.push(connection);
      connection.onData = take;
    });
    const client = await nodeNet.connect(listener.address, 1000);
    // A turn with two callbacks, each of which ends with its ticks.
    const first = new Promise<void>((resolve) => {
      setImmediate(() => {
        client.write([Buffer.from('first ')]);
        process.nextTick(() => {
          assert.equal(client.queuedBytes, 6);
          resolve();
        });
      });
    });
    setImmediate(() => client.write([Buffer.from('second')]));
    await first;
    await eventually(() => received.length > 0, 'the bytes');
    assert.deepEqual(received, ['first second']);
    client.destroy();
  });

  test('what the next turns write goes along, but never more than some of them', async () => {
    const received: string[] = [];
    listener = await nodeNet.listen({ kind: 'unix', path: join(directory, 's') }, (connection) => {
      accepted.push(connection);
      connection.onData = (bytes) => received.push(Buffer.from(bytes).toString());
    });
    const client = await nodeNet.connect(listener.address, 1000);
    const turns = (count: number): Promise<void> =>
      new Promise((resolve) => {
        const turn = (left: number): void => {
          if (left === 0) return resolve();
          client.write([Buffer.from(String(left))]);
          setImmediate(turn, left - 1);
        };
        turn(count);
      });
    await turns(3);
    await eventually(() => received.length > 0, 'the bytes');
    assert.deepEqual(received, ['321']);
    let longest = 0;
    for (let turn = 0; turn < 100; turn++) {
      client.write([Buffer.from('x')]);
      longest = Math.max(longest, client.queuedBytes);
      // oxlint-disable-next-line no-await-in-loop -- turn after turn
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.ok(longest > 1 && longest <= 5, `${longest} turns waited`);
    // A large part leaves with its turn.
    await eventually(() => client.queuedBytes === 0, 'nothing waits');
    client.write([Buffer.alloc(64 * 1024)]);
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(client.queuedBytes, 0);
    client.destroy();
  });

  test('parts that lie next to each other arrive once, in order, and each is told of', async () => {
    let received = '';
    listener = await nodeNet.listen({ kind: 'unix', path: join(directory, 's') }, (connection) => {
      accepted.push(connection);
      connection.onData = (bytes) => (received += Buffer.from(bytes).toString());
    });
    const client = await nodeNet.connect(listener.address, 1000);
    const slab = Buffer.from('0123456789');
    const taken: string[] = [];
    const write = (from: number, to: number, name?: string): boolean =>
      client.write(
        [slab.subarray(from, to)],
        name === undefined ? undefined : () => taken.push(name),
      );
    write(0, 2, 'a');
    write(2, 4);
    write(4, 5, 'b');
    write(6, 8, 'c');
    write(5, 6);
    write(8, 10, 'd');
    // The same offsets in other memory are not next to it.
    const elsewhere = new Uint8Array(Buffer.from('CD__')).subarray(0, 2);
    client.write([new Uint8Array(Buffer.from('__AB')).subarray(2)]);
    client.write([new Uint8Array([0, 0, 0, 0, ...elsewhere]).subarray(4)]);
    assert.equal(client.queuedBytes, 14);
    await eventually(() => received.length >= 14, 'the bytes');
    assert.equal(received, '0123467589ABCD');
    assert.deepEqual(taken, ['a', 'b', 'c', 'd']);
    client.destroy();
  });

  test('a slow peer makes write answer false, and onDrain follows when it reads', async () => {
    listener = await nodeNet.listen((addresses['unix'] as () => Address)(), (connection) => {
      accepted.push(connection);
      connection.pause();
    });
    const client = await nodeNet.connect(listener.address, 1000);
    let drained = false;
    client.onDrain = () => (drained = true);
    const part = Buffer.alloc(256 * 1024);
    let writes = 1;
    while (client.write([part])) writes++;
    assert.ok(writes < 20 && client.queuedBytes > 0);
    let taken = 0;
    client.write([Buffer.from('a'), part], () => taken++);
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.deepEqual({ drained, taken }, { drained: false, taken: 0 });
    accepted[0]?.resume();
    await eventually(() => drained, 'drained');
    assert.equal(client.queuedBytes, 0);
    assert.equal(taken, 1);
    client.destroy();
    client.write([part], () => taken++);
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(taken, 1);
  });

  test('a socket file is private, is taken over when stale, and refused when in use', async () => {
    const path = join(directory, 's');
    listener = await nodeNet.listen({ kind: 'unix', path }, (connection) =>
      accepted.push(connection),
    );
    assert.equal((await stat(path)).mode & 0o777, 0o600);
    const again = nodeNet.listen({ kind: 'unix', path }, () => undefined);
    await assert.rejects(
      again,
      (error) => error instanceof CoreError && error.errorName === 'BUSY',
    );
    const long = nodeNet.listen({ kind: 'unix', path: `/tmp/${'x'.repeat(110)}` }, () => undefined);
    await assert.rejects(long, /longer than the 107 bytes/);
  });

  test('nobody there is UNAVAILABLE', async () => {
    const connecting = nodeNet.connect({ kind: 'unix', path: join(directory, 'none') }, 1000);
    await assert.rejects(
      connecting,
      (error) => error instanceof CoreError && error.errorName === 'UNAVAILABLE',
    );
  });
});
