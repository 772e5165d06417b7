// The repository as the tidy test reads it: every text file with its lines, every TypeScript source with its
// imports and with its code freed of comments and strings.

import { readFileSync, readdirSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';

/** The checkout: dist/test/tidy/ is three levels below it. */
export const root = new URL('../../../', import.meta.url).pathname;

const skipped = new Set(['node_modules', 'dist', '.git', 'lampyr-data']);
const binary = /\.(png|jpg|ico|bin|gz)$/;

export interface TextFile {
  /** Relative to the checkout, with '/'. */
  readonly path: string;
  readonly text: string;
}

export interface SourceFile extends TextFile {
  /** Comments and the insides of string literals replaced by blanks; lines keep their numbers. */
  readonly code: string;
  /** In order; a relative one resolved to a path of the checkout. */
  readonly imports: readonly string[];
}

export function textFiles(): TextFile[] {
  return walk('').map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }));
}

function walk(folder: string): string[] {
  const entries = readdirSync(join(root, folder), { withFileTypes: true });
  return entries.flatMap((entry) => {
    const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
    if (skipped.has(entry.name)) return [];
    if (entry.isDirectory()) return walk(path);
    return entry.isFile() && !binary.test(entry.name) ? [path] : [];
  });
}

const sourceFolders = /^(core|protocols|gateways|kvcache|test)\/.*\.ts$/;

export function sourceFiles(files: readonly TextFile[]): SourceFile[] {
  return files
    .filter(({ path }) => sourceFolders.test(path))
    .map(({ path, text }) => ({ path, text, code: codeOf(text), imports: importsOf(path, text) }));
}

const importPattern =
  /(?:^|[\s;])(?:import|export)\s(?:[^'";]*?\sfrom\s)?\s*'([^']+)'|import\('([^']+)'\)/g;

function importsOf(path: string, text: string): string[] {
  return [...text.matchAll(importPattern)].map((match) => {
    const target = (match[1] ?? match[2]) as string;
    return target.startsWith('.') ? normalize(join(dirname(path), target)) : target;
  });
}

// A comment, a string, a template without nested templates, or a regular expression after an operator.
const notCode =
  /\/\/[^\n]*|\/\*[\s\S]*?\*\/|'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\.)*`|(?<=[=(,:]\s*)\/(?![/*])(?:[^/\\\n[]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\//g;

function codeOf(text: string): string {
  return text.replace(notCode, (found) => {
    // What stands in `${}` of a template is code.
    if (found.startsWith('`')) return found.replace(/(^|\})[^$]*?(\$\{|`$)/g, blanks);
    return blanks(found);
  });
}

function blanks(text: string): string {
  return text.replace(/[^\n]/g, ' ');
}

/** `path:line` of every match in the text. */
export function findAll(file: TextFile, text: string, pattern: RegExp): string[] {
  return [...text.matchAll(pattern)].map((match) => {
    const line = text.slice(0, match.index).split('\n').length;
    return `${file.path}:${line} ${match[0].trim()}`;
  });
}
