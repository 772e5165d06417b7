// Fuzzer of the S3 door on real sockets: signed requests, some in a row, with changed bytes, cut into writes and
// ended in the middle. Every answer is HTTP that was meant: an error is an S3 document with its code and never
// the door's own fault; nothing is thrown past the dispatcher, and the door goes on to serve.

import assert from 'node:assert/strict';
import type { Prng } from '../../core/base/prng.ts';
import {
  type Answer,
  type Door,
  elementOf,
  openDoor,
  requestBytes,
} from '../gateways/object/door.ts';
import { cutAt, fromLatin1, fuzzer, mutateBytes, randomBytes, randomCuts } from './fuzzer.ts';

type Request = {
  method: string;
  target: string;
  headers: Record<string, string>;
  body: string | null;
  payloadHash: string | null;
};

/** Signatures carry the time, so changes are kept as what they are: at a place, instead of some bytes. */
type Edit = { at: number; remove: number; insert: string };

type Input = {
  requests: Request[];
  edits: Edit[];
  cuts: number[];
  /** How the client leaves: after the answers, or in the middle of whatever there is. */
  leave: 'end' | 'reset';
};

/** Objects in memory are bounded by opening another door now and then. */
const roundsPerDoor = 500;
/** From the last byte to the last answer; a stalled body is cut after `stallMs`. */
const limits = { stallMs: 100, sweepMs: 25, keepAliveMs: 200, requestsMax: 16 };
const answerMsMax = 20_000;
const answersMax = 64;

let door: Door | undefined;
let rounds = 0;
const rejections: unknown[] = [];
const onRejection = (reason: unknown): void => void rejections.push(reason);

async function openWithBuckets(): Promise<Door> {
  if (door !== undefined && ++rounds < roundsPerDoor) return door;
  await close();
  process.on('unhandledRejection', onRejection);
  rounds = 0;
  door = await openDoor({ limits });
  for (const target of ['/bucket', '/bucket/key'])
    await door.send({ method: 'PUT', target, body: target === '/bucket' ? '' : 'x'.repeat(300) });
  return door;
}

async function close(): Promise<void> {
  process.off('unhandledRejection', onRejection);
  await door?.close();
  door = undefined;
}

const targets = [
  '/',
  '/bucket',
  '/bucket/key',
  '/bucket/a%20b',
  '/bucket?list-type=2&max-keys=2',
  '/bucket?versions',
  '/bucket?uploads',
  '/bucket?delete',
  '/bucket?tagging',
  '/bucket?versioning',
  '/bucket?location',
  '/bucket/key?uploads',
  '/bucket/key?tagging',
  '/bucket/key?attributes',
  '/bucket/key?uploadId=x&partNumber=1',
  '/bucket/key?response-content-type=a',
  '/other',
];
const headerSets: readonly Record<string, string>[] = [
  {},
  {},
  { range: 'bytes=0-9' },
  { 'if-none-match': '*' },
  { 'x-amz-copy-source': '/bucket/key' },
  { expect: '100-continue' },
  { 'transfer-encoding': 'chunked' },
  { 'x-amz-checksum-crc32': 'AAAAAA==' },
  { 'x-amz-meta-a': 'b', 'content-type': 'c' },
  { 'content-length': '5' },
  { 'content-length': '99999999999999999999' },
  { connection: 'close' },
  {
    'x-amz-content-sha256': 'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
    'x-amz-trailer': 'x-amz-checksum-crc32',
  },
];
const bodies = [
  '',
  'hello',
  '5\r\nhello\r\n0\r\n\r\n',
  '5;chunk-signature=x\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n',
  '<Delete><Object><Key>gone</Key></Object></Delete>',
  '<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>',
  '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>',
  '<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>a</ETag></Part></CompleteMultipartUpload>',
  '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
];

function makeRequest(random: Prng): Request {
  const method = random.pick(['GET', 'HEAD', 'PUT', 'POST', 'DELETE', 'OPTIONS']);
  const withBody = method === 'PUT' || method === 'POST' || random.chance(0.1);
  return {
    method,
    target: random.pick(targets),
    headers: random.pick(headerSets),
    body: withBody ? random.pick([...bodies, randomBytes(random, 300)]) : null,
    payloadHash: random.chance(0.5) ? 'UNSIGNED-PAYLOAD' : null,
  };
}

const tokens = [
  '\r\n',
  '\n',
  '\r',
  '\0',
  ' ',
  ':',
  '\r\n folded',
  'HTTP/1.0',
  'HTTP/9.9',
  'Content-Length: 1\r\n',
  'Content-Length: -1\r\n',
  'Transfer-Encoding: chunked\r\n',
  'Transfer-Encoding: gzip, chunked\r\n',
  'Expect: 100-continue\r\n',
  'Connection: close\r\n',
  'Connection: upgrade\r\nUpgrade: h2c\r\n',
  'Host: other\r\n',
  'GET / HTTP/1.1\r\n\r\n',
  'CONNECT a:1 HTTP/1.1\r\n\r\n',
  'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  '%',
  '%00',
  '?',
  '&',
  `X: ${'y'.repeat(9000)}\r\n`,
  'a:b\r\n'.repeat(100),
  'ffffffffffffffff\r\n',
];

