// Gauges of the roles that keep data: calls, journal, and the disk where there are chunks.

import { Gauge } from 'prom-client';
import type { Registry } from 'prom-client';
import type { RpcServer } from '../../core/rpc/server.ts';
import type { ChunkEngine } from '../../core/store/engine.ts';
import type { DiskJournal } from '../../core/store/journal.ts';

export interface DataProcess {
  readonly rpc: RpcServer;
  readonly data: { readonly journal: DiskJournal; readonly chunks?: ChunkEngine };
}

export function registerDataMetrics(registry: Registry, { rpc, data }: DataProcess): void {
  const gauge = (name: string, help: string, value: () => number): void =>
    void new Gauge({
      name: `lampyr_${name}`,
      help,
      registers: [registry],
      collect() {
        this.set(value());
      },
    });
  const { journal, chunks } = data;
  gauge('rpc_connections', 'connections of other roles', () => rpc.stats.connections);
  gauge('rpc_requests_running', 'requests being executed', () => rpc.stats.running);
  gauge('journal_records', 'records appended since start', () => journal.stats.records);
  gauge('journal_groups', 'groups written and synced since start', () => journal.stats.groups);
  gauge('journal_bytes', 'bytes written since start', () => journal.stats.bytes);
  gauge('journal_checkpoints', 'checkpoints since start', () => journal.stats.checkpoints);
  gauge(
    'journal_free_bytes',
    'room before updates wait for a checkpoint',
    () => journal.stats.freeBytes,
  );
  if (chunks === undefined) return;
  gauge('store_bytes', 'size of the disk', () => chunks.space().totalBytes);
  gauge('store_free_bytes', 'free on the disk', () => chunks.space().freeBytes);
  gauge('store_used_bytes', 'in blocks that chunks own', () => chunks.space().usedBytes);
}
