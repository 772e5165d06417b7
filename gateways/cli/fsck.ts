// `lampyr fsck`: checks that metadata and chunks agree, on a running system through its core, on a stopped one
// by opening its data directory. Exit code 0 when clean (garbage is no error), 1 when errors were found.

import { CoreError } from '../../core/base/errors.ts';
import type { FsckReport, FsckWish } from '../admin/operator.ts';
import { dataSchema } from '../config.ts';
import { readFileIfAny } from '../launcher/files.ts';
import { systemFile } from '../launcher/paths.ts';
import { openLog } from '../log.ts';
import { adminClient, isRefused } from './admin-client.ts';
import { type Command, type Io, type Setting, checkInput, jsonSetting } from './command.ts';
import { dataSetting } from './start.ts';

const scrubSetting: Setting = {
  key: 'scrub',
  flag: 'scrub',
  help: 'read and verify every stored byte too',
};

export const fsckCommand: Command = {
  name: 'fsck',
  summary: 'check metadata against chunks, on a running or a stopped system',
  settings: [dataSetting, scrubSetting, jsonSetting],
  run: async (input, io) => {
    const { data } = checkInput(dataSchema, input);
    const wish = { scrub: input.values['scrub'] === true };
    if (readFileIfAny(systemFile(data)) === undefined)
      throw new CoreError('DISK_REFUSED', `${data} is no data directory (no lampyr.json in it)`);
    io.err(`checking ${data}\n`);
    const report = (await checkRunning(data, wish)) ?? (await checkStopped(data, wish));
    if (input.values['json'] === true) io.out(`${JSON.stringify(report)}\n`);
    else printReport(report, io);
    return report.clean ? 0 : 1;
  },
};

/** undefined when nothing runs there. */
async function checkRunning(data: string, { scrub }: FsckWish): Promise<FsckReport | undefined> {
  try {
    const answer = await adminClient(data)?.call('POST', `/v1/fsck?scrub=${scrub}`);
    return answer as FsckReport | undefined;
  } catch (error) {
    if (isRefused(error)) return undefined;
    throw error;
  }
}

async function checkStopped(data: string, wish: FsckWish): Promise<FsckReport> {
  const { fsckStopped } = await import('../core/fsck-stopped.ts');
  return fsckStopped(data, wish, openLog({ role: 'fsck', level: 'warn', format: 'text' }));
}

function printReport({ clean, counts, found, findings }: FsckReport, io: Io): void {
  for (const { severity, kind, where, detail, action } of findings)
    io.out(`${severity} ${kind}: ${where}: ${detail}\n  ${action}\n`);
  const all = found.error + found.garbage + found.note;
  if (all > findings.length) io.out(`${all - findings.length} more are not shown\n`);
  const looked = Object.entries(counts).map(([kind, count]) => `${count} ${kind}`);
  const sum = `errors ${found.error}, garbage ${found.garbage}, notes ${found.note}`;
  io.out(`${clean ? 'clean' : 'not clean'}: ${sum}\nlooked at ${looked.join(', ')}\n`);
}
