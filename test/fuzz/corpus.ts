// Kept inputs: test/fuzz/corpus/NAME/*.jsonl, one input a line. `kept.jsonl` is written by `--keep` and holds the
// smallest set found that reaches all blocks; `regressions.jsonl` holds what once broke a rule, for ever;
// `outcomes.jsonl` what is rarely drawn and must come.

import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  writeFileSync,
} from 'node:fs';
import type { Json } from './fuzzer.ts';

/** dist/test/fuzz/ → the checkout. */
const folderOf = (name: string): URL =>
  new URL(`../../../test/fuzz/corpus/${name}/`, import.meta.url);

export function readCorpus(name: string): Json[] {
  const folder = folderOf(name);
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .toSorted()
    .flatMap((file) => readFileSync(new URL(file, folder), 'utf8').split('\n'))
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Json);
}

export function writeKept(name: string, inputs: readonly Json[]): void {
  const folder = folderOf(name);
  mkdirSync(folder, { recursive: true });
  const lines = inputs.map((input) => `${JSON.stringify(input)}\n`);
  writeFileSync(new URL('kept.jsonl', folder), lines.join(''));
}

/** @returns the file, for the message. */
export function addRegression(name: string, input: Json): string {
  const folder = folderOf(name);
  mkdirSync(folder, { recursive: true });
  const file = new URL('regressions.jsonl', folder);
  appendFileSync(file, `${JSON.stringify(input)}\n`);
  return file.pathname;
}
