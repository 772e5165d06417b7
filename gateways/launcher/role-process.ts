// One role as its launcher sees it: a child process with a state, restarted when it crashes, drained on
// request. The states, as `lampyr status` shows them:
//
//   STARTING ─► SERVING ─► DRAINING ─► STOPPED
//      ▲           │
//      └─ BACKOFF ◄┘ (crash)      CRASH_LOOP = BACKOFF after many crashes in a row

import { type ChildProcess, fork } from 'node:child_process';
import { CoreError, type ErrorName, errorTable } from '../../core/base/errors.ts';
import type { Events } from '../../core/env/events.ts';
import type { FromRole, ToRole } from '../roles/messages.ts';
import type { RoleConfig, RoleName } from '../roles/role.ts';
import { Backoff } from './backoff.ts';
import { processLimits } from './limits.ts';
import type { BoundSocket } from './socket.ts';

export type RoleState = 'STARTING' | 'SERVING' | 'DRAINING' | 'STOPPED' | 'BACKOFF' | 'CRASH_LOOP';

/** What is young in a role is dead when it is collected, but for the requests of one turn: helpers to copy it cost
 *  more to wake than they copy, a fifth of the door's CPU on small requests. */
const roleFlags = ['--no-parallel-scavenge'];

export interface RoleProcessOptions {
  /** The program that children run: dist/gateways/main.js. */
  readonly mainFile: string;
  readonly config: RoleConfig;
  /** By door name. */
  readonly sockets: ReadonlyMap<string, BoundSocket>;
  readonly events: Events;
  /** A first start that fails is tried again like later ones, and does not end the start of the system. */
  readonly mayFail?: boolean;
}

export class RoleProcess {
  readonly role: RoleName;
  /** The role, or which one of several. */
  readonly name: string;
  state: RoleState = 'STOPPED';
  /** Why the last process ended by itself. */
  reason: string | undefined;
  restarts = 0;

  private readonly options: RoleProcessOptions;
  private readonly backoff = new Backoff();
  private child: ChildProcess | undefined;
  private failure: CoreError | undefined;
  private readyAtMs: number | undefined;
  private restartTimer: NodeJS.Timeout | undefined;
  private stopping = false;
  private asked = 0;
  private readonly answers = new Map<number, (text: string) => void>();
  /** Of the first start, which fails as a whole; later failures are restarts. */
  private first: { resolve(): void; reject(error: CoreError): void } | undefined;
  private readonly stopped: Promise<void>;
  private onStopped: () => void = () => undefined;

  constructor(options: RoleProcessOptions) {
    this.options = options;
    this.role = options.config.role;
    this.name = options.config.name;
    this.stopped = new Promise((resolve) => (this.onStopped = resolve));
  }

  /** What the process keeps on disk lies below it. */
  get dir(): string {
    const { cluster, store, dataDir } = this.options.config;
    return cluster?.stores.find((each) => each.store === store)?.dir ?? dataDir;
  }

  get pid(): number | undefined {
    return this.child?.pid;
  }

  /** Spawns the process, tells it to start once `after` resolves (its modules load meanwhile), and resolves
   *  when it serves. @throws CoreError the role's own reason when it cannot start */
  async start(after: Promise<unknown>): Promise<void> {
    const ready = new Promise<void>((resolve, reject) => (this.first = { resolve, reject }));
    ready.catch(() => undefined);
    const child = this.spawn();
    await after;
    this.tellStart(child);
    await ready;
  }

  /** Resolves when the process has ended; kills it when it takes too long. */
  drain(): Promise<void> {
    const first = !this.stopping;
    this.end();
    if (first && this.child !== undefined) this.askToDrain(this.child);
    return this.stopped;
  }

  kill(): void {
    this.end();
    this.child?.kill('SIGKILL');
  }

  private end(): void {
    this.stopping = true;
    clearTimeout(this.restartTimer);
    if (this.child === undefined) this.enter('STOPPED');
  }

  /** The role's metrics in Prometheus text; empty when it does not answer. */
  metrics(): Promise<string> {
    const child = this.child;
    if (child === undefined || this.state !== 'SERVING') return Promise.resolve('');
    return new Promise((resolve) => {
      const id = (this.asked += 1);
      const answer = (text: string): void => {
        clearTimeout(timer);
        this.answers.delete(id);
        resolve(text);
      };
      const timer = setTimeout(() => answer(''), processLimits.askMs);
      this.answers.set(id, answer);
      tell(child, { kind: 'metrics', id });
    });
  }

