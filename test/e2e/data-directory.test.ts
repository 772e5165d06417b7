import assert from 'node:assert/strict';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { before, after, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { startLampyr } from '../tools/lampyr.ts';
import { temporaryDirectory } from '../tools/temporary.ts';
import { killGroup, run, start } from './command.ts';

// `lampyr start` on a directory that it may not use as it is: exit code 1, nothing on stdout, and one message
// on stderr that names the file, the reason and what to do. The same refusals in detail: the suites of
// gateways/launcher, gateways/core and core/store.

const anyPorts = ['--s3-port', '0', '--admin-port', '0'];

interface Case {
  readonly what: string;
  readonly damage: (data: string) => void;
  readonly message: RegExp;
}

/** Changes a byte in the middle of the first file of the folder that has the ending. */
function flip(folder: string, ending: string): void {
  const name = readdirSync(folder).find((each) => each.endsWith(ending));
  assert.ok(name !== undefined, `${folder} has a file *${ending}`);
  const bytes = readFileSync(join(folder, name));
  const at = Math.floor(bytes.length / 2);
  bytes[at] = (bytes[at] as number) ^ 1;
  writeFileSync(join(folder, name), bytes);
}

const cases: readonly Case[] = [
  {
    what: 'foreign',
    damage: (data) => {
      for (const name of readdirSync(data)) rmSync(join(data, name), { recursive: true });
      writeFileSync(join(data, 'thesis.tex'), 'mine');
    },
    message: /has no lampyr\.json but holds other files \(thesis\.tex\): choose an empty directory/,
  },
  {
    what: 'newer',
    damage: (data) => writeFileSync(join(data, 'lampyr.json'), '{"format": 77, "clusterId": ""}'),
    message: /lampyr\.json says format 77, this build reads up to \d+: start a newer lampyr on it/,
  },
  {
    what: 'with the store of another cluster',
    damage: (data) => {
      const clusterId = 'c'.repeat(32);
      writeFileSync(join(data, 'lampyr.json'), JSON.stringify({ format: 2, clusterId }));
    },
    message: /meta\/rows belongs to cluster [0-9a-f]{32}, not to c{32}; restore the data directory/,
  },
  {
    what: 'with a damaged table of metadata rows',
    damage: (data) => flip(join(data, 'meta', 'rows'), '.ldb'),
    message:
      /index in \S+meta\/rows is damaged: \d+\.ldb: .*; restore the data directory from a copy/,
  },
  {
    what: 'without its journal',
    damage: (data) => rmSync(join(data, 'stores', '0', 'journal'), { recursive: true }),
    message: /journal is empty: the journal was lost; restore the data directory from a backup/,
  },
];

describe('a data directory that is refused', () => {
  const scope = {
    actions: [] as (() => void)[],
    after: (action: () => void) => void scope.actions.push(action),
  };
  let whole: string;
  before(async () => {
    whole = join(temporaryDirectory(scope), 'data');
    // The second start makes tables of what the first one wrote.
    for (let round = 0; round < 2; round++)
      // oxlint-disable-next-line no-await-in-loop -- one after another
      assert.equal(await (await startLampyr({ dataDir: whole })).stop(), 0);
  });
  after(() => scope.actions.forEach((action) => action()));

  for (const { what, damage, message } of cases)
    test(what, async (context) => {
      const data = join(temporaryDirectory(context), 'data');
      cpSync(whole, data, { recursive: true });
      damage(data);
      const { code, out, err } = await run(context, ['start', '--data', data, ...anyPorts]);
      assert.deepEqual([code, out], [1, ''], err);
      assert.match(err, message);
      assert.doesNotMatch(err, /"bug":true|\n {4}at /);
      assert.equal(existsSync(join(data, 'endpoints.json')), false);
    });
});

describe('a first start that is killed', () => {
  for (const afterMs of [0, 150, 400, 800])
    test(`after ${afterMs} ms: the next one serves`, async (context) => {
      const data = join(temporaryDirectory(context), 'data');
      mkdirSync(data);
      const first = start(context, ['start', '--data', data, '--json', ...anyPorts]);
      // From its first file on: before it there is nothing to be killed in.
      while (readdirSync(data).length === 0)
        // oxlint-disable-next-line no-await-in-loop -- polling
        await delay(5);
      await delay(afterMs);
      killGroup(first.process);
      await first.ended;
      const second = await startLampyr({ dataDir: data });
      assert.equal(await second.stop(), 0);
    });
});
