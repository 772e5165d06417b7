// One request and its answer on a connection: what the dispatcher knows about it at each stage, for the
// answer, the stall guard, the metrics and the access log.

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Transfer } from '../server/stall-guard.ts';
import type { OperationName } from '../../protocols/s3/operations.ts';
import { S3Error } from '../../protocols/s3/errors.ts';
import type { RequestBody } from './request-body.ts';

export class Exchange implements Transfer {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly requestId: string;
  readonly startedMs: number;
  /** The client waits for `100 Continue` before it sends the body. */
  readonly expectsContinue: boolean;
  private continued = false;
  /** Lets the next exchange of the connection go on. */
  private onEnd: (() => void) | undefined;
  private ended = false;
  /** What the connection did to the request. */
  brokenBy: S3Error | undefined;

  // --- known as the request is taken apart
  operation: OperationName | undefined;
  bucket = '';
  key = '';
  uploadId: string | undefined;
  /** Name of the caller, for the access log. */
  caller: string | undefined;
  body: RequestBody | undefined;

  // --- the answer
  /** Bytes of documents and content given to the socket. */
  sentBytes = 0;
  /** Invariant: true exactly while the answer waits for the client to read. */
  awaitsReader = false;
  status = 0;
  errorCode: string | undefined;

  constructor(options: {
    request: IncomingMessage;
    response: ServerResponse;
    requestId: string;
    nowMs: number;
    expectsContinue: boolean;
  }) {
    this.request = options.request;
    this.response = options.response;
    this.requestId = options.requestId;
    this.startedMs = options.nowMs;
    this.expectsContinue = options.expectsContinue;
  }

  /** Lets a waiting client send its body. */
  readonly sendContinue = (): void => {
    if (!this.expectsContinue || this.continued || this.response.headersSent) return;
    this.continued = true;
    this.response.writeContinue();
  };

  /** Its answer is complete, or there will be none. */
  end(): void {
    this.ended = true;
    this.onEnd?.();
  }

  /** For the one exchange that follows on the connection. */
  whenEnded(): Promise<void> {
    if (this.ended) return Promise.resolve();
    return new Promise((resolve) => {
      this.onEnd = resolve;
    });
  }

  /** The client went away. */
  get isGone(): boolean {
    return this.request.socket.destroyed;
  }

  /** No more of the body comes: the client was never told to send it, stalled, or broke the framing. */
  get bodyEnded(): boolean {
    return this.brokenBy !== undefined || (this.expectsContinue && !this.continued);
  }

  /** The connection broke the request off; the error becomes the answer. */
  breakOff(error: S3Error): void {
    this.brokenBy = error;
    this.body?.fail(error);
  }

  progressBytes(): number | undefined {
    const { socket } = this.request;
    // What the connection took, and not what waits in it.
    if (this.awaitsReader) return socket.bytesWritten - socket.writableLength;
    return this.body?.isAwaited === true ? this.body.receivedBytes : undefined;
  }

  onStall(): void {
    if (this.awaitsReader) this.request.socket.destroy();
    else this.breakOff(new S3Error('RequestTimeout'));
  }
}
