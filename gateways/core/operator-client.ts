// The operator's way to the core: CoreOperator over the internal RPC, for the launcher's admin API and the
// command line. Lazy: the core may not listen yet, and may restart.

import type { Clock } from '../../core/env/clock.ts';
import type { Events } from '../../core/env/events.ts';
import type { Address, Net } from '../../core/env/net.ts';
import { IdentityClient } from '../../core/model/identities/client.ts';
import { ReconnectingClient } from '../../core/rpc/client.ts';
import type { CoreOperator, CoreStatus, FsckReport } from '../admin/operator.ts';
import { coreStatus, fsck } from './operator-calls.ts';

/** A check of a large system takes hours; whoever waits may give up at any time. */
const fsckMs = 24 * 3_600_000;

export interface OperatorOptions {
  readonly net: Net;
  readonly clock: Clock;
  readonly events: Events;
  readonly core: Address;
  readonly token: string;
}

export function openCoreOperator(options: OperatorOptions): CoreOperator {
  const { net, clock, events, core, token } = options;
  const rpc = new ReconnectingClient({
    net,
    clock,
    events,
    address: core,
    role: 'operator',
    token: Buffer.from(token),
  });
  return {
    identities: new IdentityClient(rpc, clock),
    async status(): Promise<CoreStatus> {
      const { response } = await rpc.call(coreStatus, {});
      const chains = response.chains.map(({ targets, ...chain }) => ({
        ...chain,
        targets: targets.map(({ reason = null, action = null, ...target }) => ({
          ...target,
          reason,
          action,
        })),
      }));
      // The core names its parts from the same list.
      const { notes } = response;
      return { parts: response.parts as unknown as CoreStatus['parts'], chains, notes };
    },
    async fsck({ scrub, signal }): Promise<FsckReport> {
      const given = signal === undefined ? {} : { signal };
      const { response } = await rpc.call(fsck, { scrub }, { deadlineMs: fsckMs, ...given });
      // The core names severities from the same list.
      const found = countsOf(response.found) as FsckReport['found'];
      const findings = response.findings as unknown as FsckReport['findings'];
      return { clean: found.error === 0, counts: countsOf(response.counts), found, findings };
    },
    close: async () => rpc.close(),
  };
}

function countsOf(counts: readonly { name: string; count: number }[]): Record<string, number> {
  return Object.fromEntries(counts.map(({ name, count }) => [name, count]));
}