  private spawn(): ChildProcess {
    const { LAMPYR_SECRET_KEY: _, ...environment } = process.env;
    this.enter('STARTING');
    this.failure = undefined;
    this.readyAtMs = undefined;
    const child = fork(this.options.mainFile, ['role', this.role], {
      // stdout belongs to the launcher's one line; whatever a role prints goes to stderr.
      stdio: ['ignore', 2, 2, 'ipc'],
      execArgv: [...process.execArgv, ...roleFlags],
      env: { ...environment, UV_THREADPOOL_SIZE: String(processLimits.threadPoolSize) },
    });
    this.child = child;
    child.on('message', (message) => this.onMessage(child, message as FromRole));
    child.on('error', (error) => (this.failure ??= new CoreError('INTERNAL', error.message)));
    child.on('exit', (code, signal) => this.onExit(code, signal));
    return child;
  }

  private tellStart(child: ChildProcess): void {
    if (this.stopping) return;
    const { config, sockets } = this.options;
    tell(child, { kind: 'start', config, listeners: sockets.size });
    for (const [door, socket] of sockets) tell(child, { kind: 'listener', door }, socket);
  }

  private onMessage(child: ChildProcess, message: FromRole): void {
    switch (message.kind) {
      case 'ready':
        if (this.stopping) return;
        this.readyAtMs = performance.now();
        this.enter('SERVING');
        this.first?.resolve();
        this.first = undefined;
        return;
      case 'failed':
        this.failure = new CoreError(knownName(message.code), message.message);
        return;
      case 'metrics':
        this.answers.get(message.id)?.(message.text);
        return;
      case 'terminate':
        // When SIGTERM went to every process, the launcher's own drain comes first and in order.
        setTimeout(() => {
          if (!this.stopping && this.child === child) this.askToDrain(child);
        }, processLimits.terminateGraceMs).unref();
        return;
    }
  }

  private askToDrain(child: ChildProcess): void {
    this.enter('DRAINING');
    tell(child, { kind: 'drain' });
    const timer = setTimeout(() => child.kill('SIGKILL'), processLimits.drainKillMs);
    child.once('exit', () => clearTimeout(timer));
  }

  private onExit(code: number | null, signal: NodeJS.Signals | null): void {
    const drained = this.state === 'DRAINING' && code === 0;
    this.child = undefined;
    for (const answer of this.answers.values()) answer('');
    if (!drained) this.noteCrash(code, signal);
    if (this.options.mayFail === true && !this.stopping) {
      this.first?.resolve();
      this.first = undefined;
    }
    if (this.stopping || this.first !== undefined) {
      this.enter('STOPPED');
      this.first?.reject(
        this.failure ??
          new CoreError('UNAVAILABLE', `${this.name} ended while it started: ${this.reason}`),
      );
      this.onStopped();
      return;
    }
    const servedMs = this.readyAtMs === undefined ? 0 : performance.now() - this.readyAtMs;
    const pauseMs = drained ? 0 : this.backoff.crashed(servedMs);
    this.enter(this.backoff.looping ? 'CRASH_LOOP' : 'BACKOFF');
    this.restartTimer = setTimeout(() => {
      this.restarts += 1;
      this.tellStart(this.spawn());
    }, pauseMs);
  }

  private noteCrash(code: number | null, signal: NodeJS.Signals | null): void {
    const how = signal === null ? `exit code ${code}` : `signal ${signal}`;
    this.reason = this.failure?.message ?? how;
    this.options.events.emit('error', 'role-ended', { child: this.name, how, reason: this.reason });
  }

  private enter(state: RoleState): void {
    this.state = state;
    this.options.events.emit('debug', 'role-state', { child: this.name, pid: this.pid, state });
    if (state === 'STOPPED') this.onStopped();
  }
}

/** A child that is gone cannot be told anything; its exit says the rest. */
function tell(child: ChildProcess, message: ToRole, socket?: BoundSocket): void {
  if (!child.connected) return;
  const handle = socket?.handle as unknown as Parameters<ChildProcess['send']>[1];
  child.send(message, handle, undefined, () => undefined);
}

function knownName(code: string): ErrorName {
  return code in errorTable ? (code as ErrorName) : 'INTERNAL';
}
