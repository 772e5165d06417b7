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
    // The bytes that protobufjs 8.8 writes for the same messages.
    const few = { ...value, x: 0, s: 'é€😀', raw: Buffer.alloc(0), f: false };
    assert.equal(
      Outer.encode(few).toString('hex'),
      '08001209c3a9e282acf09f98801a0020002a0208003205080112017132020802380138808080808020',
    );
    assert.equal(
      Outer.encode({ ...few, s: '', x: 2 ** 53 - 1, numbers: [], list: [] }).toString('hex'),
      '08ffffffffffffff0f12001a0020002a020800',
    );
  });

  test('messages larger than the scratch memory, and strings around its short form', () => {
    for (const count of [0, 1, 31, 32, 33, 127, 128, 16_383, 16_384, 70_000]) {
      for (const s of ['a'.repeat(count), `${'é'.repeat(count)}x`, `${'a'.repeat(count)}😀`]) {
        const large = { ...value, s, raw: Buffer.alloc(count, 'r') };
        assert.deepEqual(Outer.decode(Outer.encode(large)), large);
      }
    }
  });

  test('a message is encoded whole after one that failed half-way', () => {
    assert.throws(() => Outer.encode({ ...value, numbers: [1, -1, 2] }), /Outer.numbers/);
    assert.deepEqual(Outer.decode(Outer.encode(value)), value);
  });

  test('repeated numbers are read in the packed form too', () => {
    assert.deepEqual(Outer.decode(Buffer.from('3a0301ac02', 'hex')).numbers, [1, 300]);
  });

  test('a field of another wire type is unknown, and survives', () => {
    const strange = Buffer.from('0d010203040901020304050607080a0161c03e05', 'hex');
    const decoded = OlderOuter.decode(strange);
    assert.deepEqual(decoded, { x: 0 });
    const again = OlderOuter.encode(keepUnknown(decoded, { x: 1 }));
    assert.equal(again.toString('hex'), `0801${strange.toString('hex')}`);
  });

  test('every cut of a message is refused or ends between two fields', () => {
    const whole = Outer.encode(value);
    let refusals = 0;
    for (let length = 0; length < whole.length; length++) {
      try {
        Outer.decode(whole.subarray(0, length));
      } catch (error) {
        if (!isProtocol(error)) throw error;
        refusals++;
      }
    }
    // Fields begin at 0, 9, 16, 18, 22, 29, 33 and 35.
    assert.equal(refusals, whole.length - 8);
  });

  test('refuses malformed bytes and integers of 2^53 or more', () => {
    assert.throws(() => Outer.decode(Buffer.from([0xff, 0xff])), isProtocol);
    const malformed = [
      '08ffffffffffffffff7f', // more than 2^53
      '08808080808080808010', // exactly 2^60
      '088080808080808010', // exactly 2^53
      '0880808080808080808080808001', // more than ten bytes
      '0001', // field 0
      '0b0c', // a group
      '0f', // no wire type
      '2a05080032', // an embedded message longer than the rest
      '2a0108', // an embedded message that ends within a field
      '12ffffffffffffffff7f61', // a length beyond everything
    ];
    for (const hex of malformed)
      assert.throws(() => Outer.decode(Buffer.from(hex, 'hex')), isProtocol, hex);
    assert.equal(Outer.decode(Buffer.from('08ffffffffffffff0f', 'hex')).x, 2 ** 53 - 1);
    assert.throws(() => OlderOuter.encode({ x: -1 }), /OlderOuter.x/);
    assert.throws(() => OlderOuter.encode({ x: 2 ** 53 }), /OlderOuter.x/);
  });
});
