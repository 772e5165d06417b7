// Stories that once went wrong, or are likely to: each says what happens to a chain of a few stores and what everybody
// sees. Store 1 is the head, the last one the tail.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Story, chunkA, chunkB, targetOf, write } from './story.ts';

/** Store 3 returns, empty or late, on a disk so slow that others go on meanwhile. */
function filling(name: string): Story {
  const story = new Story(name, 3);
  story.updated(chunkA, write('first'));
  story.updated(chunkB, write('first'));
  story.store(3).kill();
  story.until(() => story.state(3) === 'OFFLINE', 10_000, 'store 3 is out');
  story.updated(chunkA, write('while it was away'));
  story.store(3).start();
  story.target(3).slowness = 100;
  story.until(() => story.state(3) === 'SYNCING', 10_000, 'store 3 is being filled');
  return story;
}

describe('a chain of replicas', () => {
  it('its head dies between forwarding an update and committing it', () => {
    const story = new Story('head dies', 3);
    story.updated(chunkA, write('old'));
    story.diesAt(1, 'send forward');
    const told = story.update(chunkA, write('new'));
    story.until(() => !story.store(1).alive, 100, 'store 1 dies');
    assert.equal(told.ended, false);

    // The others have it, and nobody else will finish it: store 2 does, as the new head.
    story.until(
      () => story.state(2) === 'SERVING' && story.state(1) !== 'SERVING',
      10_000,
      'store 1 is out',
    );
    assert.equal(story.shown(chunkA, 2), 'new');
    assert.equal(story.shown(chunkA, 3), 'new');
    // The client tried again with the same tag; the update took effect once, which the observer checks.
    story.until(() => told.ended, 10_000, 'the client is answered');
    assert.deepEqual(told.outcome, { kind: 'done' });
    story.ends();
  });

  it('its tail pauses past its lease, and wakes with a read in its queue', () => {
    const story = new Story('tail pauses', 3);
    story.updated(chunkA, write('old'));
    story.store(3).pause(9000);
    const early = story.read(chunkA, 3);
    story.pass(2000);
    // Writes need the tail until it is out.
    const told = story.update(chunkA, write('new'));
    story.until(() => told.ended, 15_000, 'the write is answered');
    assert.notEqual(story.state(3), 'SERVING');
    assert.equal(story.shown(chunkA, 1), 'new');

    // It still believes that it serves; its lease is over, so that it does not say what it has.
    const { version } = story.chain;
    let late: unknown;
    const request = {
      chainVersion: (version - 1) as typeof version,
      chunk: chunkA,
      offset: 0,
      length: 9,
    };
    story
      .store(3)
      .run(() => story.store(3).read(targetOf(3), request, (answer) => (late = answer)));
    story.until(() => late !== undefined, 10_000, 'the paused tail wakes');
    assert.match(JSON.stringify(late), /fenced|routing/);
    story.until(() => early.ended, 15_000, 'the early read is answered');
    story.ends();
  });

  it('two stores fail in a row, then the last one, and only that one may begin again', () => {
    const story = new Story('two in a row', 3);
    story.updated(chunkA, write('it: 3'));
    story.store(3).kill();
    story.until(() => story.state(3) === 'OFFLINE', 10_000, 'store 3 is out');
    story.updated(chunkA, write('it: 2'));
    story.store(2).kill();
    story.until(() => story.state(2) === 'OFFLINE', 10_000, 'store 2 is out');
    story.updated(chunkA, write('it: 1'));
    story.store(1).kill();
    story.until(() => story.state(1) === 'LASTSRV', 10_000, 'store 1 served last');

    // The others return first; they lack what was acknowledged, so nobody serves.
    story.store(3).start();
    story.store(2).start();
    story.pass(10_000);
    assert.equal(story.state(1), 'LASTSRV');
    assert.equal(story.state(2), 'WAITING');
    assert.equal(story.state(3), 'WAITING');

    story.store(1).start();
    story.until(() => story.state(1) === 'SERVING', 10_000, 'store 1 serves again');
    assert.equal(story.shown(chunkA, 1), 'it: 1');
    story.ends();
    for (const store of [1, 2, 3]) assert.equal(story.shown(chunkA, store), 'it: 1');
  });

  it('all stores die at once with an update on its way, and the first to return finishes it', () => {
    const story = new Story('all die', 3);
    story.updated(chunkA, write('old'));
    story.diesAt(3, 'commit');
    const told = story.update(chunkA, write('new'));
    // The tail has committed, and nobody knows; the others have it pending.
    story.until(() => !story.store(3).alive, 100, 'store 3 dies');
    story.store(1).kill();
    story.store(2).kill();
    story.until(() => story.state(1) === 'LASTSRV', 10_000, 'all are judged dead');
    assert.equal(story.state(2), 'LASTSRV');
    assert.equal(story.state(3), 'LASTSRV');

    story.store(2).start();
    story.until(() => story.state(2) === 'SERVING', 10_000, 'store 2 serves');
    assert.equal(story.shown(chunkA, 2), 'new');
    story.until(() => told.ended, 15_000, 'the client is answered');
    story.ends();
  });

  it('the manager dies when a change is durable and nobody has heard of it', () => {
    const story = new Story('manager dies', 3);
    story.updated(chunkA, write('old'));
    const first = story.manager;
    story.cluster.points.arm({ process: first, point: 'chain durable', downMs: Infinity });
    story.store(3).kill();
    story.until(() => !first.alive, 10_000, 'the manager dies');
    assert.equal(story.state(3), 'OFFLINE');

    // The other manager takes the lease, finds the change and publishes it.
    story.updated(chunkA, write('new'));
    assert.notEqual(story.manager, first);
    assert.equal(story.shown(chunkA, 2), 'new');
    story.ends();
  });

  it('a target that was asked to leave falls silent, is judged dead, and comes back', () => {
    const story = new Story('asked and silent', 3);
    story.store(3).pause(12_000);
    story.manager.active?.demote(targetOf(3));
    story.until(() => story.state(3) === 'OFFLINE', 10_000, 'store 3 is out');
    // The asking ends there: repeated to a target that is out, it would keep it out.
    story.ends();
  });
});

