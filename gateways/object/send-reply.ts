// A reply onto the connection. Small answers leave in one write; content follows the reader's pace; an answer
// that cannot be completed cuts the connection, so that a short body never looks whole. Where the client
// still sends a body that nobody will read, the answer goes out first and the rest is read over for a while:
// closing at once would reset the connection and take the answer with it.

import { xmlDeclaration } from '../../protocols/s3/xml-writer.ts';
import type { Exchange } from './exchange.ts';
import { doorLimits } from './limits.ts';
import type { Reply, ReplyContent } from './reply.ts';

export interface SendOptions {
  /** Headers of every answer, in turn. */
  readonly common: readonly string[];
  /** No further request is wanted on the connection. */
  readonly lastOfConnection: boolean;
  /** Pause between the blanks of a late answer. */
  readonly lateBeatMs: number;
}

/** Resolves when the answer is out, or the connection gone. @throws what the content throws */
export async function sendReply(
  exchange: Exchange,
  reply: Reply,
  options: SendOptions,
): Promise<void> {
  const { response } = exchange;
  exchange.status = reply.status;
  try {
    if (exchange.isGone) return;
    const unread = unreadBody(exchange);
    if (options.lastOfConnection || unread !== 'none') response.shouldKeepAlive = false;
    const headers = options.common.concat(reply.headers);
    // What leaves at once waits for nothing: a small answer costs no promise of its own.
    if (reply.late !== undefined) await sendLate(exchange, reply, headers, options.lateBeatMs);
    else if (reply.content !== undefined) {
      const { whole, lengthBytes } = reply.content;
      if (whole?.length === lengthBytes && lengthBytes <= doorLimits.endBytesMax)
        sendWhole(exchange, reply.status, headers, whole);
      else await sendContent(exchange, reply.status, headers, reply.content);
    } else {
      const lingering = sendDocument(exchange, reply, headers, unread === 'coming');
      if (lingering !== undefined) await lingering;
    }
    if (!isOut(exchange)) await flushed(exchange);
  } finally {
    reply.content?.cancel();
  }
}

/** held: nothing more of it comes; coming: more than is worth reading over. */
function unreadBody(exchange: Exchange): 'none' | 'held' | 'coming' {
  const { request } = exchange;
  if (request.complete) return 'none';
  if (exchange.bodyEnded) return 'held';
  const length = Number(request.headers['content-length'] ?? Number.POSITIVE_INFINITY);
  return length <= doorLimits.skipBytesMax ? 'none' : 'coming';
}

/** @returns what a client that still sends is waited for */
function sendDocument(
  exchange: Exchange,
  { status, body }: Reply,
  headers: string[],
  linger: boolean,
): Promise<void> | undefined {
  const { response } = exchange;
  if (body === undefined) {
    if (status === 200 && exchange.request.method !== 'HEAD') headers.push('Content-Length', '0');
    response.writeHead(status, headers);
    if (linger) response.flushHeaders();
  } else {
    const bytes = typeof body === 'string' ? Buffer.from(body, 'utf8') : body;
    headers.push('Content-Length', String(bytes.length));
    response.writeHead(status, headers);
    exchange.sentBytes += bytes.length;
    if (!linger) {
      response.end(bytes);
      return undefined;
    }
    response.write(bytes);
  }
  if (linger) return readOver(exchange).then(() => void response.end());
  response.end();
  return undefined;
}

/** Content that is in memory: head and content in one write. */
function sendWhole(exchange: Exchange, status: number, headers: string[], whole: Uint8Array): void {
  const { response } = exchange;
  headers.push('Content-Length', String(whole.length));
  response.writeHead(status, headers);
  exchange.sentBytes += whole.length;
  response.end(whole);
}

