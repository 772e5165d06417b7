// RPC calls for the operator (ids 500–599): what `lampyr status` and `lampyr fsck` ask of the core.

import { bool, many, message, nested, optional, string, uint } from '../../core/base/message.ts';
import type { MessageOf } from '../../core/base/message.ts';
import { defineCall } from '../../core/rpc/call.ts';

const Part = message('CorePart', { role: string(1), state: string(2), dir: string(3) });

const Target = message('Target', {
  id: uint(1),
  store: uint(2),
  state: string(3),
  /** Why it does not serve; absent while it does. */
  reason: optional(string(4)),
  /** What an operator can do about it. */
  action: optional(string(5)),
});

const Chain = message('Chain', { id: uint(1), version: uint(2), targets: many(nested(3, Target)) });

export const coreStatus = defineCall({
  id: 500,
  name: 'coreStatus',
  capability: 'operator',
  lane: 'background',
  request: message('CoreStatusRequest', {}),
  response: message('CoreStatusResponse', {
    parts: many(nested(1, Part)),
    chains: many(nested(2, Chain)),
    /** What an operator should know of how the system is set up. */
    notes: many(string(3)),
  }),
});
export type CoreStatusResponse = MessageOf<typeof coreStatus.response>;

const Count = message('FsckCount', { name: string(1), count: uint(2) });

const Finding = message('FsckFinding', {
  severity: string(1),
  kind: string(2),
  where: string(3),
  detail: string(4),
  action: string(5),
});

/** Checks chunks, metadata and the references between them while the system runs. Takes as long as it takes:
 *  give it a deadline to match. One check at a time: BUSY. */
export const fsck = defineCall({
  id: 501,
  name: 'fsck',
  capability: 'operator',
  lane: 'background',
  request: message('FsckRequest', { scrub: bool(1) }),
  response: message('FsckResponse', {
    counts: many(nested(1, Count)),
    found: many(nested(2, Count)),
    findings: many(nested(3, Finding)),
  }),
});
export type FsckResponse = MessageOf<typeof fsck.response>;
