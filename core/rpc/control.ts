// Control messages of the protocol itself: handshake, credits, failures. Those of calls are declared
// beside the calls.

import type { Buffer } from 'node:buffer';
import { bytes, many, message, nested, string, uint } from '../base/message.ts';
import type { MessageOf } from '../base/message.ts';
import { CoreError, errorNameOf } from '../base/errors.ts';

/** Version of the handshake and of the rules of docs/internals/rpc.md; the frame layout has its own. */
export const protocolVersion = 1;

/** First frame of a client. */
export const Hello = message('Hello', {
  version: uint(1),
  /** Name of the role, for logs. */
  role: string(2),
  token: bytes(3),
});

/** Request and byte credits of a lane; the position in `lanes` names the lane. */
export const LaneCredit = message('LaneCredit', { requests: uint(1), bytes: uint(2) });
export type LaneCredit = MessageOf<typeof LaneCredit>;

/** Answer to Hello. */
export const Welcome = message('Welcome', {
  version: uint(1),
  /** Random per start of the server: a client that sees another one knows that the server restarted. */
  incarnation: bytes(2),
  lanes: many(nested(3, LaneCredit)),
});

/** New credits, absolute, that replace the earlier ones. */
export const Credit = message('Credit', { lanes: many(nested(1, LaneCredit)) });

/** Code of core/base/errors.ts and a sentence for people. */
export const Failure = message('Failure', { code: uint(1), detail: string(2) });

export function encodeFailure(error: CoreError): Buffer {
  return Failure.encode({ code: error.code, detail: error.message });
}

/** @throws CoreError PROTOCOL */
export function decodeFailure(control: Uint8Array): CoreError {
  const { code, detail } = Failure.decode(control);
  return new CoreError(errorNameOf(code), detail);
}
