// A call of the internal RPC: the only way to reach another process. A call's capability is part of its
// type; a server refuses a peer whose token does not carry it (default deny, design 4.7 and P6).
// Wire format: docs/internals/rpc.md.

import type { Message } from '../base/message.ts';

/** read: reader roles. write: writer roles (implies read). store: store processes, which read routing, report to the
 *  manager and tell each other updates (implies read). operator: launcher and command line (implies all). */
export type Capability = 'read' | 'write' | 'store' | 'operator';

/** Separate queues and credits, so that bulk work never delays the others (design 4.7). */
export type Lane = 'read' | 'write' | 'resync' | 'background';

export interface Call<Request extends object, Response extends object> {
  /** Stable number on the wire: service * 100 + call. 1 session · 2 store · 3 namespace · 4 identity · 5 status ·
   *  6 cluster. */
  readonly id: number;
  readonly name: string;
  readonly capability: Capability;
  readonly lane: Lane;
  readonly request: Message<Request>;
  readonly response: Message<Response>;
  /** The control messages carry a checksum of the payload, which the receiver verifies: the frames need
   *  none of their own. For calls that move chunks. */
  readonly payloadProtected?: boolean;
  /** The most payload that an answer usually has: taken from the lane's byte credits, so that answers to
   *  many calls cannot fill the memory of either side. Calls whose answers vary give it in CallOptions. */
  readonly answerBytes?: number;
}

export function defineCall<Request extends object, Response extends object>(
  call: Call<Request, Response>,
): Call<Request, Response> {
  return call;
}

export interface Answer<Response> {
  readonly response: Response;
  /** Raw bytes beside the control message, never inside protobuf. Empty when the call carries none. */
  readonly payload: Uint8Array;
  /** There when the payload is lent (`CallOptions.lendsAnswer`): gives its memory back, to be used for another
   *  answer. Once, and nobody may hold a view of the payload then. Left out, the memory is collected. */
  readonly release?: () => void;
}

export interface CallOptions {
  /** Sent as given, without a copy; must not change until the call returns. */
  readonly payload?: readonly Uint8Array[];
  /** limits.rpcDeadlineMs when absent. */
  readonly deadlineMs?: number;
  /** Payload expected in the answer; overrides `Call.answerBytes`. */
  readonly answerBytes?: number;
  /** The caller calls `Answer.release` when it is done with a large payload: a fresh buffer for each makes the
   *  garbage collector run once per 64 MiB received. */
  readonly lendsAnswer?: boolean;
  /** Gives the call up: it rejects with CANCELLED and the server is told. */
  readonly signal?: AbortSignal;
}

export interface RpcClient {
  /** @throws CoreError with the server's code; UNAVAILABLE or BUSY when it was not sent, CANCELLED,
   *  DEADLINE_EXCEEDED when the outcome is unknown */
  call<Request extends object, Response extends object>(
    call: Call<Request, Response>,
    request: Request,
    options?: CallOptions,
  ): Promise<Answer<Response>>;
}

export interface CallContext {
  readonly capability: Capability;
  /** Name of the peer's role, for logs. */
  readonly peer: string;
  /** Monotonic time (Clock.now) at which the caller stops waiting. */
  readonly deadlineAtMs?: number;
  /** Becomes true while the handler runs when the caller gave up or is gone: long work may stop. */
  readonly cancelled?: boolean;
}

export interface HandlerAnswer<Response> {
  readonly response: Response;
  readonly payload?: readonly Uint8Array[];
  /** The payload is out: its memory may be used again. Not called when the connection ends before that. */
  readonly onSent?: () => void;
}

export type Handler<Request, Response> = (
  request: Request,
  /** Owned by the handler (but see HandlerOptions). */
  payload: Uint8Array,
  context: CallContext,
) => Promise<HandlerAnswer<Response>>;

export interface HandlerOptions {
  /** The payload is the handler's until its promise settles, and is used again afterwards: it keeps no view of
   *  it and does not answer with it. Spares large writes their allocation. */
  readonly borrowsPayload?: boolean;
}

export interface RpcRegistry {
  register<Request extends object, Response extends object>(
    call: Call<Request, Response>,
    handler: Handler<Request, Response>,
    options?: HandlerOptions,
  ): void;
}
