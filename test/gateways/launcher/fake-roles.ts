// A program for the launcher's tests: roles that do nothing but what a test needs to see. The door answers
// every request with its process id; /die ends it as a crash would, /slow takes a while. A file `refuse` in
// the data directory makes the core refuse to start, a file `die` makes it crash at birth.

import { existsSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { CoreError } from '../../../core/base/errors.ts';
import { listenOn } from '../../../gateways/roles/listen.ts';
import type { RoleName, StartRole } from '../../../gateways/roles/role.ts';
import { runRoleProcess } from '../../../gateways/roles/runner.ts';

const startCore: StartRole = ({ config }) => {
  if (existsSync(join(config.dataDir, 'refuse')))
    throw new CoreError('DISK_REFUSED', `${config.dataDir}/journal is damaged: restore it`);
  if (existsSync(join(config.dataDir, 'die'))) process.kill(process.pid, 'SIGKILL');
  return Promise.resolve({ drain: () => Promise.resolve() });
};

export const slowMs = 600;

const startObject: StartRole = async ({ listen }) => {
  const server = createServer((request, response) => {
    if (request.url === '/die') process.kill(process.pid, 'SIGKILL');
    const answer = (): void => void response.end(String(process.pid));
    if (request.url === '/slow') void delay(slowMs).then(answer);
    else answer();
  });
  const target = listen['s3'];
  if (target === undefined) throw new Error('no socket for s3');
  await listenOn(server, target);
  return {
    drain: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeIdleConnections();
      }),
  };
};

const startStore: StartRole = () => Promise.resolve({ drain: () => Promise.resolve() });

const starts: Record<RoleName, StartRole> = {
  core: startCore,
  store: startStore,
  object: startObject,
};
const role = process.argv[3] as RoleName;
await runRoleProcess(() => Promise.resolve(starts[role]));
