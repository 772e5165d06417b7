// The aws-chunked framing itself: cut at every byte, malformed in every line, and what a decoder costs.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { AssertionError } from '../../../core/base/assert.ts';
import { makeBodyDecoder, type BodyDecoder } from '../../../protocols/s3/body-decoder.ts';
import type { AwsChunkedOptions } from '../../../protocols/s3/aws-chunked-decoder.ts';
import type { S3ErrorCode } from '../../../protocols/s3/errors.ts';
import type { ChunkSigning } from '../../../protocols/s3/verify-signature.ts';
import { encodeAwsChunked, type EncodeOptions } from './aws-chunked-encoder.ts';
import { s3Error } from './helpers.ts';

const signing: ChunkSigning = {
  signingKey: Buffer.alloc(32, 7),
  scope: { date: '20260915', region: 'lampyr', service: 's3' },
  amzDate: '20260915T120000Z',
  seedSignature: 'ab'.repeat(32),
};
const checksum = ['x-amz-checksum-crc32', 'AAAAAA=='] as const;

interface Framing {
  readonly name: string;
  readonly encode: EncodeOptions;
  readonly decode: Partial<AwsChunkedOptions>;
}

const framings: readonly Framing[] = [
  { name: 'signed chunks', encode: { signing }, decode: { signing } },
  {
    name: 'signed chunks and trailers',
    encode: { signing, trailers: [checksum] },
    decode: { signing, trailerNames: [checksum[0]] },
  },
  { name: 'trailers', encode: { trailers: [checksum] }, decode: { trailerNames: [checksum[0]] } },
  { name: 'no trailers', encode: { trailers: [] }, decode: { trailerNames: [] } },
];

function decoder(options: Partial<AwsChunkedOptions>): BodyDecoder {
  return makeBodyDecoder({
    kind: 'aws-chunked',
    signing: undefined,
    trailerNames: undefined,
    contentBytes: undefined,
    contentBytesMax: 1 << 30,
    ...options,
  });
}

function decode(options: Partial<AwsChunkedOptions>, pieces: readonly Uint8Array[]): Buffer {
  const made = decoder(options);
  const content = pieces.flatMap((piece) => made.push(piece));
  made.end();
  return Buffer.concat(content);
}

const content = Buffer.from('0123456789\r\n0\r\n\r\nabcdef;chunk-signature=');

