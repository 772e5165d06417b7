// Where rows were removed from a table's Kv since it was last compacted there: a removed row leaves a mark in
// `level`, and a range read passes every mark and what lies below it. Counted in a bounded number of spans of keys,
// those with the fewest rows joined first, so that a mass deletion shows as spans of equal weight. An estimate
// for the compaction alone; written to the Kv beside the rows, so that a restart goes on. Pure.

import { Buffer } from 'node:buffer';
import { ByteReader, ByteWriter } from '../base/bytes.ts';
import { CoreError } from '../base/errors.ts';

/** From one key to another, both of them inside; one character a byte. */
export interface RemovedSpan {
  from: string;
  to: string;
  /** Removed since the last compaction. */
  rows: number;
  /** Of their keys and values. */
  bytes: number;
}

/** Of a mass deletion each holds a hundredth; some ten kilobytes when written. */
const spansMax = 128;
/** A longer key is cut: the span is then a little wider or narrower than what was removed. */
const keyBytesMax = 64;
const version = 1;

export class RemovedSpans {
  private readonly spans: RemovedSpan[] = [];

  get size(): number {
    return this.spans.length;
  }

  note(key: string, bytes: number): void {
    const text = key.length > keyBytesMax ? key.slice(0, keyBytesMax) : key;
    this.add({ from: text, to: text, rows: 1, bytes });
  }

  /** Takes a span in, whatever it touches. */
  add(span: RemovedSpan): void {
    const { spans } = this;
    // Of the first span that ends at or behind the beginning.
    const first = this.firstEndingAt(span.from);
    let next = first;
    const joined = { ...span };
    for (; next < spans.length && (spans[next] as RemovedSpan).from <= span.to; next++)
      join(joined, spans[next] as RemovedSpan);
    spans.splice(first, next - first, joined);
    if (spans.length > spansMax) this.joinSmallest();
  }

  private firstEndingAt(key: string): number {
    let low = 0;
    let high = this.spans.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.spans[middle] as RemovedSpan).to < key) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  private joinSmallest(): void {
    const { spans } = this;
    let smallest = 0;
    let rows = Number.POSITIVE_INFINITY;
    for (let at = 0; at + 1 < spans.length; at++) {
      const together = (spans[at] as RemovedSpan).rows + (spans[at + 1] as RemovedSpan).rows;
      if (together >= rows) continue;
      rows = together;
      smallest = at;
    }
    join(spans[smallest] as RemovedSpan, spans[smallest + 1] as RemovedSpan);
    spans.splice(smallest + 1, 1);
  }

  /** Neighbours joined until each has `rowsMin` rows; those at the end that have fewer are left out. */
  groups(rowsMin: number): RemovedSpan[] {
    const groups: RemovedSpan[] = [];
    let group: RemovedSpan | undefined;
    for (const span of this.spans) {
      if (group === undefined) group = { ...span };
      else join(group, span);
      if (group.rows < rowsMin) continue;
      groups.push(group);
      group = undefined;
    }
    return groups;
  }

  /** Forgets the spans that lie within. */
  forget({ from, to }: RemovedSpan): void {
    const kept = this.spans.filter((span) => span.from < from || span.to > to);
    this.spans.splice(0, this.spans.length, ...kept);
  }

  /** These and `more`, as they are written to the Kv. */
  encode(more: readonly RemovedSpan[]): Buffer {
    const writer = new ByteWriter().u8(version).u16(this.spans.length + more.length);
    for (const { from, to, rows, bytes } of [...this.spans, ...more])
      writer
        .block(Buffer.from(from, 'latin1'))
        .block(Buffer.from(to, 'latin1'))
        .u64(rows)
        .u64(bytes);
    return writer.finish();
  }

  /** None when they cannot be read: they are worth a compaction at most. */
  static decode(encoded: Uint8Array): RemovedSpans {
    const spans = new RemovedSpans();
    try {
      const reader = new ByteReader(encoded);
      if (reader.u8() !== version) return spans;
      for (let count = reader.u16(); count > 0; count--) {
        const [from, to] = [reader.block(keyBytesMax), reader.block(keyBytesMax)];
        const span = { rows: reader.u64(), bytes: reader.u64() };
        spans.add({ from: from.toString('latin1'), to: to.toString('latin1'), ...span });
      }
      return spans;
    } catch (error) {
      if (error instanceof CoreError) return new RemovedSpans();
      throw error;
    }
  }
}

function join(span: RemovedSpan, { from, to, rows, bytes }: RemovedSpan): void {
  if (from < span.from) span.from = from;
  if (to > span.to) span.to = to;
  span.rows += rows;
  span.bytes += bytes;
}
