// What launcher and role say to each other over the child's IPC channel. Trusted on both sides: the same
// build runs at both ends, so there is no version and no validation here.

import type { RoleConfig } from './role.ts';

export type ToRole =
  /** The first message: after it come the listening sockets, one message each. */
  | { readonly kind: 'start'; readonly config: RoleConfig; readonly listeners: number }
  /** A bound socket travels beside the message. */
  | { readonly kind: 'listener'; readonly door: string }
  | { readonly kind: 'drain' }
  | { readonly kind: 'metrics'; readonly id: number };

export type FromRole =
  | { readonly kind: 'ready' }
  /** The role cannot start or go on; the process ends right after. */
  | { readonly kind: 'failed'; readonly code: string; readonly message: string }
  | { readonly kind: 'metrics'; readonly id: number; readonly text: string }
  /** The role got SIGTERM by itself and asks to be drained in the right order. */
  | { readonly kind: 'terminate' };

/** Exit codes of a role. Whatever else is a crash. */
export const roleExit = { drained: 0, failed: 1 } as const;
