// The shape of a cluster on one machine: which stores hold which targets of which chains, and where the chunks of
// new blobs go. Computed by everybody who needs it from the same few numbers. Pure.

import type { ChainId, StoreId, TargetId } from '../base/ids.ts';
import { id } from '../base/ids.ts';
import { limits } from '../base/limits.ts';
import { place } from '../chain/placement.ts';
import type { BlobLayout } from '../client/types.ts';

export interface PlannedChain {
  readonly id: ChainId;
  /** Head first. */
  readonly targets: readonly { readonly id: TargetId; readonly store: StoreId }[];
}

export interface ClusterShape {
  readonly replicas: number;
  /** Stores are numbered from 1. */
  readonly stores: number;
}

/** Target numbers say chain and store: 302 is the replica of chain 3 on store 2. */
const targetsPerChain = 100;

export function planChains({ replicas, stores }: ClusterShape): PlannedChain[] {
  const disks = Array.from({ length: stores }, (_, at) => ({
    id: at + 1,
    domain: `store ${at + 1}`,
    weight: 1,
  }));
  const chains = limits.chainsOfMachine;
  return place(disks, { chains, replicas, seed: 1 }).map((members, at) => ({
    id: id<ChainId>(at + 1),
    targets: members.map((store) => ({
      id: id<TargetId>((at + 1) * targetsPerChain + store),
      store: id<StoreId>(store),
    })),
  }));
}

/** Targets of one store. */
export function targetsOfStore(shape: ClusterShape, store: number): TargetId[] {
  return planChains(shape).flatMap(({ targets }) =>
    targets.filter((target) => target.store === store).map((target) => target.id),
  );
}

/** Layout of new blobs: over all chains, begun where the blob's number says. */
export const clusterLayout: BlobLayout = {
  table: 1,
  tableVersion: 1,
  chunkBytes: limits.objectChunkBytes,
  stripe: limits.chainsOfMachine,
  seed: 0,
};
