import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, test } from 'node:test';
import { readable } from '../../gateways/log.ts';

const logModule = new URL('../../gateways/log.js', import.meta.url).href;

/** What a process that logs and ends leaves on stderr. */
function logged(format: string): string {
  const program = `
    import { openLog } from '${logModule}';
    const log = openLog({ role: 'core', level: 'info', format: '${format}' });
    log.emit('debug', 'hidden');
    log.emit('warn', 'slow-disk', { ms: 12, path: 'a b' });
    log.emit('bug', 'broken');
    process.exit(0);`;
  const { stderr, stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', program]);
  assert.equal(stdout.toString(), '', 'stdout belongs to answers');
  return stderr.toString();
}

describe('log', () => {
  test('one JSON line per event of the level, written out before the process ends', () => {
    const lines = logged('json').trimEnd().split('\n');
    const events = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    assert.equal(events.length, 2);
    const { time, pid, ...rest } = events[0] as Record<string, unknown>;
    assert.equal(typeof pid, 'number');
    assert.match(String(time), /^\d{4}-\d\d-\d\dT/);
    assert.deepEqual(rest, {
      level: 'warn',
      role: 'core',
      event: 'slow-disk',
      ms: 12,
      path: 'a b',
    });
    assert.equal(events[1]?.['bug'], true);
  });

  test('text for people', () => {
    assert.match(logged('text'), /^[\d:.]{12} warn {2}core: slow-disk ms=12 path="a b"\n/);
    const line = JSON.stringify({ time: '2026-01-02T03:04:05.678Z', level: 'info', event: 'e' });
    assert.equal(readable(line), '03:04:05.678 info  undefined: e\n');
  });
});
