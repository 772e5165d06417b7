// Fuzzer of the RPC on both sides, over connections in memory: a valid conversation is mutated frame by frame
// (fields, order, repetition, lies about lengths; checksums made good again or not) and delivered in pieces.
// Whatever comes, nothing throws, no handler meets a payload that was not sent, every call of a client ends, and
// a peer that breaks the rules is told so; the same for every cut.

import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import type { Prng } from '../../core/base/prng.ts';
import { isCoreError } from '../../core/base/errors.ts';
import { limits } from '../../core/base/limits.ts';
import { ReconnectingClient } from '../../core/rpc/client.ts';
import { Credit, decodeFailure, Hello, Welcome } from '../../core/rpc/control.ts';
import { shareOf } from '../../core/rpc/credits.ts';
import { FrameDecoder } from '../../core/rpc/frame-decoder.ts';
import { type FrameType, frameType, headerBytes, writeHeader } from '../../core/rpc/frame.ts';
import { type Incoming, Inbox } from '../../core/rpc/inbox.ts';
import { RpcServer } from '../../core/rpc/server.ts';
import { crc32c } from '../../core/base/crc32c.ts';
import type { Listener } from '../../core/env/net.ts';
import { calls } from '../core/rpc/rig.ts';
import {
  cutAt,
  everyByte,
  fromLatin1,
  fuzzer,
  mutateBytes,
  randomBytes,
  randomCuts,
  toLatin1,
} from './fuzzer.ts';
import { MemoryConnection } from './memory-connection.ts';

type Frame = {
  type: number;
  lane: number;
  call: number;
  number: number;
  deadlineMs: number;
  answerBytes: number;
  payloadBytes: number;
  /** undefined in JSON: the true length. */
  pieceBytes: number | null;
  controlBytes: number | null;
  payloadCrc: number | null;
  control: string;
  piece: string;
  /** The header's checksum is off by this. */
  crcError: number;
};
type Input = { to: 'server' | 'client'; frames: Frame[]; valid: boolean; cuts: number[] };

const plain: Frame = {
  type: frameType.request,
  lane: 0,
  call: 0,
  number: 0,
  deadlineMs: 1000,
  answerBytes: 0,
  payloadBytes: 0,
  pieceBytes: null,
  controlBytes: null,
  payloadCrc: null,
  control: '',
  piece: '',
  crcError: 0,
};

function encode(frame: Frame): Buffer {
  const control = fromLatin1(frame.control);
  const piece = fromLatin1(frame.piece);
  const head = Buffer.alloc(headerBytes + control.length);
  head.set(control, headerBytes);
  const controlBytes = control.length;
  writeHeader(head, 0, {
    ...frame,
    type: frame.type as FrameType,
    controlBytes,
    pieceBytes: frame.pieceBytes ?? piece.length,
    payloadCrc: frame.payloadCrc ?? undefined,
  });
  if (frame.controlBytes !== null) {
    head.writeUInt32BE(frame.controlBytes, 24);
    const checked = head.subarray(8, Math.min(head.length, headerBytes + frame.controlBytes));
    head.writeUInt32BE(crc32c(checked), 4);
  }
  head.writeUInt32BE((head.readUInt32BE(4) ^ frame.crcError) >>> 0, 4);
  return Buffer.concat([head, piece]);
}

// --- conversations

const echoed = (number: number): string => toLatin1(calls.echo.request.encode({ number }));

/** A message in several frames. */
function inPieces(random: Prng, first: Frame, payload: string): Frame[] {
  const cuts = cutAt(fromLatin1(payload), randomCuts(random, payload.length)).map(toLatin1);
  if (payload === '') return [first];
  const payloadBytes = payload.length;
  const payloadCrc = random.chance(0.7) ? crc32c(fromLatin1(payload)) : null;
  return cuts.map((piece, at) =>
    at === 0
      ? { ...first, payloadBytes, payloadCrc, piece }
      : { ...plain, type: frameType.data, number: first.number, payloadBytes, piece },
  );
}

/** Several messages at once: the frames of each stay in order. */
function interleave(random: Prng, messages: Frame[][]): Frame[] {
  const queues = messages.map((frames) => [...frames]);
  const frames: Frame[] = [];
  for (;;) {
    const left = queues.filter(({ length }) => length > 0);
    if (left.length === 0) return frames;
    frames.push(random.pick(left).shift() as Frame);
  }
}

const requestCalls = [calls.echo, calls.mirror, calls.give, calls.operate, calls.absent] as const;

function toServer(random: Prng): Frame[] {
  const token = Buffer.from(random.pick(['write', 'write', 'write', 'read', 'operator']));
  const control = toLatin1(Hello.encode({ version: 1, role: 'fuzz', token }));
  const messages: Frame[][] = [];
  for (let count = random.below(6); count > 0; count--) {
    const call = random.pick(requestCalls);
    const number = messages.length + 1;
    const lane = call.lane === 'write' ? 1 : 0;
    const ask = echoed(random.below(300));
    const first = { ...plain, lane, call: call.id, number, control: ask, answerBytes: 300 };
    const payload = call === calls.mirror ? randomBytes(random, 200) : '';
    const sent = inPieces(random, first, payload);
    // Given up, perhaps in the middle: the rest is not sent.
    if (random.chance(0.1)) {
      const cancel = { ...plain, type: frameType.cancel, number };
      sent.splice(1 + random.below(sent.length), sent.length, cancel);
    }
    messages.push(sent);
  }
  return [{ ...plain, type: frameType.hello, control }, ...interleave(random, messages)];
}

