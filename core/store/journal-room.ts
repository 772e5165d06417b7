// Callers that wait for journal space, served in order of arrival.

import type { CoreError } from '../base/errors.ts';

interface Waiter {
  readonly bytes: number;
  resolve(): void;
  reject(error: CoreError): void;
}

export class RoomQueue {
  private waiters: Waiter[] = [];
  private readonly admits: (bytes: number) => boolean;

  constructor(admits: (bytes: number) => boolean) {
    this.admits = admits;
  }

  get size(): number {
    return this.waiters.length;
  }

  /** Resolves at once when nobody waits and `admits` holds. */
  enter(bytes: number): Promise<void> {
    if (this.waiters.length === 0 && this.admits(bytes)) return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.waiters.push({ bytes, resolve, reject });
    });
  }

  /** Lets in as many as fit together. */
  grant(): void {
    let granted = 0;
    let count = 0;
    for (const waiter of this.waiters) {
      if (!this.admits(granted + waiter.bytes)) break;
      granted += waiter.bytes;
      count++;
    }
    for (const waiter of this.waiters.splice(0, count)) waiter.resolve();
  }

  fail(error: CoreError): void {
    for (const waiter of this.waiters.splice(0)) waiter.reject(error);
  }
}
