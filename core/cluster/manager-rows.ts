// What the manager keeps in the metadata store: its lease, and the chains, each written together with a compare of the
// lease (design 4.4). Layout: docs/internals/metadata.md, Z rows.
//
//   Z 'C' chain (u64)   a chain
//   Z 'I'               the next number for a process
//   Z 'L'               who has the lease, and how often it was taken

import { Buffer } from 'node:buffer';
import type { ChainId } from '../base/ids.ts';
import { message, nested, string, uint } from '../base/message.ts';
import type { MessageOf } from '../base/message.ts';
import { type Chain, assertChain } from '../chain/chain.ts';
import { ChainMessage, chainFromMessage, chainToMessage } from '../chain/chain-messages.ts';
import { rangeOf, space } from '../meta/keys.ts';
import type { MetaReader, MetaStore } from '../meta/meta-store.ts';
import { decodeRow, encodeRow } from '../meta/rows.ts';

const LeaseRow = message('ManagerLease', { holder: string(1), count: uint(2) });
type LeaseRow = MessageOf<typeof LeaseRow>;
const ChainRow = message('ChainRow', { chain: nested(1, ChainMessage) });
const ProcessRow = message('ProcessNumbers', { next: uint(1) });

const leaseKey = Buffer.of(space.cluster, 0x4c);
const processKey = Buffer.of(space.cluster, 0x49);
const chainPrefix = Buffer.of(space.cluster, 0x43);

function chainKey(chain: ChainId): Buffer {
  const number = Buffer.alloc(8);
  number.writeBigUInt64BE(BigInt(chain));
  return Buffer.concat([chainPrefix, number]);
}

/** Far above the chains of one machine (limits.chainsOfMachine). */
const chainsMax = 4096;

export interface TakenLease {
  readonly chains: readonly Chain[];
  /** Above every routing version that an earlier holder gave out. */
  readonly routing: number;
}

export class ManagerRows {
  private readonly store: MetaStore;
  private readonly holder: string;

  /** @param holder a name that no other process has */
  constructor(store: MetaStore, holder: string) {
    this.store = store;
    this.holder = holder;
  }

  /** Whoever had the lease must have ended: on one machine the lock of the data directory says so. */
  async take(): Promise<TakenLease> {
    return this.store.transact(async (transaction) => {
      const before = await readLease(transaction);
      const count = (before?.count ?? 0) + 1;
      transaction.set(leaseKey, encodeRow(LeaseRow, { holder: this.holder, count }));
      const chains = await readChains(transaction);
      // Each change of a chain counts one, and each new holder: no version is given out for two routings.
      const routing = chains.reduce((sum, { version }) => sum + version, count);
      return { chains, routing };
    });
  }

  /** Whether this process still has the lease. Nothing is written: nobody else may take it while the process runs. */
  async holds(): Promise<boolean> {
    return (await readLease(this.store))?.holder === this.holder;
  }

  /** @returns false when the lease is lost, and nothing was written */
  async write(chains: readonly Chain[]): Promise<boolean> {
    for (const chain of chains) assertChain(chain);
    return this.store.transact(async (transaction) => {
      if ((await readLease(transaction))?.holder !== this.holder) return false;
      for (const chain of chains)
        transaction.set(chainKey(chain.id), encodeRow(ChainRow, { chain: chainToMessage(chain) }));
      return true;
    });
  }

  /** A number that was never given before. */
  async nextProcess(): Promise<number> {
    return this.store.transact(async (transaction) => {
      const row = await transaction.get(processKey);
      const number = row === undefined ? 1 : decodeRow(ProcessRow, row).next;
      transaction.set(processKey, encodeRow(ProcessRow, { next: number + 1 }));
      return number;
    });
  }
}

async function readLease(reader: MetaReader): Promise<LeaseRow | undefined> {
  const row = await reader.get(leaseKey);
  return row === undefined ? undefined : decodeRow(LeaseRow, row);
}

async function readChains(reader: MetaReader): Promise<Chain[]> {
  const rows = await reader.range({ ...rangeOf(chainPrefix), limit: chainsMax });
  return rows.map(([, value]) => chainFromMessage(decodeRow(ChainRow, value).chain));
}
