// Channels of a writer session (design 4.2): a channel carries one update at a time, and its sequence number
// names the update for exactly-once replay. A sequence is given once; a retry uses the same tag.

import { assert } from '../base/assert.ts';
import type { SessionId } from '../base/ids.ts';
import { limits } from '../base/limits.ts';
import type { UpdateTag } from '../store/types.ts';

export class Channels {
  private readonly session: SessionId;
  private readonly free: number[] = [];
  private readonly sequences: number[] = [];
  private readonly waiters: ((channel: number) => void)[] = [];

  constructor(session: SessionId) {
    this.session = session;
    for (let channel = limits.sessionChannelsMax - 1; channel >= 0; channel--) {
      this.free.push(channel);
      this.sequences[channel] = 0;
    }
  }

  /** Runs `update` with a fresh tag on a channel of its own. */
  async use<T>(update: (tag: UpdateTag) => Promise<T>): Promise<T> {
    const channel = this.free.pop() ?? (await this.nextFree());
    const sequence = (this.sequences[channel] as number) + 1;
    this.sequences[channel] = sequence;
    try {
      return await update({ session: this.session, channel, sequence });
    } finally {
      const next = this.waiters.shift();
      if (next === undefined) this.free.push(channel);
      else next(channel);
      assert(this.free.length <= limits.sessionChannelsMax, 'a channel is freed once');
    }
  }

  private nextFree(): Promise<number> {
    return new Promise((resolve) => void this.waiters.push(resolve));
  }
}
