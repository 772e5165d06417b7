// Ids of requests: unique among the processes of a system, cheap to make, and no secret.

import { randomBytes } from 'node:crypto';

/** 16 upper-case hex digits: 8 that are this process's, 8 that count. */
export class RequestIds {
  private readonly prefix = randomBytes(4).toString('hex').toUpperCase();
  private count = 0;

  next(): string {
    this.count = (this.count + 1) >>> 0;
    return this.prefix + this.count.toString(16).toUpperCase().padStart(8, '0');
  }
}
