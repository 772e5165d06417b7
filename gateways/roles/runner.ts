// The process around a role: `main.js role NAME`, a child of the launcher. Takes the configuration and the
// listening sockets from the IPC channel, starts the role, reports, and ends in one of these ways:
//   drained   the launcher asked, or is gone (kill -9 of the launcher must not leave anybody behind): exit 0
//   failed    the role could not start or go on: reason to the launcher and the log, exit 1
// Signals are the launcher's business: Ctrl-C reaches the whole process group and a service manager may send
// SIGTERM to every process at once, yet the core has to outlive the doors. So SIGINT and SIGHUP are ignored and SIGTERM is
// passed on as a request to be drained; without a launcher SIGTERM drains at once.

import { toCoreError } from '../../core/base/errors.ts';
import type { Events } from '../../core/env/events.ts';
import { openLog } from '../log.ts';
import { processLimits } from '../launcher/limits.ts';
import { type FromRole, type ToRole, roleExit } from './messages.ts';
import { openMetrics } from './metrics.ts';
import type { ListenTarget, SocketHandle } from './listen.ts';
import type { RoleConfig, RunningRole, StartRole } from './role.ts';
import { lockPath } from '../launcher/paths.ts';

/** Runs until the process ends. @throws Error when there is no launcher above */
export async function runRoleProcess(load: () => Promise<StartRole>): Promise<void> {
  if (process.send === undefined)
    throw new Error('`lampyr role` is started by `lampyr start` and by nobody else');
  // The modules load while the launcher still prepares the rest.
  const loading = load();
  loading.catch(() => undefined);
  const { config, listen } = await birth();
  const log = openLog({ role: config.name, level: config.logLevel, format: config.logFormat });
  const life = new RoleLife(config, listen, log);
  await life.run(loading);
}

interface Birth {
  readonly config: RoleConfig;
  readonly listen: Record<string, ListenTarget>;
}

function exitUnborn(): void {
  process.exit(roleExit.drained);
}

/** The `start` message and the sockets that follow it. */
function birth(): Promise<Birth> {
  return new Promise((resolve) => {
    let config: RoleConfig | undefined;
    let expected = 0;
    const listen: Record<string, ListenTarget> = {};
    const onMessage = (message: ToRole, handle: unknown): void => {
      if (message.kind === 'drain') exitUnborn();
      if (message.kind === 'start') {
        config = message.config;
        expected = message.listeners;
      } else if (message.kind === 'listener') {
        listen[message.door] = handle as SocketHandle;
      }
      if (config === undefined || Object.keys(listen).length < expected) return;
      process.off('message', onMessage);
      process.off('disconnect', exitUnborn);
      resolve({ config, listen });
    };
    process.on('message', onMessage);
    process.once('disconnect', exitUnborn);
  });
}

class RoleLife {
  private readonly config: RoleConfig;
  private readonly listen: Record<string, ListenTarget>;
  private readonly log: Events;
  private readonly metrics;
  private running: RunningRole | undefined;
  private ending = false;

  constructor(config: RoleConfig, listen: Record<string, ListenTarget>, log: Events) {
    this.config = config;
    this.listen = listen;
    this.log = log;
    this.metrics = openMetrics(config.name);
  }

  async run(loading: Promise<StartRole>): Promise<void> {
    process.on('uncaughtException', (error) => this.fail(error));
    process.on('unhandledRejection', (reason) => this.fail(reason));
    for (const signal of ['SIGINT', 'SIGHUP'] as const) process.on(signal, () => undefined);
    process.on('SIGTERM', () => {
      if (process.connected) tell({ kind: 'terminate' });
      else this.drain();
    });
    process.on('disconnect', () => {
      this.log.emit('warn', 'launcher-gone');
      this.drainWhenUnused(processLimits.orphanMs / processLimits.orphanPollMs);
    });
    process.on('message', (message: ToRole) => this.onMessage(message));
    try {
      await this.holdData();
      const start = await loading;
      this.running = await start({
        config: this.config,
        events: this.log,
        metrics: this.metrics,
        listen: this.listen,
        fail: (error) => this.fail(error),
      });
    } catch (error) {
      this.fail(error);
      return;
    }
    // The launcher may have gone, or asked to drain, while the role started.
    if (this.ending) this.drainNow();
    else tell({ kind: 'ready' });
  }

  /** The core of a killed launcher may live for a moment: wait for it, so that two never share a disk. */
  private async holdData(): Promise<void> {
    const { role, name, dataDir } = this.config;
    if (role !== 'core' && role !== 'store') return;
    // Only here: a door that loads LevelDB starts a tenth of a second later.
    const { lockDirectory } = await import('../../core/env/node/lock.ts');
    await lockDirectory(lockPath(dataDir, name), {
      waitMs: processLimits.formerCoreMs,
      onWait: () => this.log.emit('info', `waiting-for-former-${role}`),
    });
  }

  private onMessage(message: ToRole): void {
    if (message.kind === 'drain') this.drain();
    if (message.kind === 'metrics') {
      const { id } = message;
      void this.metrics.metrics().then((text) => tell({ kind: 'metrics', id, text }));
    }
  }

  private drain(): void {
    if (this.ending) return;
    this.ending = true;
    // A role that is still starting is drained when it stands; an orphan that never stands is ended.
    if (this.running !== undefined) this.drainNow();
    else this.endAfter(processLimits.drainMs);
  }

  private drainWhenUnused(polls: number): void {
    if (polls <= 0 || this.running?.unused?.() !== false) this.drain();
    else setTimeout(() => this.drainWhenUnused(polls - 1), processLimits.orphanPollMs);
  }

  private drainNow(): void {
    this.log.emit('info', 'draining');
    this.endAfter(processLimits.drainMs);
    this.running?.drain().then(
      () => process.exit(roleExit.drained),
      (error: unknown) => this.fail(error),
    );
  }

  /** The last resort when a drain hangs; the launcher's own limit is longer. */
  private endAfter(ms: number): void {
    setTimeout(() => {
      this.log.emit('error', 'drain-too-long', { ms });
      process.exit(roleExit.failed);
    }, ms).unref();
  }

  private fail(reason: unknown): void {
    const error = toCoreError(reason);
    const bug = error.errorName === 'INTERNAL';
    this.log.emit(bug ? 'bug' : 'error', 'role-failed', {
      code: error.errorName,
      reason: error.message,
      stack: bug ? (error.cause instanceof Error ? error.cause : error).stack : undefined,
    });
    tell({ kind: 'failed', code: error.errorName, message: error.message }, () =>
      process.exit(roleExit.failed),
    );
  }
}

/** `sent` is called when the message is on its way, or at once when there is nobody to tell. */
function tell(message: FromRole, sent: () => void = () => undefined): void {
  if (process.send === undefined || !process.connected) sent();
  else process.send(message, sent);
}
