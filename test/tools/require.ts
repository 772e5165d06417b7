// What a test needs from the machine and a bare one lacks: clients of others, Python modules. Without it the
// test is skipped with the reason; with LAMPYR_TEST_ALL=1 (CI) it fails, so that nothing is skipped unseen.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import type { TestContext } from 'node:test';

/** True when the command is there; else the test is skipped: return from it. */
export function requireCommand(context: TestContext, command: string): boolean {
  return require(context, command, ['bash', '-c', `command -v ${command}`]);
}

/** Likewise for a module of the system's Python. */
export function requirePython(context: TestContext, module: string): boolean {
  return require(context, `python3 with ${module}`, ['python3', '-c', `import ${module}`]);
}

function require(
  context: TestContext,
  what: string,
  probe: readonly [string, ...string[]],
): boolean {
  const [program, ...rest] = probe;
  if (spawnSync(program, rest, { stdio: 'ignore' }).status === 0) return true;
  const reason = `${what} is not installed`;
  assert.notEqual(
    process.env['LAMPYR_TEST_ALL'],
    '1',
    `${reason}, and LAMPYR_TEST_ALL=1 skips nothing`,
  );
  context.skip(reason);
  return false;
}