function randomEdit(random: Prng): Edit {
  const insert = random.chance(0.6) ? random.pick(tokens) : randomBytes(random, 3);
  // Most of what has a meaning is in the first line and the headers.
  const at = random.chance(0.2) ? random.below(60) : random.below(1200);
  return { at, remove: random.chance(0.5) ? 0 : random.below(12), insert };
}

function makeInput(random: Prng): Input {
  return {
    requests: Array.from({ length: 1 + random.below(3) }, () => makeRequest(random)),
    edits: random.chance(0.4) ? [] : [randomEdit(random)],
    cuts: randomCuts(random, 1500),
    leave: random.chance(0.85) ? 'end' : 'reset',
  };
}

function mutate(random: Prng, input: Input): Input {
  const requests = [...input.requests];
  const at = random.below(requests.length);
  const { body, target, ...rest } = requests[at] as Request;
  requests[at] = {
    ...rest,
    target: random.chance(0.3) ? mutateTarget(random, target) : target,
    body: body === null ? null : mutateBytes(random, body, [...bodies, ...tokens], 2),
  };
  const edits = [...input.edits, randomEdit(random)].slice(-4);
  return { ...input, requests, edits, cuts: randomCuts(random, 1500) };
}

/** Of characters that a request line can hold; escapes are broken by edits, since no signer takes them. */
const mutateTarget = (random: Prng, target: string): string =>
  `/${mutateBytes(random, target, ['%', '?', '&', '=', '/', '%2f', '%00'], 2).slice(1)}`.replaceAll(
    /[^\u0021-\u007e]|#|%(?![0-7][0-9a-f])/g,
    'x',
  );

function bytesOf(host: string, { requests, edits }: Input): Buffer {
  const whole = requests.map(({ method, target, headers, body, payloadHash }) =>
    requestBytes(host, {
      method,
      target,
      headers,
      ...(body === null ? {} : { body: fromLatin1(body) }),
      ...(payloadHash === null ? {} : { payloadHash }),
    }),
  );
  let bytes = Buffer.concat(whole);
  for (const { at, remove, insert } of edits) {
    const from = Math.min(at, bytes.length);
    bytes = Buffer.concat([
      bytes.subarray(0, from),
      fromLatin1(insert),
      bytes.subarray(from + remove),
    ]);
  }
  return bytes;
}

async function check(input: Input): Promise<string> {
  const open = await openWithBuckets();
  const events = open.events.length;
  const client = await open.connect();
  const timer = setTimeout(() => client.destroy(), answerMsMax);
  try {
    for (const piece of cutAt(bytesOf(open.host, input), input.cuts)) {
      client.write(piece);
      await new Promise((resolve) => setImmediate(resolve));
    }
    if (input.leave === 'end') client.socket.end();
    else client.socket.resetAndDestroy();
    const started = performance.now();
    await client.closed;
    assert.ok(performance.now() - started < answerMsMax, 'the connection was never ended');
    const answers = (await client.rest()).toString('latin1');
    const outcome = input.leave === 'end' ? readAnswers(answers) : 'reset';
    for (const { severity, name, fields } of open.events.slice(events))
      assert.ok(severity !== 'bug' && severity !== 'error', `${name} ${JSON.stringify(fields)}`);
    assert.deepEqual(rejections, [], 'a rejection that nobody handled');
    return outcome;
  } finally {
    clearTimeout(timer);
    client.destroy();
  }
}

/** All answers of a connection. @returns the last one's status and code */
function readAnswers(text: string): string {
  let rest = text;
  let last = 'none';
  for (let count = 0; rest !== ''; count++) {
    assert.ok(count < answersMax, 'more answers than requests');
    const { answer, length } = parseAnswer(rest);
    rest = rest.slice(length);
    const code = elementOf(answer, 'Code');
    const { status, body } = answer;
    assert.ok(
      status === 100 || (status >= 200 && status < 500) || status === 501 || code === 'SlowDown',
      `${status} ${code}`,
    );
    const isDocument = body.toString('latin1').startsWith('<?xml');
    if (status >= 400 && body.length > 0) assert.ok(isDocument && code !== undefined, text);
    last = `${status} ${code ?? ''}`.trim();
  }
  return last;
}

function parseAnswer(text: string): { answer: Answer; length: number } {
  const end = text.indexOf('\r\n\r\n') + 4;
  const match = /^HTTP\/1\.1 (\d{3}) [^\r\n]*\r\n/.exec(text);
  assert.ok(match !== null && end >= 4, `not an answer: ${JSON.stringify(text.slice(0, 300))}`);
  const status = Number(match[1]);
  const head = text.slice(0, end);
  const length = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0);
  const after = text.slice(end);
  // Nobody knows here what was answered: after that of a HEAD the next answer or nothing follows.
  const none = status < 200 || status === 204 || status === 304 || isNextAnswer(after, length);
  const bodyBytes = none ? 0 : length;
  assert.ok(after.length >= bodyBytes, 'an answer that is not whole');
  const body = fromLatin1(after.slice(0, bodyBytes));
  return { answer: { status, headers: {}, body }, length: end + bodyBytes };
}

const isNextAnswer = (after: string, length: number): boolean =>
  length > 0 && (after === '' || after.startsWith('HTTP/1.1 '));

export const doorFuzzer = fuzzer<Input>({
  name: 'door',
  expected: ['200', '400 BadRequest', '400 IncompleteBody', '403 SignatureDoesNotMatch'],
  generate: makeInput,
  mutate,
  check,
  close,
});
