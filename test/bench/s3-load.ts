// The load of the S3 benchmark: closed-loop workers, one keep-alive connection each, UNSIGNED-PAYLOAD.
// A cell is one operation, size and number of connections against one system.

import { HttpConnection } from '../tools/http-connection.ts';
import { RequestSigner, type S3Address } from '../tools/s3-client.ts';
import { cpuSeconds } from './process-cpu.ts';

/** A system under load. `pids` are all its processes. */
export interface S3System extends S3Address {
  readonly name: string;
  readonly pids: readonly number[];
}

export interface Cell {
  readonly operation: 'put' | 'get' | 'head' | 'list';
  readonly sizeBytes: number;
  readonly connections: number;
}

export interface CellResult extends Cell {
  readonly system: string;
  readonly operations: number;
  readonly errors: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Of all the system's processes. */
  readonly serverCpuSecondsPer1000: number;
}

export const benchBucket = 'bench';
export const keyCount = (sizeBytes: number): number =>
  sizeBytes <= 4096 ? 10_000 : sizeBytes <= 131_072 ? 500 : 8;

const pathOf = (sizeBytes: number, key: number): string =>
  `/${benchBucket}/${sizeBytes}/${String(key).padStart(6, '0')}`;

interface Request {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly body: Buffer | undefined;
}

function makeRequest(cell: Cell, body: Buffer, worker: number, turn: number): Request {
  const random = Math.floor(Math.random() * keyCount(cell.sizeBytes));
  switch (cell.operation) {
    case 'put': {
      // Large objects overwrite two keys a connection, so that the disk does not fill.
      const key =
        cell.sizeBytes > 1 << 20 ? worker * 2 + (turn % 2) : 1_000_000 + worker * 100_000 + turn;
      return { method: 'PUT', path: pathOf(cell.sizeBytes, key), query: '', body };
    }
    case 'get':
      return { method: 'GET', path: pathOf(cell.sizeBytes, random), query: '', body: undefined };
    case 'head':
      return { method: 'HEAD', path: pathOf(cell.sizeBytes, random), query: '', body: undefined };
    case 'list': {
      const after = encodeURIComponent(`4096/${String(random % 9000).padStart(6, '0')}`);
      const query = `list-type=2&max-keys=1000&prefix=4096%2F0&start-after=${after}`;
      return { method: 'GET', path: `/${benchBucket}`, query, body: undefined };
    }
  }
}

/** Makes the bucket and the keys that GET, HEAD and LIST draw from. */
export async function fill(system: S3System, sizes: readonly number[]): Promise<void> {
  const signer = new RequestSigner(system);
  const first = await HttpConnection.open(system.host, system.port);
  await first.request('PUT', signer.head('PUT', `/${benchBucket}`, '', 0));
  first.close();
  for (const sizeBytes of sizes) {
    const body = Buffer.alloc(sizeBytes, 'lampyr');
    const total = keyCount(sizeBytes);
    let next = 0;
    const worker = async (): Promise<void> => {
      const connection = await HttpConnection.open(system.host, system.port);
      while (next < total) {
        const path = pathOf(sizeBytes, next++);
        const { status } = await connection.request(
          'PUT',
          signer.head('PUT', path, '', sizeBytes),
          body,
        );
        if (status !== 200) throw new Error(`${system.name}: PUT ${path} answered ${status}`);
      }
      connection.close();
    };
    await Promise.all(Array.from({ length: sizeBytes > 1 << 20 ? 4 : 32 }, worker));
  }
}

/** Runs one cell for about `seconds`; every worker finishes the request it has begun. */
export async function runCell(system: S3System, cell: Cell, seconds: number): Promise<CellResult> {
  const signer = new RequestSigner(system);
  const body = Buffer.alloc(cell.sizeBytes, 'lampyr');
  const latencies: number[] = [];
  let errors = 0;
  const cpuBefore = cpuSeconds(system.pids);
  const start = process.hrtime.bigint();
  const deadline = start + BigInt(Math.round(seconds * 1e9));
  const worker = async (_: unknown, index: number): Promise<void> => {
    const connection = await HttpConnection.open(system.host, system.port);
    for (let turn = 0; process.hrtime.bigint() < deadline; turn++) {
      const { method, path, query, body: sent } = makeRequest(cell, body, index, turn);
      const began = process.hrtime.bigint();
      const answer = await connection.request(
        method,
        signer.head(method, path, query, sent?.length),
        sent,
      );
      latencies.push(Number(process.hrtime.bigint() - began) / 1e6);
      const whole = cell.operation !== 'get' || answer.bodyBytes === cell.sizeBytes;
      if (answer.status !== 200 || !whole) errors++;
    }
    connection.close();
  };
  await Promise.all(Array.from({ length: cell.connections }, worker));
  const elapsedSeconds = Number(process.hrtime.bigint() - start) / 1e9;
  const cpu = cpuSeconds(system.pids) - cpuBefore;
  const sorted = latencies.toSorted((a, b) => a - b);
  const percentile = (p: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * p))] ?? 0;
  return {
    system: system.name,
    ...cell,
    operations: latencies.length,
    errors,
    perSecond: latencies.length / elapsedSeconds,
    p50Ms: percentile(0.5),
    p99Ms: percentile(0.99),
    serverCpuSecondsPer1000: (cpu / latencies.length) * 1000,
  };
}
