// The admin API of a running Lampyr, as its operator: cheaper than a command of its own for each question.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { FsckReport } from '../../gateways/admin/operator.ts';
import type { SystemStatus } from '../../gateways/launcher/status.ts';

export async function statusOf(dataDir: string): Promise<SystemStatus> {
  return (await ask(dataDir, 'GET', '/v1/status')) as SystemStatus;
}

export async function fsckOf(dataDir: string): Promise<FsckReport> {
  return (await ask(dataDir, 'POST', '/v1/fsck?scrub=true')) as FsckReport;
}

/** Every target of every chain serves. */
export function isWhole({ chains }: SystemStatus): boolean {
  return (
    chains.length > 0 &&
    chains.every(({ targets }) => targets.every(({ state }) => state === 'SERVING'))
  );
}

export function processOf(
  { processes }: SystemStatus,
  name: string,
): { readonly pid: number; readonly dir: string } {
  const found = processes.find(({ role }) => role === name);
  if (found === undefined || found.pid === null) throw new Error(`${name} does not run`);
  return { pid: found.pid, dir: found.dir };
}

async function ask(dataDir: string, method: string, path: string): Promise<unknown> {
  const text = readFileSync(join(dataDir, 'run', 'operator.json'), 'utf8');
  const { admin, token } = JSON.parse(text) as { admin: string; token: string };
  const answer = await fetch(`${admin}${path}`, {
    method,
    headers: { authorization: `Bearer ${token}` },
  });
  if (!answer.ok) throw new Error(`${path} answered ${answer.status}: ${await answer.text()}`);
  return answer.json();
}
