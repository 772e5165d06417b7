// What happened, for people and tests: structured log events. `bug` fails a simulation run.
// Never put secrets or object content into `fields`.

export type Severity = 'debug' | 'info' | 'warn' | 'error' | 'bug';
export type EventFields = Readonly<Record<string, string | number | boolean | null | undefined>>;

export interface Events {
  emit(severity: Severity, name: string, fields?: EventFields): void;
}

export const silentEvents: Events = { emit: () => undefined };