describe('a target that is being filled', () => {
  it('gets a live write of a chunk that it lacks whole', () => {
    const story = filling('live write');
    story.updated(chunkA, write('live', 6));
    assert.equal(story.state(3), 'SYNCING');
    story.ends();
    assert.equal(story.shown(chunkA, 3), 'while liveas away');
  });

  it('gets a live truncate of a chunk that it lacks whole', () => {
    const story = filling('live truncate');
    story.updated(chunkA, { kind: 'truncate', length: 5 });
    assert.equal(story.state(3), 'SYNCING');
    story.ends();
    assert.equal(story.shown(chunkA, 3), 'while');
  });

  it('gets a live remove of a chunk that others removed or that it lacks', () => {
    const story = filling('live remove');
    story.updated(chunkA, { kind: 'remove' });
    story.updated(chunkB, { kind: 'remove' });
    assert.equal(story.state(3), 'SYNCING');
    story.ends();
    assert.equal(story.shown(chunkA, 3), undefined);
    assert.equal(story.shown(chunkB, 3), undefined);
  });

  it('serves when a removal is still on its way to its disk', () => {
    const story = filling('removal in flight');
    story.until(() => story.state(3) === 'SERVING', 20_000, 'it is to be published as serving');
    // The others hear of it late, and still fill: the removal comes behind the version that store 3 notes, and they
    // hear nothing of store 3 when it shows it.
    story.hearsLate(story.store(1), 400);
    story.hearsLate(story.store(2), 400);
    story.hearsLate(story.client(), 400);
    story.cluster.network.clog(story.store(3).name, story.store(2).name, 400);
    story.pass(3);
    const told = story.update(chunkA, { kind: 'remove' });
    for (let reads = 0; reads < 100; reads++) story.shown(chunkA, 3, 2);
    story.until(() => told.ended, 10_000, 'the remove is answered');
    story.ends();
    assert.equal(story.shown(chunkA, 3), undefined);
  });

  it('does not take a chunk that was made anew for the one that it had', () => {
    const story = new Story('made anew', 3);
    story.updated(chunkA, write('first'));
    story.pass(1000);
    // All commit the removal; store 3 dies before the mark of that is durable.
    story.updated(chunkA, { kind: 'remove' });
    story.store(3).kill();
    const told = story.update(chunkA, write('again'));
    story.until(() => story.state(3) === 'OFFLINE', 10_000, 'store 3 is out');
    story.until(() => told.ended, 10_000, 'the write is answered');
    story.ends();
    assert.equal(story.shown(chunkA, 3), 'again');
  });
});

describe('a request that arrives again', () => {
  it('has no effect when it was refused, however late', () => {
    const story = new Story('late copy', 2);
    const head = story.store(1);
    const tag = { session: 7 as never, channel: 0, sequence: 1 };
    const remove = {
      chainVersion: story.chain.version,
      chunk: chunkA,
      change: { kind: 'remove' as const },
      tag,
    };
    const answers: unknown[] = [];
    const send = (): void =>
      head.run(() => head.update(targetOf(1), remove, (answer) => answers.push(answer)));
    send();
    story.updated(chunkA, write('later'));
    send();
    story.pass(100);
    assert.deepEqual(answers, [
      { ok: false, error: 'CHUNK_NOT_FOUND' },
      { ok: false, error: 'CHUNK_NOT_FOUND' },
    ]);
    assert.equal(story.shown(chunkA, 2), 'later');
    story.ends();
  });
});
