// `lampyr status`: what runs on a data directory and whether it serves.

import { dataSchema } from '../config.ts';
import type { SystemStatus } from '../launcher/status.ts';
import { needAdminClient } from './admin-client.ts';
import { type Command, checkInput, jsonSetting } from './command.ts';
import { dataSetting } from './start.ts';
import { table } from './table.ts';

export const statusCommand: Command = {
  name: 'status',
  summary: 'show processes and chains of a running system',
  settings: [dataSetting, jsonSetting],
  run: async (input, io) => {
    const { data } = checkInput(dataSchema, input);
    const status = (await needAdminClient(data).call('GET', '/v1/status')) as SystemStatus;
    io.out(input.values['json'] === true ? `${JSON.stringify(status)}\n` : statusText(status));
    return 0;
  },
};

export function statusText({ processes, chains, notes }: SystemStatus): string {
  const processRows = processes.map(({ role, pid, state, restarts, reason, dir }) => [
    role,
    pid === null ? '-' : String(pid),
    state,
    String(restarts),
    dir,
    reason ?? '',
  ]);
  const chainRows = chains.flatMap(({ id, version, targets }) =>
    targets.map((target) => [
      `${id} v${version}`,
      String(target.id),
      String(target.store),
      target.state,
      target.reason ?? '',
    ]),
  );
  const actions = chains.flatMap(({ id, targets }) =>
    targets.flatMap(({ id: target, action }) =>
      action === null ? [] : [`chain ${id}, target ${target}: ${action}`],
    ),
  );
  return [
    ...table(['ROLE', 'PID', 'STATE', 'RESTARTS', 'DIRECTORY', 'LAST END'], processRows),
    '',
    ...table(['CHAIN', 'TARGET', 'STORE', 'STATE', 'REASON'], chainRows),
    '',
    ...(actions.length === 0 ? [] : ['What to do:', ...actions.map((line) => `  ${line}`), '']),
    ...notes.map((note) => `note: ${note}`),
    ...(notes.length === 0 ? [] : ['']),
  ].join('\n');
}
