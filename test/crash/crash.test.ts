import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runCrashTest } from './crash.ts';
import { KeyHistory, absent, makeContent } from './history.ts';

test('the checker catches a lost, a torn and a resurrected write', () => {
  const content = { seed: 'a', sizeBytes: 5000 };
  const lost = new KeyHistory('k');
  lost.begin({ kind: 'present', content }).acknowledge();
  assert.match(lost.settle(undefined) ?? '', /absent/);
  const torn = makeContent(content);
  torn[4999] = (torn[4999] as number) ^ 1;
  assert.match(lost.settle(torn) ?? '', /allowed: a/);
  assert.equal(lost.settle(makeContent(content)), undefined);
  lost.begin(absent).acknowledge();
  assert.match(lost.settle(makeContent(content)) ?? '', /allowed: absent/);
});

test('an unknown write may show whole or not at all, and then stays as it was shown', () => {
  const history = new KeyHistory('k');
  const content = { seed: 'b', sizeBytes: 10 };
  history.begin({ kind: 'present', content });
  assert.equal(history.settle(makeContent(content)), undefined);
  assert.match(history.settle(undefined) ?? '', /absent/);
});

// The lossy disks take as long again: they are parts of CI (.ci/run).
test(
  'kill -9 at random moments loses nothing that was acknowledged',
  { timeout: 240_000 },
  async (t) => {
    const summary = await runCrashTest({
      disk: 'plain',
      seed: 'npm test plain',
      writers: 8,
      kills: 30,
      minutes: 3.5,
    });
    t.diagnostic(JSON.stringify(summary));
    assert.deepEqual(summary.violations, []);
    assert.ok(summary.kills >= 30, `only ${summary.kills} kills`);
    assert.ok(summary.acknowledged >= 1000, `only ${summary.acknowledged} acknowledged writes`);
  },
);
