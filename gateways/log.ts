// Events for people and machines: pino behind the Events interface, one JSON line per event on stderr, or
// one readable line on a terminal. stdout belongs to the answers of commands. No secrets, no object content.

import { type DestinationStream, type Logger, destination, pino } from 'pino';
import type { EventFields, Events, Severity } from '../core/env/events.ts';
import type { LogFormat, LogLevel } from './roles/role.ts';

export interface LogOptions {
  /** Added to every line. */
  readonly role: string;
  readonly level: LogLevel;
  readonly format: LogFormat;
}

const stderr = 2;

export function openLog(options: LogOptions): Events {
  // Synchronous: events are rare, keep their order, and the last ones before a crash are those that matter.
  const output = destination({ fd: stderr, sync: true });
  const stream: DestinationStream =
    options.format === 'json' ? output : { write: (line) => void output.write(readable(line)) };
  const logger = pino(
    {
      level: options.level,
      base: { role: options.role, pid: process.pid },
      messageKey: 'event',
      formatters: { level: (level) => ({ level }) },
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
    },
    stream,
  );
  return { emit: (severity, name, fields) => write(logger, severity, name, fields) };
}

function write(logger: Logger, severity: Severity, name: string, fields?: EventFields): void {
  // A bug is an error that says so: pino's own levels stay the ones that log readers know.
  if (severity === 'bug') logger.error({ ...fields, bug: true }, name);
  else logger[severity](fields ?? {}, name);
}

/** `12:34:56.789 warn  object: role-exited code=1 signal=null` */
export function readable(line: string): string {
  const {
    time,
    level,
    role,
    pid: _,
    event,
    ...fields
  } = JSON.parse(line) as Record<string, unknown>;
  const clock = String(time).slice(11, 23);
  const rest = Object.entries(fields).map(([name, value]) => ` ${name}=${readableValue(value)}`);
  return `${clock} ${String(level).padEnd(5)} ${String(role)}: ${String(event)}${rest.join('')}\n`;
}

function readableValue(value: unknown): string {
  return typeof value === 'string' && /^[^\s"=]+$/.test(value) ? value : JSON.stringify(value);
}
