// A tree of real files through one client into a bucket and out again, compared file by file.

import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Lampyr } from '../tools/lampyr.ts';
import type { SyncClient } from './sync-clients.ts';
import { compareTrees, makeTree } from './tree.ts';

export interface SyncResult {
  readonly client: string;
  readonly files: number;
  readonly upSeconds: number;
  readonly downSeconds: number;
  readonly differences: readonly string[];
}

export interface Tree {
  readonly folder: string;
  readonly files: number;
  remove(): void;
}

/** `files` small files of node_modules and the oddly named ones. */
export function temporaryTree(files: number, bytesMax = 16 * 1024 * 1024): Tree {
  const folder = mkdtempSync(join(tmpdir(), 'lampyr-tree-'));
  const made = makeTree(folder, files, bytesMax);
  return { folder, files: made, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

export async function syncBothWays(
  lampyr: Lampyr,
  client: SyncClient,
  tree: Tree,
): Promise<SyncResult> {
  const bucket = client.name.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-');
  const back = mkdtempSync(join(tmpdir(), 'lampyr-back-'));
  mkdirSync(back, { recursive: true });
  try {
    const began = process.hrtime.bigint();
    await client.up(lampyr, bucket, tree.folder);
    const between = process.hrtime.bigint();
    await client.down(lampyr, bucket, back);
    const ended = process.hrtime.bigint();
    return {
      client: client.name,
      files: tree.files,
      upSeconds: Number(between - began) / 1e9,
      downSeconds: Number(ended - between) / 1e9,
      differences: compareTrees(tree.folder, back),
    };
  } finally {
    rmSync(back, { recursive: true, force: true });
  }
}
