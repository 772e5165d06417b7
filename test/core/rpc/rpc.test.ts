import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { CoreError } from '../../../core/base/errors.ts';
import type { ErrorName } from '../../../core/base/errors.ts';
import { limits, MiB } from '../../../core/base/limits.ts';
import { calls, eventually, RpcRig } from './rig.ts';

const is =
  (name: ErrorName, detail?: RegExp) =>
  (error: unknown): boolean => {
    assert.ok(error instanceof CoreError, String(error));
    assert.equal(error.errorName, name, error.message);
    if (detail !== undefined) assert.match(error.message, detail);
    return true;
  };

describe('rpc', () => {
  let rig: RpcRig;
  beforeEach(async () => void (rig = await RpcRig.open()));
  afterEach(() => rig.close());

  test('echoes control and payload', async () => {
    const client = rig.client();
    const answer = await client.call(calls.echo, { number: 7, blob: Buffer.from('abc') });
    assert.deepEqual(answer.response, { number: 7, blob: Buffer.from('abc') });
    assert.equal(answer.payload.length, 0);
    const parts = [Buffer.from('hello '), Buffer.alloc(0), Buffer.from('world')];
    const mirrored = await client.call(calls.mirror, { number: 1 }, { payload: parts });
    assert.equal(Buffer.from(mirrored.payload).toString(), 'hello world');
  });

  test('carries payloads of every size class, many at once', async () => {
    const client = rig.client();
    const sizes = [1, 4096, 4097, 65_537, limits.rpcPieceBytes, limits.rpcPieceBytes + 1, 4 * MiB];
    const results = await Promise.all(
      [...sizes, ...sizes].map(async (size, index) => {
        const body = Buffer.alloc(size, index + 1);
        const half = Math.floor(size / 2);
        const payload = [body.subarray(0, half), body.subarray(half)];
        const answer = await client.call(calls.mirror, { number: index }, { payload });
        return answer.response.number === index && body.equals(answer.payload);
      }),
    );
    assert.ok(results.every(Boolean));
  });

  test('memory of an answer belongs to its handler again once it is out, not before', async () => {
    const client = rig.client();
    const sizes = [0, 1, 4096, 4097, 70_000, limits.rpcPieceBytes + 1, 3 * MiB];
    const answers = await Promise.all(
      sizes.map((number) => client.call(calls.give, { number }, { answerBytes: number })),
    );
    for (const [index, { payload }] of answers.entries())
      assert.ok(Buffer.alloc(sizes[index] as number, 7).equals(payload));
    await eventually(() => rig.sent === sizes.length, 'every answer is out');
  });

  test('memory of lent answers is used again when it was given back, not before', async () => {
    const client = rig.client();
    const memory = new Set<ArrayBufferLike>();
    const number = 300_000;
    const held = await client.call(
      calls.give,
      { number },
      { answerBytes: number, lendsAnswer: true },
    );
    for (let count = 0; count < 20; count++) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      const answer = await client.call(
        calls.give,
        { number },
        { answerBytes: number, lendsAnswer: true },
      );
      assert.ok(Buffer.alloc(number, 7).equals(answer.payload));
      memory.add(answer.payload.buffer);
      answer.payload.fill(0xaa);
      answer.release?.();
    }
    assert.equal(memory.size, 1);
    assert.ok(!memory.has(held.payload.buffer));
    assert.ok(Buffer.alloc(number, 7).equals(held.payload));
    const own = await client.call(calls.give, { number }, { answerBytes: number });
    assert.equal(own.release, undefined);
    assert.ok(!memory.has(own.payload.buffer));
  });

  test('memory of borrowed payloads is used again, never while a handler has it', async () => {
    const client = rig.client();
    const round = (): Promise<void[]> =>
      Promise.all(
        Array.from({ length: 12 }, async (_, index) => {
          const bytes = 130_000 + 70_000 * (index % 4);
          const payload = [Buffer.alloc(bytes, index + 1)];
          const { response } = await client.call(calls.sum, { number: 0 }, { payload });
          assert.equal(response.number, bytes * (index + 1));
        }),
      );
    for (let count = 0; count < 5; count++) await round();
  });

  describe('capability', () => {
    test('a reader may not call what writes', async () => {
      const client = rig.client('read');
      await client.call(calls.echo, { number: 1 });
      await assert.rejects(client.call(calls.mirror, { number: 1 }), is('ACCESS_DENIED', /mirror/));
      const payload = [Buffer.alloc(3 * MiB)];
      const refused = client.call(calls.mirror, { number: 1 }, { payload });
      await assert.rejects(refused, is('ACCESS_DENIED'));
      assert.equal(rig.started, 0);
      await client.call(calls.echo, { number: 1 }); // the connection lives on
    });

    test('only an operator may operate', async () => {
      await assert.rejects(
        rig.client('write').call(calls.operate, { number: 1 }),
        is('ACCESS_DENIED'),
      );
      await rig.client('operator').call(calls.operate, { number: 1 });
      await rig.client('operator').call(calls.mirror, { number: 1 });
    });

    test('an unknown token is turned away, and calls say so', async () => {
      await assert.rejects(
        rig.client('stranger').call(calls.echo, { number: 1 }),
        is('ACCESS_DENIED', /token/),
      );
    });

    test('an unknown call is NOT_IMPLEMENTED', async () => {
      await assert.rejects(rig.client().call(calls.absent, { number: 1 }), is('NOT_IMPLEMENTED'));
    });
  });

  test('a handler that throws is an INTERNAL answer and a bug event', async () => {
    const client = rig.client();
    const server = rig.server;
    server.register(calls.absent, async () => {
      throw new TypeError('oops');
    });
    await assert.rejects(client.call(calls.absent, { number: 1 }), is('INTERNAL', /oops/));
    assert.equal(rig.events.at(-1)?.severity, 'bug');
  });

  describe('deadlines and cancellation', () => {
    test('a late answer is DEADLINE_EXCEEDED, and the handler is told', async () => {
      const client = rig.client();
      const call = client.call(calls.wait, { number: 1 }, { deadlineMs: 30 });
      await assert.rejects(call, is('DEADLINE_EXCEEDED'));
      await eventually(() => rig.waiters[0]?.context.cancelled === true, 'the handler sees it');
      rig.waiters[0]?.release();
      await client.call(calls.echo, { number: 2 });
    });

    test('an aborted signal cancels a running, a waiting and a new call', async () => {
      const client = rig.client();
      const abort = new AbortController();
      const running = client.call(calls.wait, { number: 1 }, { signal: abort.signal });
      await eventually(() => rig.waiters.length === 1, 'the call runs');
      abort.abort();
      await assert.rejects(running, is('CANCELLED'));
      await eventually(() => rig.waiters[0]?.context.cancelled === true, 'the handler sees it');
      const late = client.call(calls.echo, { number: 1 }, { signal: abort.signal });
      await assert.rejects(late, is('CANCELLED'));
    });

    test('a credit of a given-up call returns only with its answer', async () => {
      const client = rig.client();
      const all = Array.from({ length: limits.rpcLaneRequests }, (_, number) =>
        client.call(calls.wait, { number }, { deadlineMs: 100 }),
      );
      const outcomes = await Promise.allSettled(all);
      assert.ok(outcomes.every((outcome) => outcome.status === 'rejected'));
      const starved = client.call(calls.echo, { number: 1 }, { deadlineMs: 60 });
      await assert.rejects(starved, is('BUSY', /credit/));
      rig.waiters.pop()?.release();
      await client.call(calls.echo, { number: 2 });
    });

    test('a payload that is still being sent is withdrawn', async () => {
      let connections = 0;
      const client = rig.client('write', () => void connections++);
      const abort = new AbortController();
      const options = { payload: [Buffer.alloc(4 * MiB)], signal: abort.signal };
      const sending = [1, 2, 3].map((number) => client.call(calls.mirror, { number }, options));
      await new Promise((resolve) => setImmediate(resolve));
      abort.abort();
      for (const outcome of await Promise.allSettled(sending))
        assert.equal(outcome.status, 'rejected');
      const after = await client.call(
        calls.mirror,
        { number: 4 },
        { payload: [Buffer.alloc(MiB)] },
      );
      assert.equal(after.payload.length, MiB);
      await eventually(() => rig.server.stats.running === 0, 'nothing keeps running');
      // Other calls of this process are on the same connection: it goes on.
      assert.equal(connections, 1);
      assert.deepEqual(
        rig.events.filter(({ severity }) => severity !== 'debug'),
        [],
      );
    });
  });

  describe('credits', () => {
    test('the server never runs more than it granted; the rest waits its turn', async () => {
      const client = rig.client();
      const count = limits.rpcLaneRequests + 50;
      const all = Array.from({ length: count }, (_, number) => client.call(calls.wait, { number }));
      await eventually(() => rig.waiters.length === limits.rpcLaneRequests, 'the lane is full');
      await new Promise((resolve) => setTimeout(resolve, 20));
      assert.equal(rig.waiters.length, limits.rpcLaneRequests);
      // Another lane is not delayed.
      await client.call(calls.mirror, { number: 1 }, { deadlineMs: 1000 });
      let released = 0;
      while (released < count) {
        for (const waiter of rig.waiters.slice(released)) waiter.release();
        released = rig.waiters.length;
        // oxlint-disable-next-line no-await-in-loop -- in turns
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
      await Promise.all(all);
    });

    test('large payloads wait for byte credits, small calls pass them', async () => {
      const client = rig.client();
      await client.call(calls.echo, { number: 0 });
      const body = Buffer.alloc(4 * MiB, 5);
      const order: string[] = [];
      const large = Array.from({ length: 24 }, async (_, number) => {
        await client.call(calls.mirror, { number }, { payload: [body], answerBytes: body.length });
        order.push('large');
      });
      const small = Array.from({ length: 20 }, async (_, number) => {
        await client.call(calls.mirror, { number }, { payload: [Buffer.alloc(10)] });
        order.push('small');
      });
      await Promise.all([...large, ...small]);
      const lastSmall = order.lastIndexOf('small');
      assert.ok(lastSmall < 30, `small calls ended at place ${lastSmall} of ${order.length}`);
    });

    test('more calls than may wait are BUSY', async () => {
      const client = rig.client();
      await client.call(calls.echo, { number: 0 });
      const room = limits.rpcLaneRequests + limits.rpcWaitingMax;
      const all = Array.from({ length: room + 1 }, () => client.call(calls.wait, { number: 1 }));
      await assert.rejects(all.at(-1) as Promise<unknown>, is('BUSY', /wait/));
      const settled = Promise.allSettled(all);
      client.close();
      await settled;
    });

    test('many peers share the bytes of the server', async () => {
      const first = rig.client();
      await first.call(calls.echo, { number: 1 });
      const others = Array.from({ length: 15 }, () => rig.client());
      await Promise.all(others.map((client) => client.call(calls.echo, { number: 1 })));
      const body = [Buffer.alloc(4 * MiB)];
      const all = [first, ...others].map((client) =>
        client.call(calls.mirror, { number: 1 }, { payload: body }),
      );
      await Promise.all(all);
    });
  });

  describe('connection', () => {
    test('calls made before the server is up are sent when it is', async () => {
      await rig.server.close(0);
      const client = rig.client();
      const call = client.call(calls.echo, { number: 5 });
      await new Promise((resolve) => setTimeout(resolve, 50));
      await rig.restart();
      assert.equal((await call).response.number, 5);
    });

    test('a call without a server is UNAVAILABLE in time', async () => {
      await rig.server.close(0);
      const call = rig.client().call(calls.echo, { number: 5 }, { deadlineMs: 50 });
      await assert.rejects(call, is('UNAVAILABLE'));
      await rig.restart();
    });

    test('a lost connection: sent calls are of unknown outcome, and the next ones reconnect', async () => {
      const incarnations: string[] = [];
      const client = rig.client('write', (bytes) =>
        incarnations.push(Buffer.from(bytes).toString('hex')),
      );
      const call = client.call(calls.wait, { number: 1 });
      await eventually(() => rig.waiters.length === 1, 'the call runs');
      const closed = rig.server.close(0);
      await assert.rejects(call, is('DEADLINE_EXCEEDED', /broke/));
      await closed;
      await rig.restart();
      await client.call(calls.echo, { number: 2 });
      assert.equal(new Set(incarnations).size, 2);
    });

    test('close() of the server lets running requests end and refuses new ones', async () => {
      const client = rig.client();
      const running = client.call(calls.wait, { number: 1 });
      await eventually(() => rig.waiters.length === 1, 'the call runs');
      const closed = rig.server.close();
      await new Promise((resolve) => setTimeout(resolve, 20));
      const late = client.call(calls.echo, { number: 2 }, { deadlineMs: 50 });
      await assert.rejects(late, is('UNAVAILABLE'));
      rig.waiters[0]?.release();
      await running;
      await closed;
      await rig.restart();
    });

    test('a stopping server, then close() of the client: what was still answered rejects', async () => {
      const client = rig.client();
      const running = client.call(calls.wait, { number: 1 });
      await eventually(() => rig.waiters.length === 1, 'the call runs');
      const closed = rig.server.close();
      await eventually(() => !client.connected, 'the client heard of it');
      const rejected = assert.rejects(running, is('DEADLINE_EXCEEDED', /broke/));
      client.close();
      await rejected;
      // At once, not when the server loses patience.
      await eventually(() => rig.server.stats.connections === 0, 'the connection ends');
      await closed;
      assert.equal(rig.waiters[0]?.context.cancelled, true);
      await rig.restart();
    });

    test('a call given up after the server began to stop is cancelled there', async () => {
      const abort = new AbortController();
      const running = rig.client().call(calls.wait, { number: 1 }, { signal: abort.signal });
      await eventually(() => rig.waiters.length === 1, 'the call runs');
      const closed = rig.server.close();
      await new Promise((resolve) => setTimeout(resolve, 20));
      abort.abort();
      await assert.rejects(running, is('CANCELLED'));
      await eventually(() => rig.waiters[0]?.context.cancelled === true, 'the handler is told');
      rig.waiters[0]?.release();
      await closed;
      await rig.restart();
    });

    test('close() of the client rejects what is open', async () => {
      const client = rig.client();
      const call = client.call(calls.wait, { number: 1 });
      await eventually(() => rig.waiters.length === 1, 'the call runs');
      client.close();
      await assert.rejects(call, is('DEADLINE_EXCEEDED'));
      await assert.rejects(client.call(calls.echo, { number: 1 }), is('UNAVAILABLE'));
    });
  });

  test('a call beyond the limits of a frame is refused before it is sent', async () => {
    const payload = [Buffer.alloc(limits.rpcPayloadBytesMax + 1)];
    const call = rig.client().call(calls.mirror, { number: 1 }, { payload });
    await assert.rejects(call, is('LIMIT_EXCEEDED'));
  });
});
