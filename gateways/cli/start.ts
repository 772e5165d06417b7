// `lampyr start`: runs the launcher until a signal. stdout carries the banner, or exactly one JSON line with
// the endpoints; everything else goes to stderr.

import { isCoreError } from '../../core/base/errors.ts';
import { defaults, startSchema } from '../config.ts';
import type { Launcher, LauncherParts } from '../launcher/launcher.ts';
import { credentialsFile } from '../launcher/paths.ts';
import type { Events } from '../../core/env/events.ts';
import { openLog } from '../log.ts';
import { logFormats, logLevels } from '../roles/role.ts';
import { banner } from './banner.ts';
import { type Command, type Setting, checkInput, jsonSetting } from './command.ts';
import { version } from './version.ts';

export const dataSetting: Setting = {
  key: 'data',
  flag: 'data',
  env: 'LAMPYR_DATA',
  value: 'DIR',
  help: 'data directory',
  shownDefault: defaults.data,
};

const portSetting = (door: 's3' | 'admin', help: string, shownDefault: number): Setting => ({
  key: `${door}Port`,
  flag: `${door}-port`,
  env: `LAMPYR_${door.toUpperCase()}_PORT`,
  value: 'PORT',
  help: `${help}; 0 takes any free port`,
  shownDefault: String(shownDefault),
});

const settings: readonly Setting[] = [
  dataSetting,
  {
    key: 'host',
    flag: 'host',
    env: 'LAMPYR_HOST',
    value: 'HOST',
    help: 'address of every door',
    shownDefault: defaults.host,
  },
  portSetting('s3', 'port of the S3 door', defaults.s3Port),
  {
    key: 's3Domain',
    flag: 's3-domain',
    env: 'LAMPYR_S3_DOMAIN',
    value: 'NAME,…',
    help: 'domains below which S3 takes bucket.NAME for a bucket; empty: none',
    shownDefault: defaults.s3Domain,
  },
  portSetting('admin', 'port of health, metrics and administration', defaults.adminPort),
  {
    key: 'replicas',
    flag: 'replicas',
    env: 'LAMPYR_REPLICAS',
    value: 'N',
    help: 'copies of every chunk, each in a store process of its own; chosen at the first start',
    shownDefault: '1',
  },
  {
    key: 'disks',
    flag: 'disks',
    env: 'LAMPYR_DISKS',
    value: 'DIR,…',
    help: 'a folder per store, for --replicas above 1, on disks of their own',
    shownDefault: 'stores/1… in the data directory',
  },
  {
    key: 'logLevel',
    flag: 'log-level',
    env: 'LAMPYR_LOG_LEVEL',
    value: 'LEVEL',
    help: `least severe events in the log on stderr: ${logLevels.join(', ')}`,
    shownDefault: 'info',
  },
  {
    key: 'logFormat',
    flag: 'log-format',
    env: 'LAMPYR_LOG_FORMAT',
    value: 'FORMAT',
    help: `${logFormats.join(', ')}, or auto: text on a terminal`,
    shownDefault: 'auto',
  },
  { ...jsonSetting, help: 'print one JSON line with the endpoints when ready' },
  { key: 'accessKey', env: 'LAMPYR_ACCESS_KEY', help: "the root's access key for this run" },
  {
    key: 'secretKey',
    env: 'LAMPYR_SECRET_KEY',
    help: "the root's secret key for this run; without the two, keys are generated once",
  },
];

const noReaders = 'reader processes are not built yet';
const noDoor = 'this door is not built yet';
const unbuilt = {
  's3-read-port': noReaders,
  'kafka-port': noDoor,
  'kafka-read-port': noDoor,
  'resp-port': noDoor,
  'resp-read-port': noDoor,
  'cache-port': noDoor,
  mount: 'the file mount is not built yet',
};

export type MakeLauncherParts = (log: Events) => LauncherParts;

export function startCommand(makeParts: MakeLauncherParts): Command {
  return {
    name: 'start',
    summary: 'run the system on a data directory until a signal',
    settings,
    unbuilt,
    run: async (input, io) => {
      const config = checkInput(startSchema, input);
      const log = openLog({ role: 'launcher', level: config.logLevel, format: config.logFormat });
      crashOnBugs(log);
      // Other commands start faster without the launcher's modules.
      const { Launcher } = await import('../launcher/launcher.ts');
      const launcher = new Launcher(config, makeParts(log));
      const ended = untilSignal(launcher, log);
      try {
        const ready = await launcher.start();
        const file = credentialsFile(config.data);
        const text =
          input.values['json'] === true
            ? `${JSON.stringify(ready.endpoints)}\n`
            : banner({ ...ready, version: version(), dataDir: config.data, credentialsFile: file });
        io.out(text);
      } catch (error) {
        if (!isCoreError(error, 'CANCELLED')) throw error;
      }
      return ended;
    },
  };
}

/** Drains at the first SIGINT, SIGTERM or SIGHUP, gives up at the second; resolves with the exit code. */
function untilSignal(launcher: Launcher, log: Events): Promise<number> {
  return new Promise((resolve, reject) => {
    let stopping = false;
    const onSignal = (signal: NodeJS.Signals): void => {
      log.emit('info', 'signal', { signal });
      if (stopping) {
        launcher.kill();
        resolve(1);
        return;
      }
      stopping = true;
      launcher.stop().then(() => resolve(0), reject);
    };
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, onSignal);
  });
}

/** A launcher with a bug in it ends; its roles notice, drain and end too, and a new start finds all data. */
function crashOnBugs(log: Events): void {
  const crash = (error: unknown): void => {
    log.emit('bug', 'launcher-failed', { reason: String(error), stack: (error as Error)?.stack });
    process.exit(1);
  };
  process.on('uncaughtException', crash);
  process.on('unhandledRejection', crash);
}
