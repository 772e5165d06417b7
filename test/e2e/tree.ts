// A directory tree of real files for the client tests: names and sizes of this project's node_modules, which
// has deep paths, empty files, odd names and everything from 0 bytes to megabytes.

import { createHash } from 'node:crypto';
import {
  copyFileSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, relative } from 'node:path';

const source = new URL('../../../node_modules/', import.meta.url).pathname;

/** Names that clients escape in different ways; all are legal keys and legal file names. */
const oddNames = [
  'blank space.txt',
  'plus+plus.txt',
  'per%cent%20.txt',
  'ümläut-日本-🎇.txt',
  "quote'&<x>.txt",
  '~tilde(1)!*.txt',
  '=eq,semi;.txt',
];

/** Regular files below `directory`, as relative paths. */
export function filesBelow(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(directory, join(entry.parentPath, entry.name)))
    .toSorted();
}

/** Copies up to `count` files (of at most `bytesMax` each) and the oddly named ones; returns their number. */
export function makeTree(into: string, count: number, bytesMax: number): number {
  let made = 0;
  for (const file of filesBelow(source)) {
    if (made >= count) break;
    if (statSync(join(source, file)).size > bytesMax) continue;
    const target = join(into, file);
    mkdirSync(dirname(target), { recursive: true });
    copyFileSync(join(source, file), target);
    made++;
  }
  for (const name of oddNames) {
    mkdirSync(join(into, 'odd names'), { recursive: true });
    writeFileSync(join(into, 'odd names', name), `content of ${name}`);
    made++;
  }
  return made;
}

function digestsOf(root: string): Map<string, string> {
  const digest = (file: string): string =>
    createHash('sha256')
      .update(readFileSync(join(root, file)))
      .digest('hex');
  return new Map(filesBelow(root).map((file) => [file, digest(file)]));
}

/** What differs between two trees, by path and content; empty when identical. */
export function compareTrees(left: string, right: string): string[] {
  const [a, b] = [digestsOf(left), digestsOf(right)];
  const differences: string[] = [];
  for (const [file, digest] of a) {
    if (!b.has(file)) differences.push(`${file}: missing`);
    else if (b.get(file) !== digest) differences.push(`${file}: content differs`);
  }
  for (const file of b.keys()) if (!a.has(file)) differences.push(`${file}: not in the source`);
  return differences;
}
