// A short run of the fuzzers with fixed seeds; long ones: `node dist/test/fuzz/s3-body.js --minutes N`.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { runRounds } from '../../fuzz/run.ts';
import { fuzzBody } from '../../fuzz/s3-body.ts';
import { fuzzRequest } from '../../fuzz/s3-request.ts';

describe('fuzz, short', () => {
  test('bodies: an S3 error or the original content, however they are cut', () => {
    const tally = runRounds(fuzzBody, 1, (rounds) => rounds < 4000);
    for (const outcome of [
      'valid',
      'MalformedTrailerError',
      'IncompleteBody',
      'SignatureDoesNotMatch',
      'BadDigest',
    ]) {
      assert.ok((tally.get(outcome) ?? 0) > 10, `${outcome}: ${tally.get(outcome)}`);
    }
  });

  test('requests: an S3 error, or nothing that is signed was changed', () => {
    const tally = runRounds(fuzzRequest, 1, (rounds) => rounds < 4000);
    for (const outcome of ['accepted', 'SignatureDoesNotMatch', 'AccessDenied', 'InvalidURI']) {
      assert.ok((tally.get(outcome) ?? 0) > 10, `${outcome}: ${tally.get(outcome)}`);
    }
  });
});
