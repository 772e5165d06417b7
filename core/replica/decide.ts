// What becomes of one chunk when a target is filled: the decision table of design 4.5. `local` is the source, `remote`
// the target, whose row was read first: since commits run from the tail to the head, the source can only be ahead of
// it, or about to be.

import { type ReplicaRow, type SnapshotRow, isSameContent, isSameUpdate } from './types.ts';

/** send: transfer the whole chunk · remove: the target has what nobody else has · skip: equal, or the update that is
 *  pending here carries it · fatal: cannot be; the target must not serve. */
export type Decision = 'send' | 'remove' | 'skip' | 'fatal';

export function decide(local: ReplicaRow | undefined, remote: SnapshotRow | undefined): Decision {
  if (local === undefined) return remote === undefined ? 'skip' : 'remove';
  const { committed, pending } = local;
  // What is on its way reaches the target whole when it lacks the base.
  if (committed === undefined || pending !== undefined)
    return pending === undefined ? 'fatal' : 'skip';
  if (remote === undefined || committed.assigned > remote.assigned) return 'send';
  if (committed.assigned < remote.assigned) return 'fatal';
  if (isSameUpdate(committed, remote)) return isSameContent(committed, remote) ? 'skip' : 'fatal';
  // The target left under that chain version: in the middle of updates, or before the chunk was made anew.
  return 'send';
}
