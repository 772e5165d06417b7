import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { CoreError } from '../../../core/base/errors.ts';
import {
  bool,
  bytes,
  keepUnknown,
  many,
  message,
  nested,
  optional,
  string,
  uint,
} from '../../../core/base/message.ts';

const Inner = message('Inner', { a: uint(1), b: optional(string(2)) });
const Outer = message('Outer', {
  x: uint(1),
  s: optional(string(2)),
  raw: bytes(3),
  f: bool(4),
  inner: nested(5, Inner),
  list: many(nested(6, Inner)),
  numbers: many(uint(7)),
});
const OlderOuter = message('OlderOuter', { x: uint(1) });

const value = {
  x: 2 ** 52,
  raw: Buffer.from('bytes'),
  f: true,
  inner: { a: 0 },
  list: [{ a: 1, b: 'q' }, { a: 2 }],
  numbers: [1, 2 ** 40],
};

const isProtocol = (error: unknown): boolean =>
  error instanceof CoreError && error.errorName === 'PROTOCOL';

describe('message', () => {
  test('round trips every field shape', () => {
    assert.deepEqual(Outer.decode(Outer.encode(value)), value);
  });

  test('absent fields decode to their defaults, optional ones to nothing', () => {
    assert.deepEqual(Outer.decode(new Uint8Array()), {
      x: 0,
      raw: Buffer.alloc(0),
      f: false,
      inner: { a: 0 },
      list: [],
      numbers: [],
    });
  });

  test('optional bytes are absent or there, empty ones too', () => {
    const Blob = message('Blob', { raw: optional(bytes(1)) });
    assert.deepEqual(Blob.decode(Blob.encode({})), {});
    assert.deepEqual(Blob.decode(Blob.encode({ raw: Buffer.alloc(0) })), { raw: Buffer.alloc(0) });
    const raw = Buffer.from('x');
    assert.deepEqual(Blob.decode(Blob.encode({ raw })), { raw });
  });

  test('unknown fields survive a rewrite by an older build', () => {
    const older = OlderOuter.decode(Outer.encode(value));
    const rewritten = keepUnknown(older, { x: 7 });
    assert.deepEqual(Outer.decode(OlderOuter.encode(rewritten)), { ...value, x: 7 });
  });

  test('is plain protobuf on the wire', () => {
    // Field 1 varint 150: the example of protobuf.dev/programming-guides/encoding.
    assert.equal(OlderOuter.encode({ x: 150 }).toString('hex'), '089601');
  });

  test('refuses malformed bytes and integers of 2^53 or more', () => {
    assert.throws(() => Outer.decode(Buffer.from([0xff, 0xff])), isProtocol);
    assert.throws(() => Outer.decode(Buffer.from('08ffffffffffffffff7f', 'hex')), isProtocol);
    assert.throws(() => OlderOuter.encode({ x: -1 }), /OlderOuter.x/);
    assert.throws(() => OlderOuter.encode({ x: 2 ** 53 }), /OlderOuter.x/);
  });
});