describe('aws-chunked', () => {
  for (const framing of framings) {
    const body = encodeAwsChunked(content, { ...framing.encode, chunkBytes: [1, 20] });

    test(`${framing.name}: cut at every byte`, () => {
      for (let at = 0; at <= body.length; at++) {
        const pieces = [body.subarray(0, at), body.subarray(at)];
        assert.deepEqual(decode(framing.decode, pieces), content, `cut at ${at}`);
      }
      const single = Array.from(body, (_, at) => body.subarray(at, at + 1));
      assert.deepEqual(decode(framing.decode, single), content);
    });

    test(`${framing.name}: ended at every byte`, () => {
      for (let at = 0; at < body.length; at++) {
        s3Error('IncompleteBody', () => decode(framing.decode, [body.subarray(0, at)]));
      }
    });

    test(`${framing.name}: any content in any chunks in any pieces`, () => {
      const lengths = fc.array(fc.nat(300), { maxLength: 8 });
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 1000 }), lengths, lengths, (bytes, chunks, cuts) => {
          const whole = encodeAwsChunked(bytes, { ...framing.encode, chunkBytes: chunks });
          const pieces: Buffer[] = [];
          let at = 0;
          for (const cut of cuts) pieces.push(whole.subarray(at, (at += cut)));
          pieces.push(whole.subarray(at));
          const exact = { ...framing.decode, contentBytes: bytes.length };
          assert.deepEqual(decode(exact, pieces), Buffer.from(bytes));
        }),
      );
    });

    test(`${framing.name}: a changed byte never passes as other content`, () => {
      for (let at = 0; at < body.length; at++) {
        for (const bit of [1, 0x20, 0x80]) {
          const changed = Buffer.from(body);
          changed[at] = (changed[at] as number) ^ bit;
          const outcome = tryDecode({ ...framing.decode, contentBytes: content.length }, changed);
          if (outcome === undefined || framing.decode.signing === undefined) continue;
          // What is left: the size's hex digits and trailer names in another case.
          assert.deepEqual(outcome, content, `changed at ${at}`);
          assert.equal(changed.toString().toLowerCase(), body.toString().toLowerCase());
        }
      }
    });
  }

  test('gives views of the input, a piece for each part of a chunk', () => {
    const body = encodeAwsChunked(content, { chunkBytes: [5] });
    const made = decoder({});
    const pieces = made.push(body);
    assert.equal(pieces.length, 2);
    for (const piece of pieces) assert.equal(piece.buffer, body.buffer);
    assert.equal(made.contentBytes, content.length);
  });

  test('is dead after an error and after its end', () => {
    const failed = decoder({});
    s3Error('IncompleteBody', () => failed.push(Buffer.from('x\r\n')));
    assert.throws(() => failed.push(Buffer.from('0\r\n\r\n')), AssertionError);
    assert.throws(() => failed.end(), AssertionError);
    const ended = decoder({});
    ended.push(Buffer.from('0\r\n\r\n'));
    ended.end();
    assert.throws(() => ended.end(), AssertionError);
    const plain = makeBodyDecoder({ kind: 'plain', contentBytes: 1, contentBytesMax: 9 });
    s3Error('IncompleteBody', () => plain.push(Buffer.from('xy')));
    assert.throws(() => plain.push(Buffer.alloc(1)), AssertionError);
  });

  test('takes an empty body without framing only when the length says so', () => {
    const empty = { signing, contentBytes: 0 };
    assert.equal(decode({ ...empty, emptyBody: true }, []).length, 0);
    s3Error('IncompleteBody', () => decode(empty, []));
    s3Error('IncompleteBody', () => decode({ signing, contentBytes: 1, emptyBody: true }, []));
    s3Error('IncompleteBody', () => decode({ ...empty, emptyBody: true }, [Buffer.from('0')]));
  });
});

function tryDecode(options: Partial<AwsChunkedOptions>, body: Buffer): Buffer | undefined {
  try {
    return decode(options, [body]);
  } catch {
    return undefined;
  }
}

function sizes(...chunkBytes: number[]): Buffer {
  const bytes = Buffer.alloc(chunkBytes.reduce((sum, size) => sum + size, 0));
  return encodeAwsChunked(bytes, { chunkBytes });
}

