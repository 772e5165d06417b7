// The other end of peer-outbox.ts: batches of one store come in the order in which they were sent, or not at all. The
// RPC may bring a small batch before a large one; links of the replicas (core/replica/links.ts) take nothing out of
// order, so it waits here. A machine without effects.

import type { Envelope } from './replica-messages.ts';

export interface PeerBatch {
  readonly incarnation: number;
  readonly stream: number;
  readonly number: number;
  readonly messages: readonly Envelope[];
}

/** Batches that wait for an earlier one: more than a sender has in flight (limits.peerBatchesInFlightMax). */
const heldMax = 64;

export class PeerInbox {
  private readonly deliver: (message: Envelope) => void;
  private incarnation = 0;
  private stream = 0;
  private next = 1;
  private readonly held = new Map<number, readonly Envelope[]>();

  constructor(deliver: (message: Envelope) => void) {
    this.deliver = deliver;
  }

  take({ incarnation, stream, number, messages }: PeerBatch): void {
    const isOld =
      incarnation < this.incarnation || (incarnation === this.incarnation && stream < this.stream);
    if (isOld) return;
    if (incarnation > this.incarnation || stream > this.stream) {
      this.incarnation = incarnation;
      this.stream = stream;
      this.next = 1;
      this.held.clear();
    }
    if (number < this.next || this.held.size >= heldMax) return;
    this.held.set(number, messages);
    for (;;) {
      const ready = this.held.get(this.next);
      if (ready === undefined) return;
      this.held.delete(this.next);
      this.next++;
      for (const message of ready) this.deliver(message);
    }
  }
}
