// Connections that say nothing, against the whole system: they cost the door little, the launcher nothing, and
// others are served meanwhile. LAMPYR_FLOOD_CONNECTIONS=10000 npm test -- flood reaches the door's limit; it needs
// 10,100 file descriptors (ulimit -n) here and in the door.

import assert from 'node:assert/strict';
import { type Socket, connect } from 'node:net';
import { test } from 'node:test';
import { KiB, MiB } from '../../core/base/limits.ts';
import { doorLimits } from '../../gateways/object/limits.ts';
import { residentBytes } from '../bench/process-cpu.ts';
import { startLampyr } from '../tools/lampyr.ts';
import { type S3Address, S3Client } from '../tools/s3-client.ts';

const connections = Number(process.env['LAMPYR_FLOOD_CONNECTIONS'] ?? 300);
/** Of a silent connection in the door: sockets, parsers, timers. */
const connectionBytesMax = 24 * KiB;
/** What a process grows by itself in these seconds. */
const slackBytes = 48 * MiB;

/** Connected, or refused and closed already. */
function open(port: number): Promise<Socket> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' }, () => resolve(socket));
    socket.on('error', () => resolve(socket));
  });
}

/** In batches below the kernel's queue of connections that wait to be accepted. */
async function openMany(port: number, count: number): Promise<Socket[]> {
  const sockets: Socket[] = [];
  while (sockets.length < count) {
    const batch = Array.from({ length: Math.min(100, count - sockets.length) }, () => open(port));
    sockets.push(...(await Promise.all(batch)));
  }
  return sockets;
}

const closed = (socket: Socket): Promise<void> =>
  new Promise((resolve) => {
    if (socket.destroyed) resolve();
    socket.once('close', () => resolve());
    socket.resume();
  });

/** The status of a request on a new connection, once the door has seen that others are gone. */
async function servedAgain(address: S3Address): Promise<number> {
  const client = new S3Client(address);
  for (let tries = 0; ; tries++) {
    try {
      const { status } = await client.send('GET', '/bucket');
      client.close();
      return status;
    } catch (error) {
      if (tries === 50) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

test(`${connections} silent connections: bounded memory, and others are served`, async (context) => {
  const lampyr = await startLampyr();
  const { hostname, port } = new URL(lampyr.endpoints.s3);
  const address = { ...lampyr, host: hostname, port: Number(port) };
  const client = new S3Client(address);
  const silent: Socket[] = [];
  try {
    await client.send('PUT', '/bucket');
    const before = lampyr.pids().map((pid) => ({ pid, bytes: residentBytes(pid) }));
    silent.push(
      ...(await openMany(address.port, Math.min(connections, doorLimits.connectionsMax - 100))),
    );
    assert.ok(
      silent.every((socket) => !socket.destroyed),
      'all are in',
    );
    for (let count = 0; count < 20; count++) {
      const { status } = await client.send('PUT', `/bucket/${count}`, '', Buffer.alloc(10_000, 1));
      assert.equal(status, 200);
    }
    const grown = before.map(({ pid, bytes }) => Math.round((residentBytes(pid) - bytes) / KiB));
    context.diagnostic(
      `grew by ${grown.join(', ')} KiB (launcher, core, door in the order of their start)`,
    );
    for (const kibibytes of grown) {
      const most = slackBytes + silent.length * connectionBytesMax;
      assert.ok(kibibytes * KiB < most, `a process grew by ${kibibytes} KiB`);
    }
    if (connections >= doorLimits.connectionsMax) {
      // One is the client's.
      const room = doorLimits.connectionsMax - silent.length - 1;
      silent.push(...(await openMany(address.port, room)));
      const refused = await openMany(address.port, 20);
      await Promise.all(refused.map(closed));
      assert.equal((await client.send('GET', '/bucket')).status, 200, 'who is in is served');
      for (const socket of silent.splice(0, 50)) socket.destroy();
      assert.equal(await servedAgain(address), 200, 'there is room again');
      context.diagnostic(`${doorLimits.connectionsMax} were in, 20 more were closed at once`);
    }
  } finally {
    for (const socket of silent) socket.destroy();
    client.close();
    assert.equal(await lampyr.stop(), 0);
  }
});
