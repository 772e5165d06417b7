import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { CoreError } from '../../../core/base/errors.ts';
import { limits, MiB } from '../../../core/base/limits.ts';
import { Prng } from '../../../core/base/prng.ts';
import type { Connection } from '../../../core/env/net.ts';
import { FrameDecoder } from '../../../core/rpc/frame-decoder.ts';
import { frameType, headerBytes } from '../../../core/rpc/frame.ts';
import { Inbox } from '../../../core/rpc/inbox.ts';
import type { Incoming } from '../../../core/rpc/inbox.ts';
import { Outbox, overheadBytes } from '../../../core/rpc/outbox.ts';
import type { Outgoing } from '../../../core/rpc/outbox.ts';

/** A connection that keeps what is written; slow when told so. */
class Sink implements Connection {
  readonly written: Buffer[] = [];
  slow = false;
  queuedBytes = 0;
  onData = (): void => undefined;
  readInto = (): undefined => undefined;
  onDrain = (): void => undefined;
  onClose = (): void => undefined;
  write(parts: readonly Uint8Array[]): boolean {
    for (const part of parts) this.written.push(Buffer.from(part));
    return !this.slow;
  }
  pause(): void {}
  resume(): void {}
  end(): void {}
  destroy(): void {}
}

function encoded(messages: readonly Outgoing[]): Buffer {
  const sink = new Sink();
  const outbox = new Outbox(sink, () => undefined);
  for (const message of messages) outbox.send(message);
  return Buffer.concat(sink.written);
}

/** What arrives when `wire` is pushed in pieces cut at `cuts`. */
function decoded(wire: Buffer, cuts: readonly number[], heldMax = Infinity): Incoming[] {
  const arrived: Incoming[] = [];
  let held = 0;
  const inbox = new Inbox({
    admit: ({ payloadBytes }) =>
      (held += payloadBytes) <= heldMax ? Buffer.allocUnsafe(payloadBytes) : undefined,
    onMessage: (message) => arrived.push(message),
  });
  const decoder = new FrameDecoder(inbox, limits.rpcControlBytesMax);
  let at = 0;
  for (const cut of [...cuts, wire.length]) {
    // A copy that is overwritten afterwards: nothing may keep a view of it.
    const piece = Buffer.from(wire.subarray(at, cut));
    decoder.push(piece);
    piece.fill(0xee);
    at = cut;
  }
  return arrived;
}

function request(number: number, control: string, payload: readonly Uint8Array[]): Outgoing {
  return {
    type: frameType.request,
    lane: 1,
    call: 512,
    number,
    deadlineMs: 1000,
    answerBytes: 4096,
    control: Buffer.from(control),
    payload,
  };
}

const isProtocol = (error: unknown): boolean =>
  error instanceof CoreError && error.errorName === 'PROTOCOL';

