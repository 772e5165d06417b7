// Every coverage mark of the sources is passed by a test that says so (test/model/marks.ts).

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { engineMarks, namespaceMarks, otherMarks } from '../model/marks.ts';
import { sourceFiles, textFiles } from './repository.ts';

const files = textFiles();
const texts = new Map(files.map(({ path, text }) => [path, text]));
const sources = sourceFiles(files).filter(({ path }) => path.startsWith('core/'));
const inSources = sources.flatMap(({ text }) =>
  [...text.matchAll(/\bmark\('([^']+)'\)/g)].map(([, name]) => name as string),
);
const claimed = [
  ...Object.values(engineMarks).flat(),
  ...Object.values(namespaceMarks).flat(),
  ...Object.keys(otherMarks),
];

describe('coverage marks', () => {
  test('each of the sources is claimed by a model or by a test', () => {
    assert.ok(inSources.length > 50, 'the marks were found');
    const known = new Set<string>(claimed);
    assert.deepEqual(
      [...new Set(inSources)].filter((name) => !known.has(name)),
      [],
    );
  });

  test('each that is claimed is in the sources', () => {
    const known = new Set(inSources);
    assert.deepEqual(
      claimed.filter((name) => !known.has(name)),
      [],
    );
  });

  test('each is claimed once', () => {
    const names = new Set(claimed);
    assert.deepEqual(
      claimed.filter((name) => !names.delete(name)),
      [],
    );
  });

  test('tests that claim one look at it', () => {
    const silent = Object.entries(otherMarks).filter(
      ([name, path]) => texts.get(path)?.includes(`'${name}'`) !== true,
    );
    assert.deepEqual(silent, []);
  });
});
