// One recorded order of everything that simulated devices did, with the marks that a workload sets between
// ("write 7 was acknowledged"). A crash point is a place in the trace; test/sim/crash-states.ts replays it.

import type { KvMutation } from '../../core/env/kv.ts';

export type DiskOperation =
  | { readonly kind: 'create'; readonly path: string }
  | {
      readonly kind: 'write';
      readonly path: string;
      readonly position: number;
      readonly bytes: Uint8Array;
    }
  | { readonly kind: 'truncate'; readonly path: string; readonly bytes: number }
  | { readonly kind: 'sync'; readonly path: string }
  | { readonly kind: 'makeDirectory'; readonly path: string }
  | { readonly kind: 'remove'; readonly path: string }
  | { readonly kind: 'rename'; readonly from: string; readonly to: string }
  | { readonly kind: 'syncDir'; readonly path: string };

export type TraceEvent =
  | { readonly device: 'disk'; readonly operation: DiskOperation }
  | {
      readonly device: 'kv';
      readonly kv: string;
      readonly mutations: readonly KvMutation[];
      readonly sync: boolean;
    }
  | { readonly device: 'mark'; readonly mark: unknown };

export class Trace {
  readonly events: TraceEvent[] = [];

  mark(mark: unknown): void {
    this.events.push({ device: 'mark', mark });
  }
}