describe('aws-chunked: malformed framing', () => {
  const trailer = { trailerNames: [checksum[0]] };
  const crc = 'x-amz-checksum-crc32:AAAAAA==\r\n\r\n';

  function refused(code: S3ErrorCode, body: string, options: Partial<AwsChunkedOptions> = trailer) {
    return s3Error(code, () => decode({ contentBytes: 10, ...options }, [Buffer.from(body)]));
  }

  test('of chunks is an incomplete body', () => {
    const bodies = [
      'A\ndummy data\r\n0\r\n\r\n',
      'A\r\ndummy data0\r\n\r\n',
      'A\r\nXYZ\r\ndummy data\r\n0\r\n\r\n',
      'B\r\ndummy data\r\n0\r\n\r\n',
      'A\r\ndummy data\r\n0\r\n',
      `A\r\ndummy data\r\n0\r\n${crc.slice(0, -2)}`,
      'A\r\n',
      'A\r\nA\r\ndummy data\r\n0\r\n\r\n',
      `invalid_chunk_size\r\ndummy data\r\n0\r\n${crc}`,
      `A\r\ndummy data\r\nJ\r\n${crc}`,
      `\r\nA\r\ndummy data\r\n0\r\n${crc}`,
      `-A\r\ndummy data\r\n0\r\n${crc}`,
      `0xA\r\ndummy data\r\n0\r\n${crc}`,
      `A \r\ndummy data\r\n0\r\n${crc}`,
      `A\r\ndummy data\r\n0\r\n${crc}more`,
      `A\r\ndummy data\r\n0\r\n${crc}\r\n`,
      `fffffffffffffffff\r\n`,
    ];
    for (const body of bodies) refused('IncompleteBody', body);
  });

  test('lengths that lie are found before their content is taken', () => {
    refused('IncompleteBody', 'b\r\n', { contentBytes: 10 });
    refused('IncompleteBody', 'ffffffffffffffff\r\n', { contentBytes: 10 });
    const unknown = { contentBytes: undefined, contentBytesMax: 10 };
    refused('EntityTooLarge', 'b\r\n', unknown);
    refused('EntityTooLarge', '5\r\nabcde\r\n6\r\n', unknown);
    assert.equal(decode({ ...unknown }, [Buffer.from('a\r\n0123456789\r\n0\r\n\r\n')]).length, 10);
  });

  test('accepts chunk extensions and leading zeros where nothing is signed', () => {
    const body = Buffer.from(`00000a;name=value\r\ndummy data\r\n0;x\r\n${crc}`);
    assert.equal(decode({ ...trailer, contentBytes: 10 }, [body]).toString(), 'dummy data');
  });

  test('lines are bounded', () => {
    const long = 'a'.repeat(5000);
    refused('IncompleteBody', `A;${long}`);
    refused('IncompleteBody', `A;${long}\r\n`);
    refused('IncompleteBody', `A\r\ndummy data\r\n0\r\nx:${long}\r\n\r\n`);
    const drip = decoder(trailer);
    s3Error('IncompleteBody', () => {
      for (let at = 0; at < 5000; at++) drip.push(Buffer.from('a'));
    });
  });

  test('of trailers is a malformed trailer', () => {
    const last = 'A\r\ndummy data\r\n0\r\n';
    refused('MalformedTrailerError', `${last}\r\n`);
    refused('MalformedTrailerError', `${last}:AAAAAA==\r\n\r\n`);
    refused('MalformedTrailerError', `${last}invalid_trailer:AAAAAA==\r\n\r\n`);
    refused('MalformedTrailerError', `${last}no colon\r\n\r\n`);
    refused('MalformedTrailerError', `${last}${crc}`, { trailerNames: [] });
    refused('MalformedTrailerError', `${last}x-amz-checksum-crc32:AAAAAA==\r\n${crc}`);
    refused('MalformedTrailerError', `${last}x-amz-trailer-signature:${'0'.repeat(64)}\r\n\r\n`);
    // Without trailers announced there is an empty line, and nothing more.
    refused('IncompleteBody', `${last}${crc}`, { trailerNames: undefined });
  });

  test('trailer names in any case, values without blanks around, lines with or without CR', () => {
    const forms = ['X-Amz-Checksum-CRC32: AAAAAA== \r\n\r\n', 'x-amz-checksum-crc32:AAAAAA==\n\n'];
    for (const form of forms) {
      const made = decoder(trailer);
      made.push(Buffer.from(`0\r\n${form}`));
      made.end();
      assert.equal(made.trailers.get('x-amz-checksum-crc32'), 'AAAAAA==');
    }
  });

  test('chunks under 8 KiB inside are refused in strict mode only', () => {
    const strict = { strictChunks: true };
    for (const good of [[8192, 8192, 100], [100], [10_000, 9500, 20], []]) {
      decode(strict, [sizes(...good)]);
    }
    for (const bad of [
      [100, 8192, 100],
      [8192, 10, 100],
      [10, 10],
      [10_000, 10, 8192],
    ]) {
      decode({}, [sizes(...bad)]);
      const error = s3Error('InvalidChunkSizeError', () => decode(strict, [sizes(...bad)]));
      assert.match(error.fields['BadChunkSize'] ?? '', /^(10|100)$/);
    }
  });
});

