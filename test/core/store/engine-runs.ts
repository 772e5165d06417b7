// Many histories of the engine's model: most on a disk that never fills, some on one that does, some with few
// large chunks that gather patches. What a run must have passed is said by `engineMarks` (test/model/marks.ts).

import { KiB, MiB } from '../../../core/base/limits.ts';
import { type ModelOptions, type ModelReport, runModel } from './engine-model.ts';
import { smallTuning } from './engine-rig.ts';

export interface EngineRuns {
  readonly operations: number;
  readonly firstSeed: number;
  /** Operations of one history; more histories make more. */
  readonly perRun: number;
  readonly onRun?: (operations: number) => void;
}

type Kind = Omit<ModelOptions, 'seed' | 'operations'>;

const ordinary: Kind = {};
const smallDisk: Kind = {
  totalBytes: 3 * MiB,
  tuning: { ...smallTuning, reserveBytes: 96 * KiB },
};
const patched: Kind = {
  chunks: 6,
  chunkBytesMax: 256 * KiB,
  tuning: { ...smallTuning, slabBytesMax: 1 * MiB },
  maintenance: 1,
  patching: true,
};
/** Of histories in a row. */
const kinds: readonly Kind[] = [ordinary, smallDisk, ordinary, patched, ordinary];

export async function runEngine(runs: EngineRuns): Promise<ModelReport> {
  const counts: Record<string, number> = {};
  let mutations = 0;
  let reopenings = 0;
  for (let run = 0; run * runs.perRun < runs.operations; run++) {
    const operations = Math.min(runs.perRun, runs.operations - run * runs.perRun);
    const kind = kinds[run % kinds.length] as Kind;
    // oxlint-disable-next-line no-await-in-loop -- one history after another
    const report = await runModel({ seed: runs.firstSeed + run, operations, ...kind });
    for (const [name, count] of Object.entries(report.counts))
      counts[name] = (counts[name] ?? 0) + count;
    mutations += report.mutations;
    reopenings += report.reopenings;
    runs.onRun?.(run * runs.perRun + operations);
  }
  return { counts, mutations, reopenings };
}
