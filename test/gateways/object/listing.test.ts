// Listings through the door, on the real core: order, groups, pages, markers, encodings. What the model finds
// is tested with the model; here is what a client sees.

import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { elementOf, outcome } from './door.ts';
import { type System, elementsOf, sharedSystem } from './system.ts';

let s3: System;
/** In byte order, which is not the order of JavaScript strings: the emoji sorts after U+FF21. */
const keys = ['a', 'a+b', 'a/1', 'a/2', 'b c/x', 'b/', 'b/y/z', 'ä', '\uff21', '\u{1f600}'];

interface Page {
  readonly keys: string[];
  readonly prefixes: string[];
  readonly truncated: boolean;
}

async function list(query: string): Promise<Page & { answer: Awaited<ReturnType<System['get']>> }> {
  const answer = await s3.get(`/list?${query}`);
  assert.equal(answer.status, 200, answer.body.toString());
  return {
    answer,
    keys: elementsOf(answer, 'Key'),
    prefixes: elementsOf(answer, 'Prefix').slice(1),
    truncated: elementOf(answer, 'IsTruncated') === 'true',
  };
}

describe('listings', () => {
  before(async () => {
    s3 = await sharedSystem();
    await s3.put('/list');
    for (const key of keys) await s3.put(`/list/${encodeURIComponent(key)}`, key);
  });
  describe('one page', () => {
    test('keys come in the order of their bytes, from every call', async () => {
      for (const call of ['', 'list-type=2', 'versions'])
        assert.deepEqual((await list(call)).keys, keys, call);
    });

    test('groups by a delimiter of any kind', async () => {
      const slash = await list('list-type=2&delimiter=/');
      assert.deepEqual(slash.keys, ['a', 'a+b', 'ä', '\uff21', '\u{1f600}']);
      assert.deepEqual(slash.prefixes, ['a/', 'b c/', 'b/']);
      assert.equal(elementOf(slash.answer, 'KeyCount'), '8');
      const below = await list('prefix=b/&delimiter=/');
      assert.deepEqual([below.keys, below.prefixes], [['b/'], ['b/y/']]);
      const plus = await list('delimiter=%2B');
      assert.deepEqual(plus.prefixes, ['a+']);
    });

    test('names in url encoding', async () => {
      const { answer, keys: shown } = await list(
        'list-type=2&encoding-type=url&delimiter=/&prefix=b',
      );
      assert.deepEqual(shown, []);
      assert.deepEqual(elementsOf(answer, 'Prefix'), ['b', 'b%20c/', 'b/']);
      const all = await list('encoding-type=url');
      assert.deepEqual(all.keys.map(decodeURIComponent), keys);
      assert.ok(all.keys.includes('a%2Bb') && all.keys.includes('b%20c/x'));
    });

    test('owners on demand in version 2, always in version 1', async () => {
      assert.equal(elementOf((await list('list-type=2')).answer, 'ID'), undefined);
      assert.ok(elementOf((await list('list-type=2&fetch-owner=true')).answer, 'ID') !== undefined);
      assert.ok(elementOf((await list('')).answer, 'ID') !== undefined);
    });

    test('a page of no keys is complete and empty', async () => {
      for (const call of ['max-keys=0', 'list-type=2&max-keys=0', 'versions&max-keys=0']) {
        const page = await list(call);
        assert.deepEqual([page.keys, page.truncated], [[], false], call);
      }
      assert.equal(outcome(await s3.get('/no-bucket?max-keys=0')), '404 NoSuchBucket');
    });

    test('bad parameters', async () => {
      const bad = [
        'max-keys=-1',
        'max-keys=x',
        'encoding-type=x',
        'delimiter=/&allow-unordered=true',
      ];
      bad.push('list-type=2&continuation-token=x', 'versions&version-id-marker=x');
      for (const query of bad)
        assert.equal(outcome(await s3.get(`/list?${query}`)), '400 InvalidArgument', query);
    });
  });

  describe('pages', () => {
    const sizes = [1, 2, 3, 1000];

    test('version 2 by token', async () => {
      for (const size of sizes) {
        const found: string[] = [];
        let token = '';
        for (;;) {
          const page = await list(`list-type=2&delimiter=/&max-keys=${size}${token}`);
          found.push(...page.keys, ...page.prefixes);
          assert.ok(page.keys.length + page.prefixes.length <= size);
          const next = elementOf(page.answer, 'NextContinuationToken');
          assert.equal(page.truncated, next !== undefined);
          if (next === undefined) break;
          token = `&continuation-token=${next}&start-after=ignored`;
        }
        assert.deepEqual(
          found.toSorted(),
          ['a', 'a+b', 'a/', 'b c/', 'b/', 'ä', '\uff21', '\u{1f600}'].toSorted(),
        );
      }
    });

    test('version 1 by marker, with and without a delimiter', async () => {
      for (const delimiter of ['', '&delimiter=/']) {
        for (const size of sizes) {
          const found: string[] = [];
          let marker = '';
          for (;;) {
            const page = await list(
              `max-keys=${size}${delimiter}&marker=${encodeURIComponent(marker)}`,
            );
            found.push(...page.keys, ...page.prefixes);
            const next = elementOf(page.answer, 'NextMarker');
            assert.equal(next !== undefined, page.truncated && delimiter !== '');
            if (!page.truncated) break;
            marker = next ?? (page.keys.at(-1) as string);
          }
          assert.equal(found.length, delimiter === '' ? keys.length : 8, `${delimiter} ${size}`);
          assert.equal(new Set(found).size, found.length);
        }
      }
    });

    test('versions by key and version marker', async () => {
      const found: string[] = [];
      let markers = '';
      for (;;) {
        const page = await list(`versions&max-keys=3${markers}`);
        found.push(...page.keys);
        assert.ok(elementsOf(page.answer, 'VersionId').every((id) => id === 'null'));
        assert.ok(elementsOf(page.answer, 'IsLatest').every((latest) => latest === 'true'));
        if (!page.truncated) break;
        const key = elementOf(page.answer, 'NextKeyMarker') ?? '';
        const version = elementOf(page.answer, 'NextVersionIdMarker');
        assert.equal(version, 'null');
        markers = `&key-marker=${encodeURIComponent(key)}&version-id-marker=${version}`;
      }
      assert.deepEqual(found, keys);
    });

    test('start-after and markers that are no keys', async () => {
      assert.deepEqual((await list('list-type=2&start-after=b')).keys, keys.slice(4));
      assert.deepEqual((await list('marker=a%2F1')).keys, keys.slice(3));
      assert.deepEqual((await list('marker=zzzz')).keys, ['ä', '\uff21', '\u{1f600}']);
      assert.deepEqual((await list('list-type=2&start-after=a/&delimiter=/')).prefixes, [
        'b c/',
        'b/',
      ]);
    });
  });
});