/** What the client asks in every round, in the order in which it sends what waited; the server answers it. */
const asked = [
  { call: calls.echo, number: 7, answer: '' },
  { call: calls.give, number: 9, answer: '\u0007'.repeat(9) },
  { call: calls.echo, number: 10, answer: '' },
  { call: calls.mirror, number: 8, answer: 'payload'.repeat(30) },
];

function toClient(random: Prng): Frame[] {
  const welcome = Welcome.encode({
    version: 1,
    incarnation: Buffer.alloc(8, 1),
    lanes: shareOf(1),
  });
  const answers = asked.map(({ call, number, answer }, at): Frame[] => {
    const first = { ...plain, type: frameType.answer, call: call.id, number: at + 1 };
    return inPieces(random, { ...first, control: echoed(number) }, answer);
  });
  const credit = toLatin1(Credit.encode({ lanes: shareOf(2) }));
  if (random.chance(0.3)) answers.push([{ ...plain, type: frameType.credit, control: credit }]);
  if (random.chance(0.2)) answers.push([{ ...plain, type: frameType.goodbye }]);
  const control = toLatin1(welcome);
  return [{ ...plain, type: frameType.welcome, control }, ...interleave(random, answers)];
}

function makeValid(random: Prng): Input {
  const to = random.pick(['server', 'client'] as const);
  const frames = to === 'server' ? toServer(random) : toClient(random);
  return { to, frames, valid: true, cuts: cutsOf(random, frames) };
}

const bytesOf = (frames: readonly Frame[]): Buffer => Buffer.concat(frames.map(encode));
const cutsOf = (random: Prng, frames: readonly Frame[]): number[] =>
  randomCuts(random, bytesOf(frames).length);

// --- mutations

const lies = [0, 1, 2, 43, 44, 255, 4096, 65535, 65536, limits.rpcPieceBytes, 2 ** 31, 2 ** 32 - 1];
const words = [
  '\0',
  '\u00ff',
  '\u0008\u00ff\u00ff\u00ff\u00ff\u000f',
  '\u0012\u007f',
  '\u0080',
  '\u0013',
];
const numbers = ['call', 'number', 'deadlineMs', 'answerBytes', 'payloadBytes'] as const;

function mutateFrame(random: Prng, frame: Frame): Frame {
  switch (random.below(8)) {
    case 0:
      return { ...frame, type: random.below(12) };
    case 1:
      return { ...frame, lane: random.below(6) };
    case 2: {
      const name = random.pick(numbers);
      const value = random.chance(0.5) ? random.pick(lies) : random.below(6);
      return { ...frame, [name]: name === 'call' ? value % 65536 : value };
    }
    case 3:
      return { ...frame, pieceBytes: random.pick(lies) };
    case 4:
      return { ...frame, controlBytes: random.pick(lies) };
    case 5:
      return { ...frame, control: mutateBytes(random, frame.control, words, 2) };
    case 6:
      return { ...frame, piece: mutateBytes(random, frame.piece, words, 2) };
    default:
      return random.chance(0.5)
        ? { ...frame, crcError: random.u32() }
        : { ...frame, payloadCrc: random.u32() };
  }
}

function mutate(random: Prng, input: Input): Input {
  const frames = [...input.frames];
  for (let count = random.below(4); count > 0 && frames.length > 0; count--) {
    const at = random.below(frames.length);
    const frame = frames[at] as Frame;
    const what = random.below(10);
    if (what === 0) frames.splice(at, 1);
    else if (what === 1) frames.splice(at, 0, frame);
    else if (what === 2)
      frames.splice(at, 1, ...frames.splice(random.below(frames.length), 1), frame);
    else frames[at] = mutateFrame(random, frame);
  }
  const valid = input.valid && JSON.stringify(frames) === JSON.stringify(input.frames);
  return { ...input, frames, valid, cuts: cutsOf(random, frames) };
}

// --- the two sides

const still = {
  now: () => 0,
  wallMs: () => 0,
  after: () => ({ cancel: () => undefined }),
};

