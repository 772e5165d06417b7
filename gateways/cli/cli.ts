// The command line: finds the command, reads its input, runs it, and turns failures into a message on stderr
// and an exit code: 0 done, 1 failed, 2 wrong usage.

import { isCoreError } from '../../core/base/errors.ts';
import { type Command, type Io, UsageError, readInput } from './command.ts';
import { fsckCommand } from './fsck.ts';
import { commandHelp, overview } from './help.ts';
import { type MakeLauncherParts, startCommand } from './start.ts';
import { statusCommand } from './status.ts';
import { userCommands } from './user.ts';
import { version } from './version.ts';

export function makeCommands(makeParts: MakeLauncherParts): readonly Command[] {
  return [startCommand(makeParts), statusCommand, fsckCommand, ...userCommands];
}

/** Runs one command line; resolves with the exit code. */
export async function runCli(
  commands: readonly Command[],
  argv: readonly string[],
  environment: NodeJS.ProcessEnv,
  io: Io,
): Promise<number> {
  if (argv[0] === 'version' || argv[0] === '--version') {
    io.out(`${version()}\n`);
    return 0;
  }
  const help = argv.includes('--help') || argv.includes('-h');
  const command = findCommand(commands, argv);
  if (command === undefined) return unknownCommand(commands, argv, help, io);
  if (help) {
    io.out(commandHelp(command));
    return 0;
  }
  const rest = argv.slice(command.name.split(' ').length);
  try {
    return await command.run(readInput(command, rest, environment), io);
  } catch (error) {
    return report(command, error, io);
  }
}

function findCommand(commands: readonly Command[], argv: readonly string[]): Command | undefined {
  return commands.find(({ name }) => name.split(' ').every((word, index) => argv[index] === word));
}

function unknownCommand(
  commands: readonly Command[],
  argv: readonly string[],
  help: boolean,
  io: Io,
): number {
  const word = argv.find((argument) => !argument.startsWith('-'));
  const group = commands.filter(({ name }) => name.startsWith(`${word} `));
  const shown = group.length > 0 ? group : commands;
  if (help || word === undefined || word === 'help') {
    io.out(overview(shown));
    return help || word === 'help' ? 0 : 2;
  }
  const names = shown.map(({ name }) => name).join(', ');
  const given = argv.slice(0, group.length > 0 ? 2 : 1).join(' ');
  io.err(`lampyr: unknown command '${given}'; commands: ${names}; see: lampyr --help\n`);
  return 2;
}

function report(command: Command, error: unknown, io: Io): number {
  const name = `lampyr ${command.name}`;
  if (error instanceof UsageError) {
    io.err(`${name}: ${error.message}\nsee: ${name} --help\n`);
    return 2;
  }
  if (isCoreError(error)) {
    const bug = error.errorName === 'INTERNAL' ? ' (a bug: the log says more)' : '';
    io.err(`${name}: ${error.message}${bug}\n`);
    return 1;
  }
  io.err(`${name}: this is a bug\n${(error as Error)?.stack ?? String(error)}\n`);
  return 1;
}