describe('aws-chunked: signatures', () => {
  const options = { signing, contentBytes: content.length };
  const body = encodeAwsChunked(content, { signing, chunkBytes: [10, 10] }).toString('latin1');
  const refused = (code: S3ErrorCode, text: string, more: Partial<AwsChunkedOptions> = {}) =>
    s3Error(code, () => decode({ ...options, ...more }, [Buffer.from(text, 'latin1')]));
  const chunks = body.split(/(?<=\r\n)(?=[0-9a-f]+;chunk-signature=[0-9a-f]{64}\r\n)/);
  const [first = '', second = '', third = '', last = ''] = chunks;

  test('hold the chunks in their order', () => {
    assert.equal(chunks.length, 4);
    assert.deepEqual(decode(options, [Buffer.from(body, 'latin1')]), content);
    refused('SignatureDoesNotMatch', second + first + third + last);
    refused('SignatureDoesNotMatch', first + third + last);
    refused('SignatureDoesNotMatch', first + first + second + third + last);
    refused('SignatureDoesNotMatch', first + second + last);
    refused('IncompleteBody', first + second + third);
    refused('SignatureDoesNotMatch', last, { contentBytes: undefined });
  });

  test('are needed on each chunk, whole', () => {
    refused('IncompleteBody', body.replace(';chunk-signature=', ';signature='));
    refused('IncompleteBody', body.replace(/;chunk-signature=[0-9a-f]{64}/, ''));
    refused('IncompleteBody', body.replace(/(signature=[0-9a-f]{60})..../, '$1'));
    refused('IncompleteBody', body.replace(';', ':'));
    refused('IncompleteBody', encodeAwsChunked(content).toString('latin1'));
    const other = { ...signing, seedSignature: '0'.repeat(64) };
    refused('SignatureDoesNotMatch', body, { signing: other });
    refused('SignatureDoesNotMatch', body, {
      signing: { ...signing, signingKey: Buffer.alloc(32) },
    });
  });

  test('cover the trailers', () => {
    const trailers = [checksum] as const;
    const encoded = encodeAwsChunked(content, { signing, trailers }).toString('latin1');
    const announced = { trailerNames: [checksum[0]] };
    decode({ ...options, ...announced }, [Buffer.from(encoded, 'latin1')]);
    refused('SignatureDoesNotMatch', encoded.replace('AAAAAA==', 'AAAAAQ=='), announced);
    refused('SignatureDoesNotMatch', encoded.replace(/signature:./, 'signature:g'), announced);
    const spaced = encoded.replace('x-amz-trailer-signature', '\r\nx-amz-trailer-signature');
    decode({ ...options, ...announced }, [Buffer.from(spaced, 'latin1')]);
    const wide = encoded.replace('x-amz-trailer-signature', '\r\n\r\nx-amz-trailer-signature');
    refused('MalformedTrailerError', wide, announced);
    // One empty line before the signature is no end, so that the body ends before its signature.
    refused('IncompleteBody', encoded.replace(/x-amz-trailer-signature.*\r\n/, ''), announced);
    const unchecked = encoded.replace('x-amz-checksum-crc32:AAAAAA==\r\n', '');
    refused('SignatureDoesNotMatch', unchecked, announced);
    const none = encodeAwsChunked(content, { signing, trailers: [] }).toString('latin1');
    refused('MalformedTrailerError', none, announced);
    const after = encoded.replace(/(x-amz-checksum.*\r\n)(x-amz-trailer-sig.*\r\n)/, '$2$1');
    refused('MalformedTrailerError', after, announced);
    // A body signed without trailers is not one with them, nor the other way round.
    refused('MalformedTrailerError', body, announced);
    refused('IncompleteBody', encoded);
  });

  test('bound the size of a chunk', () => {
    const error = refused(
      'InvalidChunkSizeError',
      `1000001;chunk-signature=${'0'.repeat(64)}\r\n`,
      {
        contentBytes: undefined,
      },
    );
    assert.equal(error.fields['BadChunkSize'], String((16 << 20) + 1));
  });
});