describe('frame', () => {
  const bodies = [Buffer.alloc(0), Buffer.from('x'), Buffer.alloc(5000, 3)];
  const wire = encoded(bodies.map((body, index) => request(index + 1, `control ${index}`, [body])));

  test('has the layout of docs/internals/rpc.md', () => {
    const head = encoded([request(0x01020304, 'ctl', [Buffer.from('payload')])]);
    assert.equal(head.length, headerBytes + 3 + 7);
    assert.equal(head.subarray(0, 4).toString('latin1'), 'LYR\x01');
    assert.deepEqual([...head.subarray(8, 12)], [3, 1, 2, 0]);
    assert.equal(head.readUInt32BE(12), 0x01020304);
    assert.equal(head.readUInt32BE(16), 1000);
    assert.equal(head.readUInt32BE(20), 4096);
    assert.equal(head.readUInt32BE(24), 3);
    assert.equal(head.readUInt32BE(28), 7);
    assert.equal(head.readUInt32BE(32), 7);
    assert.equal(head.readUInt32BE(40), 1);
    assert.equal(head.subarray(headerBytes).toString(), 'ctlpayload');
  });

  test('arrives whole however it is split', () => {
    const check = (cuts: readonly number[]): void => {
      const arrived = decoded(wire, cuts);
      assert.equal(arrived.length, bodies.length);
      for (const [index, message] of arrived.entries()) {
        assert.equal(message.control.toString(), `control ${index}`);
        assert.ok(message.payload?.equals(bodies[index] as Buffer));
      }
    };
    const near = [0, 1, 2].flatMap((frame) =>
      Array.from({ length: 60 }, (_, at) => frame * 53 + at),
    );
    for (const at of [...near, wire.length - 1]) check([at]);
    check(Array.from({ length: wire.length }, (_, at) => at));
  });

  test('large messages go in pieces, in turns, and are put together again', () => {
    const large = [3, 4].map((fill) => Buffer.alloc(2 * MiB + 17, fill));
    const sink = new Sink();
    sink.slow = true;
    const outbox = new Outbox(sink, () => undefined);
    large.forEach((body, index) => outbox.send(request(index + 1, '', [body])));
    outbox.send(request(9, 'small', []));
    while (!outbox.idle) outbox.drained();
    const arrived = decoded(Buffer.concat(sink.written), [100, 70_000, 3 * MiB]);
    // The small message was sent third and overtook both.
    assert.deepEqual(
      arrived.map((message) => message.header.number),
      [9, 1, 2],
    );
    assert.ok(arrived[1]?.payload?.equals(large[0] as Buffer));
    assert.ok(arrived[2]?.payload?.equals(large[1] as Buffer));
  });

  test('small messages without end starve no large one', () => {
    const sink = new Sink();
    sink.slow = true;
    const outbox = new Outbox(sink, () => undefined);
    outbox.send(request(1, 'first', []));
    outbox.send(request(2, '', [Buffer.alloc(2 * MiB)]));
    for (let number = 3; number < 40; number++) {
      outbox.send(request(number, 'more', []));
      outbox.send(request(1000 + number, 'more', []));
      outbox.drained();
    }
    const arrived = decoded(Buffer.concat(sink.written), []);
    assert.ok(arrived.some(({ header }) => header.number === 2));
    assert.ok(arrived.length > 10);
  });

  test('a slow peer is not written to until it caught up', () => {
    const sink = new Sink();
    sink.slow = true;
    const outbox = new Outbox(sink, () => undefined);
    for (let number = 1; number <= 100; number++) outbox.send(request(number, 'c', []));
    assert.equal(sink.written.length, 1);
    assert.equal(outbox.queuedBytes, 99 * (1 + overheadBytes));
    outbox.drained();
    assert.equal(sink.written.length, 2);
  });

  test('a withdrawn message leaves nothing, or what was begun', () => {
    const sink = new Sink();
    const outbox = new Outbox(sink, () => undefined);
    sink.slow = true;
    const large = request(1, 'c', [Buffer.alloc(2 * MiB)]);
    const waiting = request(2, 'c', [Buffer.alloc(10)]);
    outbox.send(large);
    outbox.send(waiting);
    assert.equal(outbox.withdraw(waiting), 'unsent');
    assert.equal(outbox.withdraw(large), 'begun');
    assert.equal(outbox.withdraw(large), 'sent');
    assert.equal(outbox.queuedBytes, 0);
    assert.equal(outbox.idle, true);
  });

  test('a payload that is not admitted goes nowhere, the next message arrives', () => {
    const wireOf = encoded([request(1, 'a', [Buffer.alloc(3 * MiB)]), request(2, 'b', [])]);
    const arrived = decoded(wireOf, [60, 1_000_000], 1000);
    assert.equal(arrived[0]?.payload, undefined);
    assert.equal(arrived[1]?.control.toString(), 'b');
  });

  test('no changed byte is taken for a frame', () => {
    for (let at = 0; at < wire.length; at++) {
      if (at > 300 && at < wire.length - 100) continue; // the middle of a body
      const changed = Buffer.from(wire);
      changed[at] = (changed[at] as number) ^ (1 << (at % 8));
      // A longer length only waits for more: then nothing of that frame has arrived.
      let arrived: Incoming[] = [];
      try {
        arrived = decoded(changed, []);
      } catch (error) {
        assert.ok(isProtocol(error), String(error));
      }
      for (const message of arrived) {
        const index = message.header.number - 1;
        assert.ok(message.payload?.equals(bodies[index] as Buffer));
        assert.equal(message.control.toString(), `control ${index}`);
      }
      assert.ok(arrived.length < bodies.length, `byte ${at}`);
    }
  });

  test('lengths beyond the limits are refused before anything is allocated', () => {
    for (const [at, length] of [
      [24, limits.rpcControlBytesMax + 1],
      [28, limits.rpcPayloadBytesMax + 1],
      [32, limits.rpcPieceBytes + 1],
      [32, 0xffffffff],
    ] as const) {
      const lying = Buffer.from(wire);
      lying.writeUInt32BE(length, at);
      assert.throws(() => decoded(lying, []), isProtocol);
    }
  });

  test('data frames must fit the message that they continue', () => {
    const body = Buffer.alloc(limits.rpcPieceBytes + 10, 1);
    const whole = encoded([request(1, '', [body])]);
    const second = whole.subarray(headerBytes + limits.rpcPieceBytes);
    assert.throws(() => decoded(Buffer.from(second), []), isProtocol);
    const twice = Buffer.concat([whole, second]);
    assert.throws(() => decoded(twice, []), isProtocol);
  });

  test('random bytes are refused or wait for more, never held', () => {
    const random = new Prng('frames');
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(200), (noise, cut) => {
        const bytes = Buffer.concat([wire.subarray(0, cut), noise]);
        try {
          decoded(bytes, [random.below(bytes.length + 1)]);
        } catch (error) {
          assert.ok(isProtocol(error), String(error));
        }
      }),
      { numRuns: 500 },
    );
  });
});
