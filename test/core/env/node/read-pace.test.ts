import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ReadPace } from '../../../../core/env/node/read-pace.ts';

test('two slow lookups close to each other send the next ones to the pool for a while', () => {
  const pace = new ReadPace();
  pace.took(0, 5);
  assert.equal(pace.prompt(5), true, 'one may be a process that was preempted');
  pace.took(5, 10);
  assert.equal(pace.prompt(10), false);
  assert.equal(pace.prompt(29.9), false);
  assert.equal(pace.prompt(30), true);
  pace.took(30, 35);
  assert.equal(pace.prompt(35), false, 'still slow: one lookup a pause, not two');
});

test('a slow lookup is forgotten after a run of prompt ones', () => {
  const pace = new ReadPace();
  for (let at = 0; at < 1000; at += 40) {
    pace.took(at, at + 1);
    for (let i = 0; i < 32; i++) pace.took(at + 2, at + 2.01);
    assert.equal(pace.prompt(at + 3), true);
  }
});

test('pauses double while reads stay slow, and begin anew after a run of prompt ones', () => {
  const pace = new ReadPace({ slowMs: 1, pauseMsMax: 100 });
  pace.took(0, 0.9);
  pace.took(0, 5);
  for (const [at, pauseMs] of [
    [10, 20],
    [1010, 40],
    [2010, 80],
    [3010, 100],
    [4010, 100],
  ] as const) {
    pace.took(at - 5, at);
    assert.equal(pace.prompt(at + pauseMs - 1), false);
    assert.equal(pace.prompt(at + pauseMs), true);
  }
  for (let i = 0; i < 32; i++) pace.took(5000, 5000.1);
  pace.took(5000, 5005);
  pace.took(5005, 5010);
  assert.equal(pace.prompt(5029), false);
  assert.equal(pace.prompt(5030), true);
});
