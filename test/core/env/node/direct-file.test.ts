import assert from 'node:assert/strict';
import fs from 'node:fs';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { KiB } from '../../../../core/base/limits.ts';
import { allocatePages, isPageAligned } from '../../../../core/base/page-memory.ts';
import { directPrefix } from '../../../../core/env/node/direct-file.ts';
import { nodeDisk } from '../../../../core/env/node/disk.ts';
import type { FileCalls } from '../../../../core/env/node/file-calls.ts';
import { type Scope, temporaryDirectory } from '../../../tools/temporary.ts';

const { O_DIRECT } = fs.constants;
const refusal = Object.assign(new Error('EINVAL: invalid argument'), { code: 'EINVAL' });

interface Watched {
  readonly calls: FileCalls;
  /** Bytes written past the page cache. */
  direct: number;
  /** Descriptors that are open. */
  open: number;
}

/** Node's calls, counted; `refuses` answers EINVAL where a file system or disk without O_DIRECT does. */
function watched(refuses?: 'open' | 'write'): Watched {
  const directs = new Set<number>();
  const state: Watched = {
    direct: 0,
    open: 0,
    calls: {
      ...fs,
      open(path, flags, mode, done) {
        const asked = (flags & O_DIRECT) !== 0;
        if (asked && refuses === 'open') return void setImmediate(done, refusal);
        fs.open(path, flags, mode, (error, fd) => {
          if (error === null) state.open++;
          if (asked && error === null) directs.add(fd);
          done(error, fd);
        });
      },
      close(fd, done) {
        state.open--;
        directs.delete(fd);
        fs.close(fd, done);
      },
      write(fd, bytes, offset, length, position, done) {
        if (directs.has(fd) && refuses === 'write') return void setImmediate(done, refusal);
        if (directs.has(fd)) state.direct += length;
        fs.write(fd, bytes, offset, length, position, done);
      },
      writev(fd, parts, position, done) {
        if (directs.has(fd) && refuses === 'write') return void setImmediate(done, refusal);
        if (directs.has(fd)) for (const { length } of parts) state.direct += length;
        fs.writev(fd, parts, position, done);
      },
    },
  };
  return state;
}

function pattern(bytes: number): Buffer {
  const memory = allocatePages(bytes).subarray(0, bytes);
  for (let at = 0; at < bytes; at++) memory[at] = (at * 31 + (at >> 8)) & 255;
  return memory;
}

/** Writes ordinary bytes, then long aligned ones over and behind them, and short ones again. */
async function run(scope: Scope, state: Watched): Promise<void> {
  const root = temporaryDirectory(scope);
  const disk = nodeDisk(root, state.calls);
  const file = await disk.open('file', 'create', { direct: true });
  const expected = Buffer.alloc(640 * KiB + 77, 1);
  await file.write([expected], 0);
  const long = pattern(300 * KiB + 5);
  await file.write([long, Buffer.alloc(100, 2)], 64 * KiB);
  long.copy(expected, 64 * KiB);
  expected.fill(2, 364 * KiB + 5, 364 * KiB + 105);
  await file.write([Buffer.alloc(3, 3)], 70 * KiB);
  expected.fill(3, 70 * KiB, 70 * KiB + 3);
  // Two aligned parts, of which the second begins behind the first's last page.
  await file.write([long.subarray(0, 128 * KiB), long.subarray(0, 128 * KiB)], 384 * KiB);
  for (const at of [384, 512]) long.copy(expected, at * KiB, 0, 128 * KiB);
  await file.sync();
  const seen = Buffer.alloc(expected.length);
  assert.equal(await file.read(seen, 0), expected.length);
  assert.ok(seen.equals(expected), 'what the file shows');
  await file.close();
  assert.ok(readFileSync(join(root, 'file')).equals(expected), 'what the disk has');
  assert.equal(state.open, 0, 'no descriptor is left open');
}

function taken(parts: Uint8Array[], position = 0): number | undefined {
  return directPrefix(parts, position)?.reduce((sum, { length }) => sum + length, 0);
}

describe('writes past the page cache', () => {
  test('are seen like any other, tails of pages included', async (context) => {
    const state = watched();
    await run(context, state);
    // Where the temporary directory is on a file system without them, the other tests are this one.
    assert.ok(state.direct === 0 || state.direct === (300 + 256) * KiB);
  });

  test('are ordinary ones where the file system refuses to open for them', async (context) => {
    const state = watched('open');
    await run(context, state);
    assert.equal(state.direct, 0);
  });

  test('are ordinary ones where the disk refuses them', async (context) => {
    const state = watched('write');
    await run(context, state);
    assert.equal(state.direct, 0);
  });

  test('take whole pages of aligned memory only', () => {
    const memory = allocatePages(512 * KiB);
    assert.ok(isPageAligned(memory));
    assert.ok(!isPageAligned(memory.subarray(1)));
    assert.ok(!isPageAligned(Buffer.allocUnsafeSlow(64 * KiB)));
    assert.equal(taken([memory]), 512 * KiB);
    assert.equal(taken([memory], 512), undefined);
    assert.equal(taken([memory.subarray(0, 60 * KiB)]), undefined);
    assert.equal(taken([memory.subarray(8)]), undefined);
    assert.equal(taken([memory.subarray(0, 200 * KiB + 1), memory]), 200 * KiB);
    assert.equal(taken([memory.subarray(0, 200 * KiB), Buffer.alloc(8 * KiB)]), 200 * KiB);
    assert.equal(taken([Buffer.alloc(8 * KiB), memory]), undefined);
  });
});
