// The ports of the doors: on which address, and what to say when one cannot be had.

import { lookup } from 'node:dns/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { CoreError, isCoreError } from '../../core/base/errors.ts';
import type { Events } from '../../core/env/events.ts';
import { processLimits } from './limits.ts';
import { type BoundSocket, bindSocket } from './socket.ts';

export class Ports {
  /** An IP address. */
  readonly host: string;
  private readonly events: Events;
  private attempts: number;

  /** `afterCrash`: children of a killed launcher may hold their ports for a moment, so wait for them. */
  constructor(host: string, afterCrash: boolean, events: Events) {
    this.host = host;
    this.events = events;
    this.attempts = afterCrash ? processLimits.formerPortAttempts : 1;
  }

  /** @throws CoreError UNAVAILABLE naming the flag */
  bind(flag: string, port: number): Promise<BoundSocket> {
    return this.claim(flag, port, () => Promise.resolve(bindSocket(this.host, port)));
  }

  /** Runs `listen` until the port is free, as long as that may be. @throws CoreError UNAVAILABLE naming the flag */
  async claim<T>(flag: string, port: number, listen: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        // oxlint-disable-next-line no-await-in-loop -- polling is the only way to wait for a port
        return await listen();
      } catch (error) {
        if (!inUse(error) || attempt >= this.attempts) throw this.refusal(flag, port, error);
        if (attempt === 1) this.events.emit('info', 'waiting-for-port', { flag, port });
        // oxlint-disable-next-line no-await-in-loop
        await delay(processLimits.formerPortPollMs);
      }
    }
  }

  /** Nobody waits any longer. */
  giveUp(): void {
    this.attempts = 0;
  }

  private refusal(flag: string, port: number, error: unknown): CoreError {
    const { host } = this;
    const reason = isCoreError(error) ? error.message : `${host}:${port}: ${String(error)}`;
    const advice = inUse(error) ? `; choose another ${flag} (0 takes any free one)` : '';
    return new CoreError('UNAVAILABLE', `${flag}: cannot listen on ${reason}${advice}`);
  }
}

function inUse(error: unknown): boolean {
  const { code, cause } = error as { code?: unknown; cause?: { code?: unknown } };
  return code === 'EADDRINUSE' || cause?.code === 'EADDRINUSE';
}

/** The IP address of a host name. @throws CoreError INVALID_ARGUMENT */
export async function resolveHost(host: string, events: Events): Promise<string> {
  const found = await lookup(host).catch(() => undefined);
  if (found === undefined)
    throw new CoreError('INVALID_ARGUMENT', `--host ${host}: this machine cannot resolve it`);
  if (!/^(127\.|::1$)/.test(found.address))
    events.emit('warn', 'not-loopback', {
      host: found.address,
      advice: 'traffic is not encrypted: use a trusted network only',
    });
  return found.address;
}
