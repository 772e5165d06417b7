// Limits of the launcher and of role processes, each with its reason.

import { assert } from '../../core/base/assert.ts';

export const processLimits = {
  /** A role that is asked to drain ends by itself after this; enough for a slow client's last chunk. */
  drainMs: 20_000,
  /** Then the launcher kills it. */
  drainKillMs: 25_000,
  /** A role without a launcher stays this long for other roles that still use it. */
  orphanMs: 9_000,
  orphanPollMs: 50,
  /** A new start waits this long for the processes of a killed launcher to let go of disk and ports. */
  formerCoreMs: 30_000,
  /** Likewise for a port that they still listen on; they close it in the turn in which they notice. */
  formerPortAttempts: 100,
  formerPortPollMs: 100,
  /** Pause before a crashed role starts again: doubled at each crash in a row. */
  backoffMsMin: 100,
  backoffMsMax: 30_000,
  /** A role that served this long has recovered; its crashes count from one again. */
  recoveredMs: 60_000,
  /** Crashes in a row after which the state is CRASH_LOOP; the restarts go on at the longest pause. */
  crashesMax: 5,
  /** A role that got SIGTERM waits this long for the launcher to say that all is ending. */
  terminateGraceMs: 200,
  /** Answer of a role to a question over IPC (metrics). */
  askMs: 2_000,
  /** Libuv's pool in every role: two syncs per disk in flight never starve reads (design 9). */
  threadPoolSize: 16,
} as const;

assert(
  processLimits.drainMs < processLimits.drainKillMs,
  'a role gets the chance to end by itself',
);
assert(
  processLimits.orphanMs + processLimits.drainMs < processLimits.formerCoreMs,
  'a new start outwaits the end of the former one',
);
