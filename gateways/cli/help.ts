// Help texts, printed from the command table. Pure.

import type { Command, Setting } from './command.ts';

export function overview(commands: readonly Command[]): string {
  const rows = commands.map((command) => [usageWords(command), command.summary] as const);
  return [
    'lampyr: storage for AI training and inference',
    '',
    'Usage: lampyr COMMAND [flags]',
    '',
    'Commands:',
    ...columns(rows),
    '',
    'lampyr COMMAND --help says more. Exit codes: 0 done, 1 failed, 2 wrong usage.',
    '',
  ].join('\n');
}

export function commandHelp(command: Command): string {
  const flags = command.settings.filter(({ flag }) => flag !== undefined);
  const variables = command.settings.filter(({ env }) => env !== undefined);
  const lines = [
    `lampyr ${command.name}: ${command.summary}`,
    '',
    `Usage: lampyr ${usageWords(command)} [flags]`,
    '',
    'Flags:',
    ...columns([
      ...flags.map((setting) => [flagWords(setting), withDefault(setting)] as const),
      ['--help', 'print this'],
    ]),
  ];
  if (variables.length > 0)
    lines.push(
      '',
      'Environment (a flag wins):',
      ...columns(variables.map((setting) => [String(setting.env), variableHelp(setting)] as const)),
    );
  return [...lines, ''].join('\n');
}

function usageWords({ name, argument }: Command): string {
  return argument === undefined ? name : `${name} ${argument.placeholder}`;
}

function flagWords({ flag, value }: Setting): string {
  return value === undefined ? `--${flag}` : `--${flag} ${value}`;
}

function withDefault({ help, shownDefault }: Setting): string {
  return shownDefault === undefined ? help : `${help} (default ${shownDefault})`;
}

function variableHelp(setting: Setting): string {
  return setting.flag === undefined ? setting.help : `like --${setting.flag}`;
}

function columns(rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`);
}
