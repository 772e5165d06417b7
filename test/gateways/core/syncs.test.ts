// The system calls of a core's first start, as the kernel saw them: what no simulation and no lossy file system
// can tell, since both stand above the last call. Every file must be synced after its last write, every name
// after it was made. LevelDB's own files are held to the first rule only: names are its own business.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { childrenOf } from '../../tools/lampyr.ts';
import { requireCommand } from '../../tools/require.ts';
import { temporaryDirectory } from '../../tools/temporary.ts';

type Event = { readonly kind: 'write' | 'sync' | 'name'; readonly path: string };

const unfinished = '<unfinished ...>';
const calls = 'mkdir,openat,write,writev,pwrite64,pwritev,fsync,fdatasync,rename';

async function traceStart(dataDir: string, trace: string): Promise<void> {
  const program = fileURLToPath(new URL('core-child.js', import.meta.url));
  const options = ['-f', '-qq', '-y', '-s', '0', '-e', `trace=${calls}`, '-o', trace];
  const child = spawn('strace', [...options, process.execPath, program, dataDir], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(child, 'exit');
  await Promise.race([once(child.stdout, 'data'), ended]);
  assert.equal(child.exitCode, null, 'the core serves');
  const [core] = childrenOf(child.pid as number);
  process.kill(core as number, 'SIGTERM');
  assert.deepEqual(await ended, [0, null]);
}

/** A write counts when it ended, a sync when it began: it covers what ended before. */
function eventsOf(trace: string): Event[] {
  const begun = new Map<string, string>();
  const events: Event[] = [];
  for (const line of trace.split('\n')) {
    const [, pid = '', text = ''] = /^(\d+) +(.*)$/.exec(line) ?? [];
    const sync = /^f(?:data)?sync\(\d+<([^>]*)>/.exec(text)?.[1];
    if (sync !== undefined) events.push({ kind: 'sync', path: sync });
    if (text.endsWith(unfinished)) {
      begun.set(pid, text.slice(0, -unfinished.length));
      continue;
    }
    const resumed = /^<\.\.\. \w+ resumed>(.*)$/.exec(text)?.[1];
    events.push(...effectsOf(resumed === undefined ? text : `${begun.get(pid)}${resumed}`));
  }
  return events;
}

function effectsOf(call: string): Event[] {
  const write = /^p?writev?(?:64)?\(\d+<([^>]*)>.*= \d+$/.exec(call)?.[1];
  if (write !== undefined) return [{ kind: 'write', path: write }];
  const made = /^(?:mkdir\(|openat\(.*?, )"([^"]*)".*= \d+/.exec(call)?.[1];
  if (made !== undefined && /^mkdir|O_CREAT/.test(call)) return [{ kind: 'name', path: made }];
  const renamed = /^rename\("[^"]*", "([^"]*)"\) += 0$/.exec(call)?.[1];
  return renamed === undefined ? [] : [{ kind: 'name', path: renamed }];
}

/** What is there in the end and would be lost by a power loss. */
function unsynced(events: readonly Event[], dataDir: string): string[] {
  const level = /\/(?:index|rows)\//;
  const lost = new Set<string>();
  for (const [index, { kind, path }] of events.entries()) {
    const ours = path.startsWith(`${dataDir}/`) && existsSync(path);
    if (kind === 'sync' || !ours || /\/(?:LOG|LOCK|core\.sock)$/.test(path)) continue;
    if (kind === 'name' && level.test(path)) continue;
    const file = kind === 'write' ? path : dirname(path);
    const later = events.slice(index).some((each) => each.kind === 'sync' && each.path === file);
    if (!later) lost.add(`${kind} ${path.slice(dataDir.length)}`);
  }
  return [...lost];
}

test('whatever the first start of a core leaves was synced', { timeout: 60_000 }, async (t) => {
  if (!requireCommand(t, 'strace')) return;
  const directory = temporaryDirectory(t);
  const dataDir = join(directory, 'data');
  await traceStart(dataDir, join(directory, 'trace'));
  const events = eventsOf(readFileSync(join(directory, 'trace'), 'utf8'));
  for (const path of ['journal/superblock', 'disk.superblock', 'slabs/4k', 'journal/segment-000'])
    assert.ok(
      events.some((event) => event.path === join(dataDir, 'stores/0', path)),
      `${path} is in the trace`,
    );
  assert.ok(events.some(({ kind, path }) => kind === 'write' && /rows\/\d+\.log$/.test(path)));
  assert.deepEqual(unsynced(events, dataDir), []);
});
