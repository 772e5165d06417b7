// The exactly-once tables of a disk's targets, in memory whole: a lookup cannot wait. They change when a record comes into
// force, live or in replay, and say which rows of the index change with it. Sessions end (`endedBelow`), so a table
// holds those that live: at most `channelsPerSessionMax` entries each. Pure.

import type { SessionId, TargetId } from '../base/ids.ts';
import type { KvMutation } from '../env/kv.ts';
import type { TagsRecord } from './chunk-record.ts';
import { type TagEntry, encodeTagRow, tagKey } from './tag-row.ts';

export class TagTables {
  private readonly tables = new Map<TargetId, Map<string, TagEntry>>();

  /** A row of the index. */
  load(target: TargetId, entry: TagEntry): void {
    this.table(target).set(nameOf(entry.session, entry.channel), entry);
  }

  get(target: TargetId, session: SessionId, channel: number): TagEntry | undefined {
    return this.tables.get(target)?.get(nameOf(session, channel));
  }

  entries(target: TargetId): TagEntry[] {
    return [...(this.tables.get(target)?.values() ?? [])];
  }

  /** The higher sequence of a channel stays. @returns the rows that change */
  merge(target: TargetId, entries: readonly TagEntry[]): KvMutation[] {
    const table = this.table(target);
    const rows: KvMutation[] = [];
    for (const entry of entries) {
      const { session, channel, sequence } = entry;
      const name = nameOf(session, channel);
      if ((table.get(name)?.sequence ?? -1) >= sequence) continue;
      table.set(name, entry);
      rows.push({ key: tagKey(target, session, channel), value: encodeTagRow(entry) });
    }
    return rows;
  }

  /** @returns the rows that change */
  apply({ target, forget, endedBelow, entries }: TagsRecord): KvMutation[] {
    const rows: KvMutation[] = [];
    const table = this.table(target);
    for (const [name, { session, channel }] of table) {
      if (!forget && session >= endedBelow) continue;
      table.delete(name);
      rows.push({ key: tagKey(target, session, channel), value: undefined });
    }
    return [...rows, ...this.merge(target, entries)];
  }

  private table(target: TargetId): Map<string, TagEntry> {
    let table = this.tables.get(target);
    if (table === undefined) {
      table = new Map();
      this.tables.set(target, table);
    }
    return table;
  }
}

function nameOf(session: SessionId, channel: number): string {
  return `${session}/${channel}`;
}
