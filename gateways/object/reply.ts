// What a handler answers: a value that send-reply.ts puts on the wire. Header lists are names and values in
// turn, as node:http takes them without building objects.

export interface ReplyContent {
  readonly lengthBytes: number;
  /** A piece is valid until the next one is pulled. */
  readonly chunks: AsyncIterable<Uint8Array>;
  /** All of it, when it is in memory already; `chunks` has the same bytes. */
  readonly whole?: Uint8Array | undefined;
  /** Stops reading; called in any case, also after the end. */
  cancel(): void;
}

export interface Reply {
  readonly status: number;
  readonly headers: readonly string[];
  /** A document, encoded where it is long; absent for none. */
  readonly body?: string | Buffer;
  /** An object's bytes, streamed. */
  readonly content?: ReplyContent;
  /** The document comes later, without its XML declaration; never rejects. */
  readonly late?: Promise<string>;
}

export const xmlType: readonly string[] = ['Content-Type', 'application/xml'];

export function xmlReply(document: string | Buffer, headers: readonly string[] = []): Reply {
  return { status: 200, headers: [...xmlType, ...headers], body: document };
}

export function emptyReply(status: number, headers: readonly string[] = []): Reply {
  return { status, headers };
}
