// Peers that break the rules, on raw sockets.

import assert from 'node:assert/strict';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { limits, MiB } from '../../../core/base/limits.ts';
import { Hello, decodeFailure, protocolVersion } from '../../../core/rpc/control.ts';
import { FrameDecoder } from '../../../core/rpc/frame-decoder.ts';
import { frameType, headerBytes, writeHeader } from '../../../core/rpc/frame.ts';
import type { FrameHeader } from '../../../core/rpc/frame.ts';
import { Inbox } from '../../../core/rpc/inbox.ts';
import { calls, eventually, RpcRig } from './rig.ts';

function frame(fields: Partial<FrameHeader>, control: Uint8Array = Buffer.alloc(0)): Buffer {
  const bytes = Buffer.alloc(headerBytes + control.length);
  bytes.set(control, headerBytes);
  writeHeader(bytes, 0, {
    type: frameType.request,
    lane: 0,
    call: calls.echo.id,
    number: 1,
    deadlineMs: 1000,
    answerBytes: 0,
    controlBytes: control.length,
    payloadBytes: 0,
    pieceBytes: 0,
    payloadCrc: undefined,
    ...fields,
  });
  return bytes;
}

const hello = (token: string, version: number = protocolVersion): Buffer =>
  frame(
    { type: frameType.hello, number: 0, call: 0 },
    Hello.encode({ version, role: 'raw', token: Buffer.from(token) }),
  );

const echoed = (fields: Partial<FrameHeader> = {}): Buffer =>
  frame(fields, calls.echo.request.encode({ number: 1 }));

