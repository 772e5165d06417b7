// npm run bench -- s3 [--seconds N] [--rounds N] [--sizes 4096,131072] [--operations put,get,head,list]
//   [--connections 1,16,64] [--peer NAME,HOST:PORT,ACCESS,SECRET,PID+PID…]
//
// Starts Lampyr on a temporary directory (or --data DIR) and loads it and the peers in turns, cell by cell, in
// one run: PUT and GET by size at 1, 16 and 64 connections, HEAD, LIST of 1,000 of 10,000 keys. Prints one JSON
// line per cell and round, then a table of medians and ranges with the ratio to the first peer.

import { parseArgs } from 'node:util';
import { startLampyr } from '../tools/lampyr.ts';
import { type Cell, type CellResult, type S3System, fill, runCell } from './s3-load.ts';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '2' },
    rounds: { type: 'string', default: '5' },
    sizes: { type: 'string', default: '4096,131072,67108864' },
    operations: { type: 'string', default: 'put,get,head,list' },
    connections: { type: 'string', default: '1,16,64' },
    peer: { type: 'string', multiple: true, default: [] },
    data: { type: 'string' },
  },
});

function parsePeer(text: string): S3System {
  const [name, address, accessKey, secretKey, pids] = text.split(',');
  const [host, port] = (address ?? '').split(':');
  if (!name || !host || !port || !accessKey || !secretKey || !pids)
    throw new Error(`--peer ${text}: see the header`);
  return {
    name,
    host,
    port: Number(port),
    accessKey,
    secretKey,
    pids: pids.split('+').map(Number),
  };
}

function cellsOf(sizes: readonly number[], connections: readonly number[]): Cell[] {
  const cells: Cell[] = [];
  for (const sizeBytes of sizes) {
    for (const count of connections) {
      cells.push({ operation: 'put', sizeBytes, connections: count });
      cells.push({ operation: 'get', sizeBytes, connections: count });
    }
  }
  for (const count of connections)
    cells.push({ operation: 'head', sizeBytes: 4096, connections: count });
  for (const count of connections)
    cells.push({ operation: 'list', sizeBytes: 4096, connections: count });
  const wanted = new Set(values.operations.split(','));
  return cells.filter(({ operation }) => wanted.has(operation));
}

const median = (numbers: readonly number[]): number =>
  numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? 0;
const show = (number: number): string => number.toPrecision(3);

function table(results: readonly CellResult[], systems: readonly S3System[]): string {
  const lines = [
    '| operation | size | connections | system | ops/s (range) | p50 ms | p99 ms | server CPU s / 1000 (range) | rate ratio | CPU ratio |',
    '|---|---|---|---|---|---|---|---|---|---|',
  ];
  const keys = [...new Set(results.map((r) => `${r.operation} ${r.sizeBytes} ${r.connections}`))];
  for (const key of keys) {
    const ofCell = results.filter((r) => `${r.operation} ${r.sizeBytes} ${r.connections}` === key);
    const peer = ofCell.filter((r) => r.system === systems[1]?.name);
    for (const system of systems) {
      const rows = ofCell.filter((r) => r.system === system.name);
      const rate = median(rows.map((r) => r.perSecond));
      const cpu = median(rows.map((r) => r.serverCpuSecondsPer1000));
      const range = (pick: (r: CellResult) => number): string =>
        `${show(Math.min(...rows.map(pick)))}–${show(Math.max(...rows.map(pick)))}`;
      const ratios =
        peer.length > 0 && system === systems[0]
          ? [
              show(rate / median(peer.map((r) => r.perSecond))),
              show(cpu / median(peer.map((r) => r.serverCpuSecondsPer1000))),
            ]
          : ['', ''];
      lines.push(
        `| ${key.replaceAll(' ', ' | ')} | ${system.name} | ${show(rate)} (${range((r) => r.perSecond)}) | ${show(median(rows.map((r) => r.p50Ms)))} | ${show(median(rows.map((r) => r.p99Ms)))} | ${show(cpu)} (${range((r) => r.serverCpuSecondsPer1000)}) | ${ratios.join(' | ')} |`,
      );
    }
  }
  return lines.join('\n');
}

const lampyr = await startLampyr(values.data === undefined ? {} : { dataDir: values.data });
try {
  const { hostname, port } = new URL(lampyr.endpoints.s3);
  const own: S3System = {
    name: 'lampyr',
    host: hostname,
    port: Number(port),
    accessKey: lampyr.accessKey,
    secretKey: lampyr.secretKey,
    pids: lampyr.pids(),
  };
  const systems = [own, ...values.peer.map(parsePeer)];
  const sizes = values.sizes.split(',').map(Number);
  for (const system of systems) await fill(system, [...new Set([4096, ...sizes])]);
  const results: CellResult[] = [];
  for (let round = 0; round < Number(values.rounds); round++) {
    for (const cell of cellsOf(sizes, values.connections.split(',').map(Number))) {
      // Alternate who goes first, so that drift of a shared machine hits both.
      for (const system of round % 2 === 0 ? systems : systems.toReversed()) {
        const result = await runCell(system, cell, Number(values.seconds));
        results.push(result);
        process.stdout.write(`${JSON.stringify({ round, ...result })}\n`);
      }
    }
  }
  process.stdout.write(`${table(results, systems)}\n`);
} finally {
  await lampyr.stop();
}
