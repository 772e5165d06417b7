// A request's body as the model pulls it: bytes come from the socket only after the first pull (that is when
// a waiting client gets its `100 Continue`), go through the receiver, and wait here in a bounded queue. The
// receiver's views of the socket's buffers are handed on, not copied; Node gives every read a buffer of its
// own, so they stay unchanged.

import type { IncomingMessage } from 'node:http';
import { assert } from '../../core/base/assert.ts';
import type { ObjectBody } from '../../core/model/objects/types.ts';
import type { BodyReceiver } from '../../protocols/s3/body-receiver.ts';
import type { ContentDigests } from '../../protocols/s3/content-digester.ts';
import { S3Error } from '../../protocols/s3/errors.ts';
import { doorLimits } from './limits.ts';
import { YoungGarbage } from './young-garbage.ts';

interface Waiting {
  resolve(result: IteratorResult<Uint8Array, undefined>): void;
  reject(error: unknown): void;
}

/** Of the whole process, as its heap is. */
const garbage = new YoungGarbage();

const end: IteratorResult<Uint8Array, undefined> = { done: true, value: undefined };

export class RequestBody implements ObjectBody, AsyncIterableIterator<Uint8Array> {
  readonly chunks = this;
  private readonly request: IncomingMessage;
  private readonly receiver: BodyReceiver;
  private readonly onFirstPull: () => void;
  private readonly queue: Uint8Array[] = [];
  private queuedBytes = 0;
  private waiting: Waiting | undefined;
  /** Set once the body is proven. */
  private result: ContentDigests | undefined;
  private failure: unknown;
  private state: 'unread' | 'reading' | 'ended' | 'failed' = 'unread';

  constructor(request: IncomingMessage, receiver: BodyReceiver, onFirstPull: () => void) {
    this.request = request;
    this.receiver = receiver;
    this.onFirstPull = onFirstPull;
  }

  get sizeBytes(): number | undefined {
    return this.receiver.sizeBytes;
  }

  get receivedBytes(): number {
    return this.receiver.receivedBytes;
  }

  /** Whether the client is what the model waits for. */
  get isAwaited(): boolean {
    return this.waiting !== undefined;
  }

  digests(): ContentDigests {
    assert(this.result !== undefined, 'digests before the end of the body');
    return this.result;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<Uint8Array, undefined>> {
    const piece = this.queue.shift();
    if (piece !== undefined) {
      this.queuedBytes -= piece.length;
      if (this.queuedBytes < doorLimits.bodyBufferedBytesMax / 2 && this.request.isPaused())
        this.request.resume();
      return Promise.resolve({ done: false, value: piece });
    }
    if (this.state === 'ended') return Promise.resolve(end);
    if (this.state === 'failed') return Promise.reject(this.failure);
    assert(this.waiting === undefined, 'one pull at a time');
    return new Promise((resolve, reject) => {
      this.waiting = { resolve, reject };
      if (this.state === 'unread') this.start();
    });
  }

  /** The model gives the body up. */
  return(): Promise<IteratorResult<Uint8Array, undefined>> {
    if (this.state === 'reading' || this.state === 'unread')
      this.fail(new S3Error('IncompleteBody'));
    return Promise.resolve(end);
  }

  /** Ends the body with an error, which the next pull meets: a parser's complaint, a stalled client. */
  fail(error: unknown): void {
    if (this.state === 'ended' || this.state === 'failed') return;
    this.stop('failed');
    this.failure = error;
    this.queue.length = 0;
    this.queuedBytes = 0;
    this.waiting?.reject(error);
    this.waiting = undefined;
  }

  private start(): void {
    this.state = 'reading';
    const { request } = this;
    request.on('data', this.onData);
    request.on('end', this.onEnd);
    request.on('error', this.onGone);
    request.on('close', this.onGone);
    this.onFirstPull();
  }

  private stop(state: 'ended' | 'failed'): void {
    const wasReading = this.state === 'reading';
    this.state = state;
    if (!wasReading) return;
    const { request } = this;
    request.off('data', this.onData);
    request.off('end', this.onEnd);
    request.off('close', this.onGone);
    // The listener for errors stays: a later one must not end the process.
    if (state === 'failed') request.pause();
  }

  private readonly onData = (bytes: Uint8Array): void => {
    try {
      for (const piece of this.receiver.push(bytes)) this.take(piece);
    } catch (error) {
      this.fail(error);
    }
    garbage.received(bytes.length);
  };

  private take(piece: Uint8Array): void {
    const { waiting } = this;
    if (waiting !== undefined) {
      this.waiting = undefined;
      waiting.resolve({ done: false, value: piece });
      return;
    }
    this.queue.push(piece);
    this.queuedBytes += piece.length;
    if (this.queuedBytes >= doorLimits.bodyBufferedBytesMax) this.request.pause();
  }

  private readonly onEnd = (): void => {
    try {
      this.result = this.receiver.end();
    } catch (error) {
      this.fail(error);
      return;
    }
    this.stop('ended');
    this.waiting?.resolve(end);
    this.waiting = undefined;
  };

  /** The connection ended before the body did. */
  private readonly onGone = (): void => this.fail(new S3Error('IncompleteBody'));
}
