// A core in a process of its own, for tests that kill it. Prints `ready` when it serves, or why it cannot.

import { Core } from '../../../gateways/core/core.ts';
import { coreOptions } from './rig.ts';

const [dataDir] = process.argv.slice(2);
if (dataDir === undefined) throw new Error('usage: core-child DIR');
const core = await Core.open(coreOptions(dataDir));
process.on('SIGTERM', () => void core.close().then(() => process.exit(0)));
process.stdout.write('ready\n');
