#!/usr/bin/env node
// The composition root: `lampyr COMMAND` for people, `main.js role NAME` for the launcher's children. Decides
// which implementation stands behind each interface; a process loads only the modules of what it runs.

import type { RoleName, StartRole } from './roles/role.ts';

const roles: Record<RoleName, () => Promise<StartRole>> = {
  core: async () => (await import('./roles/core.ts')).startCore,
  store: async () => (await import('./roles/store.ts')).startStore,
  object: async () => (await import('./roles/object.ts')).startObject,
};

async function runRole(name: string | undefined): Promise<void> {
  if (name === undefined || !Object.hasOwn(roles, name))
    throw new Error(`no role ${name}: ${Object.keys(roles).join(', ')}`);
  const { runRoleProcess } = await import('./roles/runner.ts');
  await runRoleProcess(roles[name as RoleName]);
}

async function runCommand(argv: readonly string[]): Promise<void> {
  const { makeCommands, runCli } = await import('./cli/cli.ts');
  const { nodeClock } = await import('../core/env/node/clock.ts');
  const { nodeNet } = await import('../core/env/node/net.ts');
  const { openCoreOperator } = await import('./core/operator-client.ts');
  const commands = makeCommands((log) => ({
    mainFile: new URL(import.meta.url).pathname,
    log,
    connectOperator: (core, token) =>
      openCoreOperator({ net: nodeNet, clock: nodeClock, events: log, core, token }),
  }));
  // A reader that went away (`lampyr start | head`) must not end the system.
  process.stdout.on('error', () => undefined);
  const code = await runCli(commands, argv, process.env, {
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
  });
  process.exit(code);
}

const [command, ...rest] = process.argv.slice(2);
if (command === 'role') await runRole(rest[0]);
else await runCommand(command === undefined ? [] : [command, ...rest]);
