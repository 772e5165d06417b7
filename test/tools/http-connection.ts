// One keep-alive HTTP/1.1 connection on a raw socket, one request at a time: the leanest client that a load
// generator can have in Node, so that the figures are the server's. Bodies of answers are counted, not kept,
// unless asked for.

import { type Socket, connect } from 'node:net';

export interface BenchAnswer {
  readonly status: number;
  /** The answer's head, status line and headers. */
  readonly head: string;
  readonly bodyBytes: number;
  readonly body: Buffer | undefined;
}

interface Pending {
  readonly keepBody: boolean;
  readonly head: boolean;
  resolve(answer: BenchAnswer): void;
  reject(error: Error): void;
}

const headEnd = Buffer.from('\r\n\r\n');

export class HttpConnection {
  private readonly socket: Socket;
  private pending: Pending | undefined;
  private headBuffer: Buffer = Buffer.alloc(0);
  private answer:
    | {
        status: number;
        head: string;
        remaining: number;
        chunked: boolean;
        bytes: number;
        kept: Buffer[];
      }
    | undefined;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (chunk) => this.onData(chunk));
    socket.on('error', (error) => this.fail(error));
    socket.on('close', () => this.fail(new Error('connection closed')));
  }

  static open(host: string, port: number): Promise<HttpConnection> {
    return new Promise((resolve, reject) => {
      const socket = connect({ host, port }, () => {
        socket.off('error', reject);
        resolve(new HttpConnection(socket));
      });
      socket.once('error', reject);
    });
  }

  /** Sends one request; `head` is complete with its blank line. */
  request(method: string, head: string, body?: Buffer, keepBody = false): Promise<BenchAnswer> {
    return new Promise((resolve, reject) => {
      this.pending = { keepBody, head: method === 'HEAD', resolve, reject };
      if (body === undefined) {
        this.socket.write(head, 'latin1');
        return;
      }
      this.socket.cork();
      this.socket.write(head, 'latin1');
      this.socket.write(body);
      this.socket.uncork();
    });
  }

  close(): void {
    this.socket.destroy();
  }

  private fail(error: Error): void {
    const pending = this.pending;
    this.pending = undefined;
    pending?.reject(error);
  }

  private onData(chunk: Buffer): void {
    if (this.answer === undefined) {
      const joined = this.headBuffer.length === 0 ? chunk : Buffer.concat([this.headBuffer, chunk]);
      const end = joined.indexOf(headEnd);
      if (end < 0) {
        this.headBuffer = joined;
        return;
      }
      this.headBuffer = Buffer.alloc(0);
      this.onHead(joined.toString('latin1', 0, end));
      this.onBody(joined.subarray(end + headEnd.length));
      return;
    }
    this.onBody(chunk);
  }

  private onHead(head: string): void {
    const status = Number(head.slice(9, 12));
    const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
    const chunked = /\r\ntransfer-encoding: *chunked/i.test(head);
    const bodyless = this.pending?.head === true || status === 204 || status === 304;
    const remaining = bodyless ? 0 : chunked ? Number.POSITIVE_INFINITY : Number(length ?? 0);
    this.answer = { status, head, remaining, chunked, bytes: 0, kept: [] };
  }

  private onBody(chunk: Buffer): void {
    const answer = this.answer;
    if (answer === undefined) return;
    answer.bytes += chunk.length;
    answer.remaining -= chunk.length;
    if (this.pending?.keepBody === true || answer.chunked) answer.kept.push(chunk);
    // A chunked answer ends with the empty chunk; what this tool asks for never contains that text itself.
    const done = answer.chunked
      ? Buffer.concat(answer.kept.slice(-2)).toString('latin1').endsWith('0\r\n\r\n')
      : answer.remaining <= 0;
    if (!done) return;
    const pending = this.pending;
    this.answer = undefined;
    this.pending = undefined;
    const body = pending?.keepBody === true ? Buffer.concat(answer.kept) : undefined;
    pending?.resolve({ status: answer.status, head: answer.head, bodyBytes: answer.bytes, body });
  }
}