describe('rpc server against hostile peers', () => {
  let rig: RpcRig;
  let socket: Socket;
  /** Failures that the server told this connection. */
  let failures: string[];
  let types: number[];
  let onAnswer: (header: FrameHeader) => void;

  beforeEach(async () => {
    rig = await RpcRig.open();
    failures = [];
    types = [];
    onAnswer = () => undefined;
    const inbox = new Inbox({
      admit: ({ payloadBytes }) => Buffer.allocUnsafe(payloadBytes),
      onMessage: ({ header, control }) => {
        if (header.type === frameType.answer) onAnswer(header);
        types.push(header.type);
        if (header.type === frameType.failure) failures.push(decodeFailure(control).errorName);
      },
    });
    const decoder = new FrameDecoder(inbox, limits.rpcControlBytesMax);
    socket = connect(rig.address.kind === 'unix' ? rig.address.path : '');
    socket.on('error', () => undefined);
    socket.on('data', (bytes) => decoder.push(bytes));
  });
  afterEach(async () => {
    socket.destroy();
    await rig.close();
  });

  const closedWith = async (name: string): Promise<void> => {
    await eventually(() => socket.closed, 'the server closes the connection');
    assert.deepEqual(failures, [name]);
    assert.equal(rig.server.stats.connections, 0);
  };

  for (const [what, name, bytes] of [
    ['a request before the hello', 'ACCESS_DENIED', echoed()],
    ['a wrong token', 'ACCESS_DENIED', hello('guess')],
    ['an empty token', 'ACCESS_DENIED', hello('')],
    ['another version', 'VERSION_UNSUPPORTED', hello('write', 99)],
    ['a large hello', 'PROTOCOL', frame({ type: frameType.hello }, Buffer.alloc(5000))],
    ['HTTP', 'PROTOCOL', Buffer.from(`GET / HTTP/1.1\r\nhost: x\r\n\r\n${' '.repeat(40)}`)],
    ['a repeated hello', 'PROTOCOL', Buffer.concat([hello('write'), hello('write')])],
    [
      'a repeated request number',
      'PROTOCOL',
      Buffer.concat([
        hello('write'),
        echoed({ call: calls.wait.id }),
        echoed({ call: calls.wait.id }),
      ]),
    ],
    ['the number 0', 'PROTOCOL', Buffer.concat([hello('write'), echoed({ number: 0 })])],
    [
      'an answer',
      'PROTOCOL',
      Buffer.concat([hello('write'), echoed({ type: frameType.answer, payloadBytes: 5 })]),
    ],
    [
      'a continuation of nothing',
      'PROTOCOL',
      Buffer.concat([
        hello('write'),
        frame({ type: frameType.data, payloadBytes: 5, pieceBytes: 5 }),
        Buffer.alloc(5),
      ]),
    ],
    [
      'more bytes than its lane has credits for',
      'PROTOCOL',
      Buffer.concat([
        hello('write'),
        ...Array.from({ length: 9 }, (_, index) =>
          frame({ number: index + 1, payloadBytes: 4 * MiB, call: calls.mirror.id }),
        ),
      ]),
    ],
  ] as const) {
    test(`${what}: told ${name} and closed`, async () => {
      socket.write(bytes);
      await closedWith(name);
    });
  }

  test('a call on a foreign lane is refused, malformed control too; the connection goes on', async () => {
    const strange = frame({ number: 2 }, Buffer.from([0xff, 0xff]));
    socket.write(
      Buffer.concat([hello('write'), echoed({ lane: 1 }), strange, echoed({ number: 3 })]),
    );
    await eventually(() => types.length === 4, 'answers');
    assert.deepEqual(failures, ['PROTOCOL', 'PROTOCOL']);
    assert.equal(types.filter((type) => type === frameType.answer).length, 1);
  });

  test('a request that is given up while its payload arrives is answered; the connection goes on', async () => {
    const half = { payloadBytes: 10, pieceBytes: 5, lane: 1, call: calls.mirror.id };
    const cancel = frame({ type: frameType.cancel });
    const rest = frame({ ...half, type: frameType.data });
    const request = Buffer.concat([echoed(half), Buffer.alloc(5)]);
    socket.write(Buffer.concat([hello('write'), request, cancel, echoed({ number: 2 })]));
    await eventually(() => types.length === 3, 'answers');
    assert.deepEqual(failures, ['CANCELLED']);
    assert.equal(rig.server.stats.running, 0, 'its credit is free again');
    // The number may be used again; what still comes of the old one is a violation.
    socket.write(Buffer.concat([request, cancel, rest, Buffer.alloc(5)]));
    await eventually(() => socket.closed, 'the server closes the connection');
    assert.deepEqual(failures, ['CANCELLED', 'CANCELLED', 'PROTOCOL']);
  });

  test('a request whose deadline has passed is not started', async () => {
    socket.write(Buffer.concat([hello('write'), echoed({ deadlineMs: 0 })]));
    await eventually(() => failures.length === 1, 'a failure');
    assert.deepEqual(failures, ['DEADLINE_EXCEEDED']);
  });

  test('a request of a slow peer is answered in its turn, however many follow it', async () => {
    const bytes = 60_000;
    const ask = calls.give.request.encode({ number: bytes });
    let number = 0;
    const give = (): void =>
      void socket.write(frame({ number: ++number, call: calls.give.id, answerBytes: bytes }, ask));
    socket.pause();
    socket.write(hello('write'));
    // More than the server leaves unread, all within the request credits.
    for (let count = 0; count < 220; count++) give();
    await new Promise((resolve) => setTimeout(resolve, 100));
    socket.write(echoed({ number: 1_000_000 }));
    let answers = 0;
    await new Promise<void>((resolve, reject) => {
      onAnswer = (header) => {
        if (header.number === 1_000_000) resolve();
        else if (++answers > 600) reject(new Error('600 later answers came first'));
        else give(); // so that the server never gets everything out
      };
      socket.resume();
    });
  });

  test('a peer that gives up what it sends and never reads is cut when its credits are used up', async () => {
    socket.pause();
    socket.write(hello('write'));
    const half = { payloadBytes: 10, pieceBytes: 5, lane: 1, call: calls.mirror.id };
    const pair = (number: number): Buffer[] => [
      echoed({ ...half, number }),
      Buffer.alloc(5),
      frame({ type: frameType.cancel, number }),
    ];
    await eventually(() => rig.server.stats.connections === 1, 'the peer is let in');
    let number = 0;
    for (; rig.server.stats.connections > 0 && number < 400_000; number += 1000) {
      const pairs = Array.from({ length: 1000 }, (_, at) => pair(number + at + 1)).flat();
      await new Promise((resolve) => socket.write(Buffer.concat(pairs), resolve));
    }
    assert.equal(rig.server.stats.connections, 0, 'the peer is still served');
    const violation = rig.events.find(({ name }) => name === 'rpc.protocol-violation');
    assert.match(String(violation?.fields?.['detail']), /exceeds the credits/);
  });

  test('a peer that never reads stops being served; others go on', async () => {
    socket.pause();
    const ask = calls.give.request.encode({ number: 60_000 });
    let number = 0;
    socket.write(hello('write'));
    // Within its credits as the server counts them: a request ends when its answer is queued.
    const asking = setInterval(() => {
      for (let i = 0; i < 50; i++)
        socket.write(frame({ number: ++number, call: calls.give.id, answerBytes: 60_000 }, ask));
    }, 1);
    await new Promise((resolve) => setTimeout(resolve, 400));
    clearInterval(asking);
    const answered = rig.started * 60_000;
    assert.ok(number * 60_000 > 20 * MiB, `only ${number} requests were made`);
    assert.ok(answered < limits.rpcUnreadBytesMax + 3 * MiB, `${answered} bytes were made ready`);
    await rig.client().call(calls.echo, { number: 1 });
  });
});
