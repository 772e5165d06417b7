// `lampyr fsck`: checks that metadata and chunks agree, on a running system through its core, on a stopped
// one through a core of its own. Exit code 0 when clean, 1 when something was found.

import type { FsckReport } from '../admin/operator.ts';
import { dataSchema } from '../config.ts';
import { openLog } from '../log.ts';
import { readFileIfAny } from '../launcher/files.ts';
import { systemFile } from '../launcher/paths.ts';
import { CoreError } from '../../core/base/errors.ts';
import { adminClient, isRefused } from './admin-client.ts';
import { type Command, type Io, checkInput, jsonSetting } from './command.ts';
import { type MakeLauncherParts, dataSetting } from './start.ts';

export function fsckCommand(makeParts: MakeLauncherParts): Command {
  return {
    name: 'fsck',
    summary: 'check metadata against chunks, on a running or a stopped system',
    settings: [dataSetting, jsonSetting],
    run: async (input, io) => {
      const { data } = checkInput(dataSchema, input);
      if (readFileIfAny(systemFile(data)) === undefined)
        throw new CoreError('DISK_REFUSED', `${data} is no data directory (no lampyr.json in it)`);
      io.err(`checking ${data}\n`);
      const report = (await checkRunning(data)) ?? (await checkStopped(data, makeParts));
      if (input.values['json'] === true) io.out(`${JSON.stringify(report)}\n`);
      else printReport(report, io);
      return report.clean ? 0 : 1;
    },
  };
}

/** undefined when nothing runs there. */
async function checkRunning(data: string): Promise<FsckReport | undefined> {
  try {
    return (await adminClient(data)?.call('POST', '/v1/fsck')) as FsckReport | undefined;
  } catch (error) {
    if (isRefused(error)) return undefined;
    throw error;
  }
}

async function checkStopped(data: string, makeParts: MakeLauncherParts): Promise<FsckReport> {
  const { withCore } = await import('../launcher/core-only.ts');
  const log = openLog({ role: 'fsck', level: 'warn', format: 'text' });
  return withCore(data, makeParts(log), (operator) => operator.fsck());
}

function printReport({ clean, counts, problems, leftovers }: FsckReport, io: Io): void {
  for (const line of [...problems, ...leftovers]) io.out(`${line}\n`);
  const looked = Object.entries(counts).map(([kind, count]) => `${count} ${kind}`);
  if (leftovers.length > 0) looked.push(`${leftovers.length} leftovers, which harm nothing`);
  io.out(`${clean ? 'clean' : `${problems.length} problems`}: ${looked.join(', ')}\n`);
}