/** A handler's promises take a few turns of the microtask queue; nothing here waits for more. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const bugs: string[] = [];
const events = {
  emit(severity: string, name: string, fields: object = {}): void {
    if (severity === 'bug') bugs.push(`${name} ${JSON.stringify(fields)}`);
  },
};

const mirror = async (response: { number: number }, payload: Uint8Array) => ({
  response,
  // Copied: it was only borrowed.
  payload: [Buffer.from(payload)],
});

async function openServer(): Promise<{ connection: MemoryConnection }> {
  const connection = new MemoryConnection();
  const listener: Listener = { address: { kind: 'unix', path: '' }, close: async () => undefined };
  const server = new RpcServer({
    net: {
      connect: () => Promise.reject(new Error('not a client')),
      listen: async (_, onConnection) => {
        onConnection(connection);
        return listener;
      },
    },
    clock: still,
    events,
    rng: { bytes: (count) => Buffer.alloc(count, 1) },
    authorize: (token) =>
      (['read', 'write', 'operator'] as const).find(
        (name) => name === Buffer.from(token).toString(),
      ),
  });
  server.register(calls.echo, async (response) => ({ response }));
  server.register(calls.operate, async (response) => ({ response }));
  server.register(calls.give, async (response) => ({
    response,
    payload: [Buffer.alloc(Math.min(response.number, 1000), 7)],
  }));
  server.register(calls.mirror, mirror, { borrowsPayload: true });
  await server.listen(listener.address);
  return { connection };
}

/** What the server sent, message by message, and whether it ended the connection. */
async function askServer(pieces: readonly Buffer[]): Promise<string[]> {
  const { connection } = await openServer();
  connection.deliver(pieces);
  await settled();
  const said = messagesOf(connection);
  if (connection.ended) said.push('end');
  else connection.onClose();
  return said;
}

/** What was written to the connection. @throws when it is not the protocol */
function messagesOf(connection: MemoryConnection): string[] {
  const said: string[] = [];
  const inbox = new Inbox({
    admit: ({ payloadBytes }) => Buffer.alloc(payloadBytes),
    onMessage: (message) => void said.push(describe(message)),
  });
  new FrameDecoder(inbox, limits.rpcControlBytesMax).push(connection.written());
  return said;
}

function describe({ header, control, payload }: Incoming): string {
  const { type, number } = header;
  if (type !== frameType.failure) return `${type} ${number} ${payload?.toString('latin1')}`;
  const { errorName } = decodeFailure(control);
  assert.notEqual(errorName, 'INTERNAL', 'a bug was met while bytes were decoded');
  return `${type} ${number} ${errorName}`;
}

/** How each call of the client ended. */
async function askClient(pieces: readonly Buffer[]): Promise<string[]> {
  const connection = new MemoryConnection();
  const client = new ReconnectingClient({
    net: {
      connect: async () => connection,
      listen: () => Promise.reject(new Error('not a server')),
    },
    clock: still,
    events,
    address: { kind: 'unix', path: '' },
    role: 'fuzz',
    token: Buffer.from('write'),
  });
  await settled();
  const ends = asked.map(async ({ call, number, answer }) => {
    try {
      const payload = call === calls.mirror ? [fromLatin1(answer)] : [];
      const got = await client.call(call, { number }, { payload, answerBytes: answer.length });
      return `${got.response.number} ${toLatin1(got.payload)}`;
    } catch (error) {
      // An INTERNAL of ours has a cause; one that the peer told has none.
      const told = isCoreError(error) && (error.errorName !== 'INTERNAL' || !error.cause);
      return told ? error.errorName : `thrown ${inspect(error)}`;
    }
  });
  connection.deliver(pieces);
  await settled();
  client.close();
  messagesOf(connection);
  const never = settled().then(() => 'never');
  return Promise.all(ends.map((end) => Promise.race([end, never])));
}

async function check({ to, frames, valid, cuts }: Input): Promise<string> {
  const ask = to === 'server' ? askServer : askClient;
  const bytes = bytesOf(frames);
  const whole = await ask([bytes]);
  const splits = [cutAt(bytes, cuts), ...(bytes.length <= 2000 ? [everyByte(bytes)] : [])];
  for (const pieces of splits)
    assert.deepEqual(await ask(pieces), whole, 'the outcome depends on how the bytes are cut');
  const wrong = whole.filter((end) => end === 'never' || end.startsWith('thrown'));
  assert.deepEqual(wrong, [], 'a call that never ended, or with an error that is not ours');
  assert.deepEqual(bugs, []);
  if (valid) checkValid(to, frames, whole);
  const told = whole.findLast((end) => /PROTOCOL|ACCESS_DENIED|VERSION|UNAVAILABLE/.test(end));
  return `${to} ${valid ? 'valid' : (told ?? 'answered').replace(/.* /, '')}`;
}

function checkValid(to: string, frames: readonly Frame[], whole: readonly string[]): void {
  if (to === 'client') {
    const expected = asked.map(({ number, answer }) => `${number} ${answer}`);
    // A goodbye in the middle leaves later calls to the next connection.
    if (!frames.some(({ type }) => type === frameType.goodbye)) assert.deepEqual(whole, expected);
    return;
  }
  assert.ok(!whole.includes('end'), `a valid conversation was ended: ${whole.join(', ')}`);
  const requests = frames.filter(({ type }) => type === frameType.request);
  const answers = whole.filter((said) => !said.startsWith(`${frameType.welcome} `));
  assert.equal(answers.length, requests.length, 'each request is answered once');
}

export const rpcFuzzer = fuzzer<Input>({
  name: 'rpc',
  expected: ['server valid', 'client valid', 'server PROTOCOL', 'server answered'],
  generate: (random) =>
    random.chance(0.2) ? makeValid(random) : mutate(random, makeValid(random)),
  mutate,
  check,
});
