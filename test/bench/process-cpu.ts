// CPU time and memory of processes, from /proc. CPU seconds per operation are the steadiest figure on a shared
// machine, so every server benchmark reports them.

import { readFileSync } from 'node:fs';

/** Ticks per second of /proc/PID/stat; 100 on every Linux that Node supports. */
const ticksPerSecond = 100;

/** User and system CPU seconds of the processes, their threads included. */
export function cpuSeconds(pids: readonly number[]): number {
  let ticks = 0;
  for (const pid of pids) {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The command name is in parentheses and may hold spaces; fields 14 and 15 are utime and stime.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    ticks += Number(fields[11]) + Number(fields[12]);
  }
  return ticks / ticksPerSecond;
}

/** Resident set size of a process in bytes. */
export function residentBytes(pid: number): number {
  const line = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return Number(line?.[1] ?? 0) * 1024;
}
