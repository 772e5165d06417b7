// `node dist/test/bench/rpc.js [--seconds N]`: CPU and time of one RPC between two processes on a unix
// socket, both sides counted. One JSON line per row.

import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { KiB, MiB } from '../../core/base/limits.ts';
import { bytes, message } from '../../core/base/message.ts';
import { silentEvents } from '../../core/env/events.ts';
import { nodeClock } from '../../core/env/node/clock.ts';
import { nodeNet } from '../../core/env/node/net.ts';
import { nodeRng } from '../../core/env/node/rng.ts';
import { defineCall } from '../../core/rpc/call.ts';
import { ReconnectingClient } from '../../core/rpc/client.ts';
import { RpcServer } from '../../core/rpc/server.ts';

const Blob = message('Blob', { blob: bytes(1) });
const shape = { request: Blob, response: Blob, capability: 'write' } as const;
const echo = defineCall({ ...shape, id: 9001, name: 'echo', lane: 'read' });
/** Takes a payload and answers nothing: a write. */
const put = defineCall({ ...shape, id: 9002, name: 'put', lane: 'write', payloadProtected: true });
/** Answers a payload of the size of the request's: a read. */
const get = defineCall({ ...shape, id: 9003, name: 'get', lane: 'read', payloadProtected: true });

async function serve(path: string): Promise<void> {
  const server = new RpcServer({
    net: nodeNet,
    clock: nodeClock,
    rng: nodeRng,
    events: silentEvents,
    authorize: () => 'write',
  });
  const stored = new Map<number, Buffer>();
  server.register(echo, async (request) => ({ response: request }));
  server.register(put, async (response) => ({ response }));
  server.register(get, async (request) => {
    const size = Buffer.from(request.blob).readUInt32BE();
    const body = stored.get(size) ?? Buffer.alloc(size, 1);
    stored.set(size, body);
    return { response: { blob: Buffer.alloc(0) }, payload: [body] };
  });
  await server.listen({ kind: 'unix', path });
  process.once('disconnect', () => process.exit()); // the parent is gone
  process.on('message', () => process.send?.(process.cpuUsage()));
  process.send?.('ready');
}

const next = <T>(child: ChildProcess): Promise<T> =>
  new Promise((resolve) => void child.once('message', (value) => resolve(value as T)));

async function cpuMicros(child: ChildProcess): Promise<number> {
  const answer = next<NodeJS.CpuUsage>(child);
  child.send('cpu');
  const theirs = await answer;
  const ours = process.cpuUsage();
  return theirs.user + theirs.system + ours.user + ours.system;
}

async function measure(
  child: ChildProcess,
  name: string,
  concurrency: number,
  seconds: number,
  once: () => Promise<unknown>,
): Promise<void> {
  const loop = async (until: number): Promise<number> => {
    let count = 0;
    // oxlint-disable-next-line no-await-in-loop -- a closed loop is what is measured
    for (; performance.now() < until; count++) await once();
    return count;
  };
  const run = async (forSeconds: number): Promise<number> => {
    const until = performance.now() + forSeconds * 1000;
    const counts = await Promise.all(Array.from({ length: concurrency }, () => loop(until)));
    return counts.reduce((sum, count) => sum + count, 0);
  };
  await run(seconds / 4);
  const [before, start] = [await cpuMicros(child), performance.now()];
  const count = await run(seconds);
  const [after, end] = [await cpuMicros(child), performance.now()];
  const line = {
    row: name,
    concurrency,
    perSecond: Math.round((count / (end - start)) * 1000),
    cpuMicrosBothSides: Number(((after - before) / count).toFixed(1)),
    node: process.version,
  };
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

async function main(): Promise<void> {
  const secondsAt = process.argv.indexOf('--seconds');
  const seconds = secondsAt < 0 ? 2 : Number(process.argv[secondsAt + 1]);
  const directory = await mkdtemp(join(tmpdir(), 'lampyr-bench-'));
  const path = join(directory, 'rpc.sock');
  const child = fork(fileURLToPath(import.meta.url), ['serve', path]);
  await next(child);
  const client = new ReconnectingClient({
    net: nodeNet,
    clock: nodeClock,
    events: silentEvents,
    address: { kind: 'unix', path },
    role: 'bench',
    token: Buffer.from('token'),
  });
  const blob = Buffer.alloc(1 * KiB, 1);
  const none = { blob: Buffer.alloc(0) };
  for (const concurrency of [1, 16, 64]) {
    await measure(child, 'echo 1 KiB control', concurrency, seconds, () =>
      client.call(echo, { blob }),
    );
    for (const size of [4 * KiB, 1 * MiB]) {
      const payload = [Buffer.alloc(size, 2)];
      const want = Buffer.alloc(4);
      want.writeUInt32BE(size);
      await measure(child, `put ${size / KiB} KiB`, concurrency, seconds, () =>
        client.call(put, none, { payload }),
      );
      await measure(child, `get ${size / KiB} KiB`, concurrency, seconds, () =>
        client.call(get, { blob: want }, { answerBytes: size }),
      );
    }
  }
  client.close();
  child.kill();
  await rm(directory, { recursive: true });
}

const [mode, path] = process.argv.slice(2);
await (mode === 'serve' && path !== undefined ? serve(path) : main());
