// npm run model -- engine|namespace [--operations N] [--seed S]
//
// The model tests at full length, outside of node:test, whose bookkeeping of promises costs as much again. Prints
// the mix of operations and the marks passed; fails on the first divergence, or when a mark was not passed.

import assert from 'node:assert/strict';
import { parseArgs } from 'node:util';
import { marks } from '../../core/base/mark.ts';
import { runEngine } from '../core/store/engine-runs.ts';
import { runInMemory, runLives } from '../core/meta/namespace/model-lives.ts';
import { engineMarks, namespaceMarks } from './marks.ts';

const progressMs = 60_000;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { operations: { type: 'string' }, seed: { type: 'string' } },
});

function print(title: string, value: unknown): void {
  process.stdout.write(`${title}: ${JSON.stringify(value)}\n`);
}

function progress(): (operations: number) => void {
  let printedMs = Date.now();
  return (operations) => {
    if (Date.now() - printedMs < progressMs) return;
    printedMs = Date.now();
    print('so far', operations);
  };
}

async function engine(): Promise<readonly string[]> {
  const operations = Number(values.operations ?? 1_000_000);
  const firstSeed = Number(values.seed ?? 1);
  const runs = { operations, firstSeed, perRun: 10_000, onRun: progress() };
  const { counts, mutations, reopenings } = await runEngine(runs);
  print('engine', { operations, firstSeed, mutations, reopenings });
  print('mix', counts);
  assert.ok(mutations >= 0.6 * operations);
  assert.ok(reopenings >= operations / 10_000);
  return [...engineMarks.short, ...engineMarks.long];
}

/** Of ten operations, one is over stores that are opened again and again. */
const livesShare = 1 / 10;

async function namespace(): Promise<readonly string[]> {
  const operations = Number(values.operations ?? 200_000);
  const seed = values.seed ?? 'namespace';
  const onRound = progress();
  const lives = await runLives({ operations: operations * livesShare, seed, onRound });
  print('over simulated devices', lives);
  const inMemory = operations * (1 - livesShare);
  const run = await runInMemory({ operations: inMemory, seed, onRound });
  await run.emptied();
  print('in memory', { operations: run.operations, brokenOff: run.brokenOff, mix: run.mix });
  return [...namespaceMarks.short, ...namespaceMarks.long];
}

const models: Record<string, () => Promise<readonly string[]>> = { engine, namespace };
const [chosen = ''] = positionals;
const model = models[chosen];
if (model === undefined) throw new Error(`which model? ${Object.keys(models).join(' or ')}`);
const expected = await model();
print('marks', Object.fromEntries([...marks()].toSorted(([a], [b]) => (a < b ? -1 : 1))));
print('cpu seconds', process.cpuUsage().user / 1e6);
const missed = expected.filter((name) => !marks().has(name));
print('marks that were not passed', missed);
process.exitCode = missed.length === 0 ? 0 : 1;
