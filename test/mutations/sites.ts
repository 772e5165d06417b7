// Finds every place where the built program syncs, and every wait for a sync, in the syntax tree: nobody keeps a
// list. Two kinds of mutation come of it:
//
//   removed      a call of sync, syncDir, fdatasync…, or of a superblock's update, does nothing; a batch with
//                `sync: true` is not synced
//   not awaited  a statement that waits for a sync, or for a function that syncs, goes on without waiting
//
// A function syncs when it has a sync in it; functions are told apart by name.

import { readFileSync, readdirSync } from 'node:fs';
import { SourceMap } from 'node:module';
import { join } from 'node:path';
import { SyntaxKind, isAwaitExpression, isCallExpression } from 'typescript/unstable/ast';
import {
  isExpressionStatement,
  isIdentifier,
  isPropertyAccessExpression,
} from 'typescript/unstable/ast';
import { isPropertyAssignment } from 'typescript/unstable/ast';
import type { Node, SourceFile } from 'typescript/unstable/ast';
import { API } from 'typescript/unstable/sync';

export interface Mutation {
  /** Below dist. */
  readonly file: string;
  /** Replaced by `text`. */
  readonly start: number;
  readonly end: number;
  readonly text: string;
  readonly kind: 'removed' | 'not awaited';
  /** In the TypeScript source. */
  readonly source: string;
  readonly line: number;
  readonly code: string;
}

const syncName = /^f?(?:data)?sync(?:All|Dir|Directory|Sync)?$/;
/** Names of DiskFile, too: what is called so may be anything. */
const commonNames: ReadonlySet<string> = new Set(['open', 'read', 'write', 'close', 'then', 'run']);
/** The lossy file system plays the disk; the memory store has none, its `sync` is a hook of tests. */
const excluded = /^core\/env\/node\/lossy\/|^core\/meta\/store\/memory-store\./;
/** Waits are looked at where durability is made; above it a commit is waited for, which other tests check. */
const waitsIn = /^core\/(?:store|env\/node)\/|^gateways\/(?:core\/core-data|launcher\/files)\./;
const codeCharactersMax = 70;

interface Tree {
  readonly file: string;
  readonly root: SourceFile;
}

/** `built`: a folder with `dist` in it. */
export function findMutations(built: string): Mutation[] {
  const api = new API({ cwd: built });
  try {
    const config = join(built, 'mutations.tsconfig.json');
    const [project] = api.updateSnapshot({ openProjects: [config] }).getProjects();
    const trees = filesOf(built).map((file): Tree => {
      const root = project?.program.getSourceFile(join(built, 'dist', file));
      if (root === undefined) throw new Error(`no syntax tree of ${file}`);
      return { file, root };
    });
    const syncing = syncingFunctions(trees);
    return trees.flatMap((tree) => mutationsOf(built, tree, syncing));
  } finally {
    api.close();
  }
}

function filesOf(built: string): string[] {
  return ['core', 'gateways']
    .flatMap((folder) =>
      readdirSync(join(built, 'dist', folder), { recursive: true, encoding: 'utf8' }).map(
        (name) => `${folder}/${name}`,
      ),
    )
    .filter((name) => name.endsWith('.js') && !excluded.test(name))
    .toSorted();
}

function visit(node: Node, action: (node: Node) => void): void {
  action(node);
  node.forEachChild((child) => {
    visit(child, action);
  });
}

/** `a.b.name(…)` and `name(…)`. */
function calledName(node: Node): string | undefined {
  if (!isCallExpression(node)) return undefined;
  const { expression } = node;
  if (isIdentifier(expression)) return expression.text;
  return isPropertyAccessExpression(expression) ? expression.name.text : undefined;
}

function isSync(node: Node): boolean {
  return syncName.test(calledName(node) ?? '') || isSyncOption(node) || isSuperblockUpdate(node);
}

function isSuperblockUpdate(node: Node): boolean {
  return isCallExpression(node) && /\bsuperblock\.update$/.test(node.expression.getText());
}

/** `{ sync: true }` of a batch. */
function isSyncOption(node: Node): boolean {
  return (
    isPropertyAssignment(node) &&
    node.name.getText() === 'sync' &&
    node.initializer.kind === SyntaxKind.TrueKeyword &&
    calledName(node.parent.parent) === 'batch'
  );
}

/** Functions and methods with a sync in them. */
function syncingFunctions(trees: readonly Tree[]): Set<string> {
  const names = new Set<string>();
  for (const { root } of trees)
    visit(root, (node) => {
      const name = isSync(node) ? enclosingName(node) : undefined;
      if (name !== undefined && !commonNames.has(name)) names.add(name);
    });
  return names;
}

function enclosingName(node: Node): string | undefined {
  for (let at: Node | undefined = node.parent; at !== undefined; at = at.parent) {
    const isFunction =
      at.kind === SyntaxKind.MethodDeclaration || at.kind === SyntaxKind.FunctionDeclaration;
    if (isFunction) return (at as Node & { readonly name?: Node }).name?.getText();
  }
  return undefined;
}

function mutationsOf(built: string, { file, root }: Tree, syncing: Set<string>): Mutation[] {
  const text = root.text;
  const map = new SourceMap(JSON.parse(readFileSync(join(built, 'dist', `${file}.map`), 'utf8')));
  const found: Mutation[] = [];
  const add = (node: Node, kind: Mutation['kind'], replacement: string): void => {
    const start = node.getStart();
    const before = text.slice(0, start).split('\n');
    const entry = map.findEntry(before.length - 1, before.at(-1)?.length ?? 0);
    const line = 'originalLine' in entry ? entry.originalLine + 1 : 0;
    const source = file.replace(/\.js$/, '.ts');
    const code = node.getText().replaceAll(/\s+/g, ' ').slice(0, codeCharactersMax);
    found.push({ file, start, end: node.end, text: replacement, kind, source, line, code });
  };
  visit(root, (node) => {
    if (isSyncOption(node)) add(node, 'removed', 'sync: false');
    else if (isSync(node)) add(node, 'removed', withoutCall(node));
    if (!waitsIn.test(file)) return;
    if (isExpressionStatement(node) && isAwaitExpression(node.expression)) {
      const { expression } = node.expression;
      if (waitsForSync(expression, syncing))
        add(node.expression, 'not awaited', `void ${expression.getText()}`);
    }
  });
  return found;
}

/** A call with a callback goes on at once. */
function withoutCall(node: Node): string {
  const last = isCallExpression(node) ? node.arguments.at(-1)?.getText() : undefined;
  return last === 'done' ? 'done(null)' : 'undefined';
}

function waitsForSync(expression: Node, syncing: ReadonlySet<string>): boolean {
  let waits = false;
  visit(expression, (node) => {
    waits ||= isSync(node) || syncing.has(calledName(node) ?? '');
  });
  return waits;
}