/** Reads the body over until its end, or until the client had its chance to see the answer. */
function readOver(exchange: Exchange): Promise<void> {
  const { request } = exchange;
  return new Promise((resolve) => {
    let bytes = 0;
    const done = (): void => {
      clearTimeout(timer);
      request.off('data', onData).off('end', done).off('close', done);
      resolve();
    };
    const onData = (chunk: Uint8Array): void => {
      bytes += chunk.length;
      if (bytes > doorLimits.lingerBytesMax) done();
    };
    const timer = setTimeout(done, doorLimits.lingerMs);
    request.on('data', onData).on('end', done).on('close', done).on('error', done);
    request.resume();
  });
}

async function sendContent(
  exchange: Exchange,
  status: number,
  headers: string[],
  content: ReplyContent,
): Promise<void> {
  const { response } = exchange;
  const pieces = content.chunks[Symbol.asyncIterator]();
  // Before the head goes out a failing read can still become an error answer.
  let next = await pieces.next();
  headers.push('Content-Length', String(content.lengthBytes));
  response.writeHead(status, headers);
  try {
    let sentBytes = 0;
    while (next.done !== true) {
      const piece = next.value;
      sentBytes += piece.length;
      if (sentBytes === content.lengthBytes && piece.length <= doorLimits.endBytesMax) {
        exchange.sentBytes += piece.length;
        response.end(piece);
        return;
      }
      if (sentBytes > content.lengthBytes) throw new Error('content is longer than its length');
      if (!(await writePiece(exchange, piece))) return;
      next = await pieces.next();
    }
    if (sentBytes < content.lengthBytes) throw new Error('content ended before its length');
    response.end();
  } catch (error) {
    exchange.request.socket.destroy();
    throw error;
  }
}

/** Returns when the connection has taken the piece: its memory is used again for the next one.
 *  @returns false when the connection is gone. */
async function writePiece(exchange: Exchange, piece: Uint8Array): Promise<boolean> {
  for (let at = 0; at < piece.length; at += doorLimits.writeBytesMax) {
    const slice = piece.subarray(at, at + doorLimits.writeBytesMax);
    exchange.sentBytes += slice.length;
    exchange.awaitsReader = true;
    await taken(exchange, slice);
    exchange.awaitsReader = false;
    if (exchange.isGone) return false;
  }
  return true;
}

/** Nearly always: the kernel took it at once. */
function isOut({ request: { socket }, response }: Exchange): boolean {
  if (response.writableFinished || socket.destroyed) return true;
  return response.socket !== null && socket.writableLength === 0;
}

/** Until the whole answer left this process: a client that does not read its end is a stalled one, too. */
async function flushed(exchange: Exchange): Promise<void> {
  const { request, response } = exchange;
  const { socket } = request;
  exchange.awaitsReader = true;
  await new Promise<void>((resolve) => {
    const done = (): void => {
      response.off('finish', done);
      socket.off('close', done);
      resolve();
    };
    response.on('finish', done);
    socket.on('close', done);
  });
  exchange.awaitsReader = false;
}

/** Until the kernel has the bytes, or the connection ends. The request's socket is asked: an answer that waits for
 *  earlier ones on its connection has none yet. */
function taken({ request, response }: Exchange, bytes: Uint8Array): Promise<void> {
  const { socket } = request;
  return new Promise((resolve) => {
    const done = (): void => {
      socket.off('close', done);
      resolve();
    };
    socket.on('close', done);
    response.write(bytes, done);
    if (socket.destroyed) done();
  });
}

/** The head, the XML declaration, then a blank now and then until the document is known. */
async function sendLate(
  exchange: Exchange,
  { status, late }: Reply,
  headers: string[],
  beatMs: number,
): Promise<void> {
  const { response } = exchange;
  response.writeHead(status, headers);
  response.write(xmlDeclaration);
  const beat = setInterval(() => response.write(' '), beatMs);
  try {
    const document = (await late) ?? '';
    exchange.sentBytes += document.length;
    response.end(document);
  } finally {
    clearInterval(beat);
  }
}
