// The settings of the machines as processes use them: design 4.4 and core/base/limits.ts.

import { limits } from '../base/limits.ts';
import type { FencingSettings } from '../chain/membership.ts';
import type { ReplicaSettings } from '../replica/types.ts';

export const fencing: FencingSettings = {
  deadMs: limits.storeDeadMs,
  heartbeatMs: limits.heartbeatMs,
  managerLeaseMs: limits.managerLeaseMs,
  managerRenewMs: limits.managerRenewMs,
  scanMs: limits.managerScanMs,
  managerGapMs: limits.managerGapMs,
};

export const replicaSettings: ReplicaSettings = {
  callMs: limits.replicaCallMs,
  otherVersionMs: limits.replicaOtherVersionMs,
  readWaitMs: limits.replicaReadWaitMs,
  syncRows: limits.replicaSyncRows,
  syncWindow: limits.replicaSyncWindow,
  slices: limits.replicaSlices,
};
