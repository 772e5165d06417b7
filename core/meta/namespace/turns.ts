// Turns on a key: operations of this process on one object run one after another, in order of arrival, so
// that many writers of a hot key neither starve nor burn attempts on conflicts. Only an optimisation: what is
// right rests on the transactions' conflicts, also between processes.

import { CoreError } from '../../base/errors.ts';
import { limits } from '../../base/limits.ts';
import { mark } from '../../base/mark.ts';

export class Turns {
  /** Waiters behind the operation that has the turn. Invariant: present exactly while somebody has it. */
  private readonly waiting = new Map<string, (() => void)[]>();

  /** @throws BUSY when too many wait for the key */
  async run<T>(key: string, operation: () => Promise<T>): Promise<T> {
    const queue = this.waiting.get(key);
    if (queue === undefined) this.waiting.set(key, []);
    else await this.wait(queue);
    try {
      return await operation();
    } finally {
      this.pass(key);
    }
  }

  private wait(queue: (() => void)[]): Promise<void> {
    if (queue.length >= limits.turnWaitersMax) {
      throw new CoreError('BUSY', `${queue.length} operations wait for one key`);
    }
    mark('turns.wait');
    return new Promise((resolve) => {
      queue.push(resolve);
    });
  }

  private pass(key: string): void {
    const next = this.waiting.get(key)?.shift();
    if (next === undefined) this.waiting.delete(key);
    else next();
  }
}
