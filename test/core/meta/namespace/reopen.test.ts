// The namespace against the model over the real stores: level, journal and chunk engine in a directory, closed
// and opened again in between.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { id } from '../../../../core/base/ids.ts';
import type { ChainVer } from '../../../../core/base/ids.ts';
import { Prng } from '../../../../core/base/prng.ts';
import { silentEvents } from '../../../../core/env/events.ts';
import { nodeClock } from '../../../../core/env/node/clock.ts';
import { nodeRng } from '../../../../core/env/node/rng.ts';
import { CoreData } from '../../../../gateways/core/core-data.ts';
import { Fixture, target } from './fixture.ts';
import { Run } from './model-run.ts';

const lives = 3;
const roundsOfLife = 1;

const open = (dataDir: string): Promise<CoreData> =>
  CoreData.open({
    dataDir,
    clusterId: 'c'.repeat(32),
    target,
    chainVersion: id<ChainVer>(1),
    clock: nodeClock,
    rng: nodeRng,
    events: silentEvents,
  });

/** Opens the stores, runs `use` on a namespace over them, checks it and closes them again. */
async function live(
  dataDir: string,
  seed: string,
  use: (f: Fixture) => Promise<void>,
): Promise<void> {
  const data = await open(dataDir);
  const f = await Fixture.open({ stores: { store: data.meta, chunks: data.chunks }, seed });
  await use(f);
  await f.close();
  await data.close();
}

it('keeps the namespace over reopenings of the real stores', async () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'lampyr-namespace-'));
  const prng = new Prng('reopen');
  let run: Run | undefined;
  let crew: ReturnType<Run['crew']> = [];
  try {
    for (let count = 1; count <= lives; count++) {
      // oxlint-disable-next-line no-await-in-loop -- one life after another
      await live(dataDir, `life ${count}`, async (f) => {
        if (run === undefined) {
          run = new Run(f);
          await run.prepare();
          crew = run.crew(prng);
        }
        run.f = f;
        for (let round = 0; round < roundsOfLife; round++) await run.round(crew, prng);
        if (count === lives) await f.clean();
      });
    }
    assert.ok((run?.operations ?? 0) > 700);
  } finally {
    rmSync(dataDir, { recursive: true, force: true });
  }
});
