// The shape of a command and the parsing of its arguments. A command is data: its settings (flags and
// environment variables), a zod schema that checks them, and what to run; `--help` is printed from the same
// data. Wrong input is a UsageError that names the flag and what it accepts: exit code 2.

import { parseArgs } from 'node:util';
import type { z } from 'zod';

export interface Setting {
  /** Member of the schema's input. */
  readonly key: string;
  /** Without the dashes; absent for settings that only the environment may carry (secrets). */
  readonly flag?: string;
  readonly env?: string;
  /** Placeholder of the value in help; absent for a switch. */
  readonly value?: string;
  readonly help: string;
  /** Shown in help; the schema applies it. */
  readonly shownDefault?: string;
}

export interface Io {
  /** Answers. */
  out(text: string): void;
  /** Errors and progress. */
  err(text: string): void;
}

export interface Command {
  /** Words on the command line: 'start', 'user add'. */
  readonly name: string;
  readonly summary: string;
  /** Placeholder and schema key of the one positional argument, when there is one. */
  readonly argument?: { readonly placeholder: string; readonly key: string };
  readonly settings: readonly Setting[];
  /** Flags of doors and features that do not exist yet: refused with the reason. */
  readonly unbuilt?: Readonly<Record<string, string>>;
  /** Checks the input and runs; resolves with the exit code. @throws UsageError, CoreError */
  readonly run: (input: Input, io: Io) => Promise<number>;
}

/** What was given, by schema key, with its name for messages ('--s3-port', 'LAMPYR_S3_PORT'). */
export interface Input {
  readonly values: Readonly<Record<string, string | boolean>>;
  readonly names: Readonly<Record<string, string>>;
}

export class UsageError extends Error {
  override readonly name = 'UsageError';
}

export const jsonSetting: Setting = {
  key: 'json',
  flag: 'json',
  help: 'print JSON on stdout instead of text',
};

/** @throws UsageError */
export function readInput(
  command: Command,
  argv: readonly string[],
  environment: NodeJS.ProcessEnv,
): Input {
  const values: Record<string, string | boolean> = {};
  const names: Record<string, string> = {};
  const put = (key: string, name: string, value: string | boolean): void => {
    values[key] = value;
    names[key] = name;
  };
  for (const { key, env } of command.settings) {
    const value = env === undefined ? undefined : environment[env];
    if (env !== undefined && value !== undefined && value !== '') put(key, env, value);
  }
  const positionals: string[] = [];
  const flags = command.settings.filter(({ flag }) => flag !== undefined);
  const { tokens } = parseArgs({
    args: [...argv],
    strict: false,
    tokens: true,
    allowPositionals: true,
    options: Object.fromEntries(
      flags.map(({ flag, value }) => [
        flag as string,
        { type: value === undefined ? ('boolean' as const) : ('string' as const) },
      ]),
    ),
  });
  for (const token of tokens) {
    if (token.kind === 'positional') positionals.push(token.value);
    if (token.kind !== 'option') continue;
    const setting = flags.find(({ flag }) => flag === token.name);
    if (setting === undefined) throw unknownFlag(command, token.rawName);
    put(setting.key, token.rawName, flagValue(setting, token));
  }
  readPositional(command, positionals, put);
  return { values, names };
}

function flagValue(
  setting: Setting,
  token: {
    readonly rawName: string;
    readonly value: string | undefined;
    readonly inlineValue: boolean | undefined;
  },
): string | boolean {
  const { rawName, value, inlineValue } = token;
  if (setting.value === undefined) {
    if (value !== undefined) throw new UsageError(`${rawName} takes no value`);
    return true;
  }
  // `--data --json`: the next flag is not a value.
  if (value === undefined || (inlineValue !== true && value.startsWith('-')))
    throw new UsageError(`${rawName} needs a value: ${rawName} ${setting.value}`);
  return value;
}

function unknownFlag(command: Command, name: string): UsageError {
  const why = command.unbuilt?.[name.replace(/^--/, '')];
  const accepted = command.settings.flatMap(({ flag }) => (flag === undefined ? [] : `--${flag}`));
  const list = `accepted: ${[...accepted, '--help'].join(', ')}`;
  if (why !== undefined) return new UsageError(`${name} does not work yet: ${why}; ${list}`);
  return new UsageError(`unknown flag ${name}; ${list}`);
}

function readPositional(
  command: Command,
  given: readonly string[],
  put: (key: string, name: string, value: string) => void,
): void {
  const { argument } = command;
  const most = argument === undefined ? 0 : 1;
  if (given.length > most) throw new UsageError(`unexpected argument '${given[most]}'`);
  if (argument === undefined) return;
  if (given[0] === undefined) throw new UsageError(`${argument.placeholder} is missing`);
  put(argument.key, argument.placeholder, given[0]);
}

/** Checks the input against the command's schema. @throws UsageError naming the flag and what it accepts */
export function checkInput<S extends z.ZodType>(schema: S, input: Input): z.output<S> {
  const checked = schema.safeParse(input.values);
  if (checked.success) return checked.data;
  const lines = checked.error.issues.map((issue) => {
    const key = String(issue.path[0]);
    const name = input.names[key];
    if (name === undefined) return issue.message;
    const got = key === 'secretKey' ? '' : `got '${String(input.values[key])}', `;
    return `${name}: ${got}accepted: ${issue.message}`;
  });
  throw new UsageError(lines.join('\n'));
}
