// kill -9 of the core while clients write, then a restart: what was acknowledged is there with the right
// bytes, what was not is there whole or not at all.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { KiB, MiB } from '../../../core/base/limits.ts';
import { Prng } from '../../../core/base/prng.ts';
import type { CoreWriter } from '../../../core/model/core-client.ts';
import type { ObjectStore } from '../../../core/model/objects/types.ts';
import { content } from '../../core/client/rig.ts';
import { connectWriter, contentOf, coreOptions, objectStoreOf, put, who } from './rig.ts';

const kills = 6;
const writers = 8;
const sizes = [0, 100, 4 * KiB, 5 * KiB, 64 * KiB, 300 * KiB, 1 * MiB, 5 * MiB];

/** Content of a key: its size and bytes follow from the number of the write. */
const versionOf = (write: number): Buffer =>
  content(sizes[write % sizes.length] as number, write % 251);

class Victim {
  private child: ChildProcess | undefined;
  private readonly dataDir: string;

  constructor(dataDir: string) {
    this.dataDir = dataDir;
  }

  async start(): Promise<void> {
    const program = fileURLToPath(new URL('core-child.js', import.meta.url));
    const child = spawn(process.execPath, [program, this.dataDir], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.child = child;
    const ready = once(child.stdout, 'data');
    const ended = once(child, 'exit').then(([code]) => {
      throw new Error(`the core ended with ${String(code)} instead of serving`);
    });
    await Promise.race([ready, ended]);
    ended.catch(() => undefined);
  }

  async kill(signal: NodeJS.Signals): Promise<void> {
    const { child } = this;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    child.kill(signal);
    await once(child, 'exit');
  }
}

/** Per key: the newest acknowledged write, and the writes begun after it whose outcome nobody knows. */
interface KeyHistory {
  acknowledged: number | undefined;
  readonly unknown: number[];
}

describe('core killed with -9', () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'lampyr-kill-'));
  const victim = new Victim(dataDir);
  const history = new Map<string, KeyHistory>();
  let writer: CoreWriter;
  let store: ObjectStore;
  const run = { stopped: false, acknowledged: 0 };

  before(async () => {
    await victim.start();
    writer = await connectWriter(coreOptions(dataDir).address);
    store = objectStoreOf(writer);
    await store.createBucket(who, { bucket: 'b', region: 'r' });
  });
  after(async () => {
    run.stopped = true;
    await writer.close();
    await victim.kill('SIGKILL');
    rmSync(dataDir, { recursive: true, force: true });
  });

  async function write(worker: number): Promise<void> {
    const random = new Prng(worker);
    for (let count = worker; !run.stopped; count += writers) {
      const key = `k/${worker}/${random.below(20)}`;
      const known = history.get(key) ?? { acknowledged: undefined, unknown: [] };
      history.set(key, known);
      known.unknown.push(count);
      try {
        // oxlint-disable-next-line no-await-in-loop -- one write after another
        await put(store, 'b', key, versionOf(count));
      } catch {
        // oxlint-disable-next-line no-await-in-loop -- the core is away
        await new Promise((resolve) => setTimeout(resolve, 20));
        continue;
      }
      // Earlier writes of unknown outcome came first: a key has one writer.
      known.acknowledged = count;
      known.unknown.length = 0;
      run.acknowledged++;
    }
  }

  async function check(key: string, known: KeyHistory): Promise<void> {
    const possible = known.acknowledged === undefined ? [] : [known.acknowledged];
    possible.push(...known.unknown);
    const request = { bucket: 'b', key: Buffer.from(key), conditions: {} };
    const found = await store.get(who, request).catch((error: Error) => error);
    if (found instanceof Error) {
      assert.equal(known.acknowledged, undefined, `${key} is lost: ${found.message}`);
      return;
    }
    const bytes = await contentOf(found);
    assert.ok(
      possible.some((count) => bytes.equals(versionOf(count))),
      `${key}: ${bytes.length} bytes are none of the writes ${possible.join(', ')}`,
    );
  }

  test(`${kills} times while ${writers} clients write`, { timeout: 120_000 }, async () => {
    const random = new Prng('kills');
    const working = Array.from({ length: writers }, (_, worker) => write(worker));
    for (let kill = 0; kill < kills; kill++) {
      const enough = run.acknowledged + 20;
      // Some progress between kills, then a random moment.
      while (run.acknowledged < enough) await new Promise((resolve) => setTimeout(resolve, 10));
      await new Promise((resolve) => setTimeout(resolve, random.below(200)));
      await victim.kill('SIGKILL');
      await victim.start();
    }
    run.stopped = true;
    await Promise.all(working);
    for (const [key, known] of history) await check(key, known);
    assert.ok(run.acknowledged >= kills * 20);
    // And once more, from an orderly stop.
    await victim.kill('SIGTERM');
    await victim.start();
    for (const [key, known] of history) await check(key, known);
  });
});
