// Messages of this store's replicas to those of one other store: batches in order over its RPC connection. A batch
// that may be lost begins a new stream, in which nothing comes before what was sent earlier: the receiver drops the
// rest of the old one. What does not fit is dropped, too: the replicas send again what is not answered.

import type { TargetId } from '../base/ids.ts';
import { limits } from '../base/limits.ts';
import type { ReplicaMessage } from '../replica/types.ts';
import type { RpcClient } from '../rpc/call.ts';
import { replicaMessages } from './cluster-calls.ts';
import { type EncodedMessage, encodeReplicaMessage } from './replica-messages.ts';

export interface PeerOutboxParts {
  readonly rpc: RpcClient;
  /** The sender. */
  readonly store: number;
  readonly incarnation: number;
}

export class PeerOutbox {
  private readonly parts: PeerOutboxParts;
  private queue: EncodedMessage[] = [];
  private queuedBytes = 0;
  private inFlight = 0;
  private stream = 1;
  private number = 0;
  private flushing = false;
  /** Messages that found no room. */
  dropped = 0;

  constructor(parts: PeerOutboxParts) {
    this.parts = parts;
  }

  send(from: TargetId, to: TargetId, message: ReplicaMessage): void {
    const encoded = encodeReplicaMessage({ from, to, message });
    const bytes = encoded.payload.length;
    const full =
      this.queue.length >= limits.peerOutboxMessagesMax ||
      this.queuedBytes + bytes > limits.peerOutboxBytesMax;
    if (full) {
      this.dropped++;
      return;
    }
    this.queue.push(encoded);
    this.queuedBytes += bytes;
    if (this.flushing) return;
    this.flushing = true;
    // At the end of the turn, with what else it says.
    void Promise.resolve().then(() => this.flush());
  }

  /** A batch of the present stream may be lost, or the other end may be new and wait for the first one. */
  restart(): void {
    this.stream++;
    this.number = 0;
  }

  private flush(): void {
    this.flushing = false;
    while (this.queue.length > 0 && this.inFlight < limits.peerBatchesInFlightMax)
      this.transmit(this.takeBatch());
  }

  /** At least one message, and what fits a frame beside it. */
  private takeBatch(): EncodedMessage[] {
    let bytes = 0;
    let count = 0;
    for (const { payload } of this.queue) {
      const fits = bytes + payload.length <= limits.rpcPayloadBytesMax;
      if (count > 0 && (!fits || count >= limits.peerBatchMessagesMax)) break;
      bytes += payload.length;
      count++;
    }
    this.queuedBytes -= bytes;
    return this.queue.splice(0, count);
  }

  private transmit(batch: readonly EncodedMessage[]): void {
    const { rpc, store, incarnation } = this.parts;
    const { stream } = this;
    const request = {
      store,
      incarnation,
      stream,
      number: ++this.number,
      messages: batch.map(({ record }) => record),
    };
    const payload = batch.map((each) => each.payload).filter(({ length }) => length > 0);
    this.inFlight++;
    rpc
      .call(replicaMessages, request, { payload, deadlineMs: limits.peerBatchMs })
      .catch(() => {
        if (this.stream === stream) this.restart();
      })
      .finally(() => {
        this.inFlight--;
        this.flush();
      });
  }
}
