// npm run bench -- memory [--clients 64] [--mebibytes 64,512] [--seconds 60] [--slow-bytes 1000000]
//
// Starts Lampyr and lets clients write and read large objects, half of them at `--slow-bytes` a second, the rest as
// fast as they can; of each half, one half writes and one half reads. Samples the resident memory of every process
// once a second: one JSON line a sample and one a size, then the ratio of the door's peaks to the first size's.

import { type Socket, connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { readFileSync } from 'node:fs';
import { MiB } from '../../core/base/limits.ts';
import { startLampyr } from '../tools/lampyr.ts';
import { RequestSigner, S3Client, type S3Address } from '../tools/s3-client.ts';
import { residentBytes } from './process-cpu.ts';

const { values } = parseArgs({
  options: {
    clients: { type: 'string', default: '64' },
    mebibytes: { type: 'string', default: '64,512' },
    seconds: { type: 'string', default: '60' },
    'slow-bytes': { type: 'string', default: '1000000' },
  },
});

const pieceBytes = 64 * 1024;
const piece = Buffer.alloc(pieceBytes, 'lampyr');
const bucket = 'memory';

/** Bytes that the clients moved; each counts what it gave to its socket or got from it. */
let movedBytes = 0;

interface Client {
  readonly index: number;
  readonly slow: boolean;
  readonly writes: boolean;
}

function open({ host, port }: S3Address): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port }, () => resolve(socket));
    socket.once('error', reject);
  });
}

/** Waits until `bytes` may have been moved at `bytesPerSecond` since `startMs`. */
async function keepPace(bytes: number, startMs: number, bytesPerSecond: number): Promise<void> {
  const waitMs = startMs + (bytes / bytesPerSecond) * 1000 - performance.now();
  if (waitMs > 0) await sleep(waitMs);
}

/** One object into one connection; ends early with the phase. */
async function write(socket: Socket, head: string, size: number, pace: number, endMs: number) {
  socket.write(head, 'latin1');
  const startMs = performance.now();
  for (let sent = 0; sent < size && performance.now() < endMs; sent += pieceBytes) {
    if (pace > 0) await keepPace(sent, startMs, pace);
    if (!socket.write(piece)) await event(socket, 'drain');
    if (socket.destroyed) throw new Error('the door closed the connection');
    movedBytes += pieceBytes;
  }
  if (performance.now() < endMs) await event(socket, 'data');
}

async function read(socket: Socket, head: string, size: number, pace: number, endMs: number) {
  socket.write(head, 'latin1');
  const startMs = performance.now();
  for (let got = 0; got < size && performance.now() < endMs;) {
    const bytes = socket.read() as Buffer | null;
    if (bytes === null) {
      await event(socket, 'readable');
      if (socket.destroyed) throw new Error('the door closed the connection');
      continue;
    }
    got += bytes.length;
    movedBytes += bytes.length;
    if (pace > 0) await keepPace(got, startMs, pace);
  }
}

/** The event, the end of the connection, or a second: the phase may be over. */
async function event(socket: Socket, name: 'drain' | 'data' | 'readable'): Promise<void> {
  await new Promise<void>((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      socket.off(name, done).off('close', done);
      resolve();
    };
    const timer = setTimeout(done, 1000);
    socket.on(name, done).on('close', done);
  });
}

async function run(address: S3Address, client: Client, size: number, endMs: number): Promise<void> {
  const signer = new RequestSigner(address);
  const pace = client.slow ? Number(values['slow-bytes']) : 0;
  while (performance.now() < endMs) {
    const socket = await open(address);
    socket.on('error', () => undefined);
    const key = client.writes ? `${size}/written-${client.index}` : `${size}/read`;
    const path = `/${bucket}/${key}`;
    if (client.writes) await write(socket, signer.head('PUT', path, '', size), size, pace, endMs);
    else await read(socket, signer.head('GET', path, '', undefined), size, pace, endMs);
    socket.destroy();
  }
}

/** Name of the role of a process, from its arguments. */
function roleOf(pid: number): string {
  const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
  return ['object', 'core'].find((role) => words.includes(role)) ?? 'launcher';
}

const lampyr = await startLampyr();
try {
  const { hostname, port } = new URL(lampyr.endpoints.s3);
  const address = { ...lampyr, host: hostname, port: Number(port) };
  const processes = lampyr.pids().map((pid) => ({ pid, role: roleOf(pid) }));
  const setup = new S3Client(address);
  await setup.send('PUT', `/${bucket}`);
  const count = Number(values.clients);
  const clients = Array.from({ length: count }, (_, index) => ({
    index,
    slow: index % 2 === 0,
    writes: index % 4 < 2,
  }));
  const peaks: number[] = [];
  for (const mebibytes of values.mebibytes.split(',').map(Number)) {
    const size = mebibytes * MiB;
    const { status } = await setup.send(
      'PUT',
      `/${bucket}/${size}/read`,
      '',
      Buffer.alloc(size, 1),
    );
    if (status !== 200) throw new Error(`PUT of ${mebibytes} MiB answered ${status}`);
    movedBytes = 0;
    const endMs = performance.now() + Number(values.seconds) * 1000;
    const phase = { running: true };
    const load = Promise.all(clients.map((client) => run(address, client, size, endMs))).finally(
      () => (phase.running = false),
    );
    const peak: Record<string, number> = {};
    for (let second = 0; phase.running; second++) {
      const sample: Record<string, number> = {};
      for (const { pid, role } of processes) {
        sample[role] = Math.round((residentBytes(pid) / MiB) * 10) / 10;
        peak[role] = Math.max(peak[role] ?? 0, sample[role]);
      }
      const moved = Math.round(movedBytes / MiB);
      process.stdout.write(`${JSON.stringify({ mebibytes, second, moved, ...sample })}\n`);
      await sleep(1000);
    }
    await load;
    peaks.push(peak['object'] ?? 0);
    const moved = Math.round(movedBytes / MiB);
    process.stdout.write(`${JSON.stringify({ mebibytes, clients: count, moved, peak })}\n`);
  }
  const ratios = peaks.map((bytes) => Math.round((bytes / (peaks[0] ?? 1)) * 1000) / 1000);
  process.stdout.write(`${JSON.stringify({ doorPeakMiB: peaks, ratios })}\n`);
} finally {
  await lampyr.stop();
}
