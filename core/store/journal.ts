// The journal of a disk (design 4.6): records are numbered as they are appended, written in groups of whole
// pages, and durable when their group's fdatasync returned. Group commit by completion: what was appended
// while a group was in flight is the next group; there is no timer. A failed write or sync ends the journal
// for good. Format and ordering rules: docs/internals/journal.md.

import { CoreError } from '../base/errors.ts';
import type { RecordNumber } from '../base/ids.ts';
import { limits } from '../base/limits.ts';
import { mark } from '../base/mark.ts';
import type { Clock } from '../env/clock.ts';
import type { Events } from '../env/events.ts';
import { encodeMark, encodeSegmentHeader, markKind, pageBytes } from './journal-format.ts';
import { pageUp, recordHeaderBytes } from './journal-format.ts';
import { Group, GroupEncoder, bytesOf } from './journal-group.ts';
import type { JournalPosition, SegmentRing } from './journal-ring.ts';
import { RoomQueue } from './journal-room.ts';
import type { Segment } from './journal-segment.ts';
import type { Journal, JournalUser, RecordKind, RecordPart, Ticket } from './types.ts';

export interface JournalStats {
  readonly records: number;
  readonly groups: number;
  /** Written, headers and padding included. */
  readonly bytes: number;
  readonly checkpoints: number;
  readonly queuedBytes: number;
  readonly segments: number;
  readonly freeBytes: number;
}

export interface JournalParts {
  readonly ring: SegmentRing;
  readonly users: readonly JournalUser[];
  readonly clock: Clock;
  readonly events: Events;
  /** Behind the last recovered record. */
  readonly end: JournalPosition;
}

export class DiskJournal implements Journal {
  private readonly ring: SegmentRing;
  private readonly users: readonly JournalUser[];
  private readonly clock: Clock;
  private readonly events: Events;
  private readonly encoder = new GroupEncoder();

  /** Waiting groups in order; only the last one still takes records. */
  private readonly groups: Group[] = [];
  private inFlight: Group | undefined;
  private writing: Promise<void> | undefined;
  private nextNumber: number;
  /** Where groups go; none before the first group, since recovered segments are never appended to (rule 6). */
  private segment: Segment | undefined;
  /** Invariant: every group below the tail is durable. */
  private tail: JournalPosition;

  private queuedBytes = 0;
  private readonly waiting: RoomQueue;
  /** Until replay starts behind it: its mark may still be on the way when the next one begins. */
  private checkpointing: Promise<void> | undefined;
  /** With its mark: the earlier ones have ended before it. */
  private lastCheckpoint: Promise<void> = Promise.resolve();
  /** Newest record of a user; marks alone need no checkpoint. */
  private lastUserNumber: number;
  private idleTimer = false;
  private lazyTimer = false;
  private ringChanged: () => void = () => undefined;

  private failure: CoreError | undefined;
  private closing: Promise<void> | undefined;
  /** Nothing but the end of a checkpoint in progress is written any more. */
  private closed = false;
  private readonly offlineListeners: ((error: CoreError) => void)[] = [];
  private readonly counts = { records: 0, groups: 0, bytes: 0, checkpoints: 0 };

  /** Made by `openJournal` after recovery. */
  constructor({ ring, users, clock, events, end }: JournalParts) {
    this.ring = ring;
    this.users = users;
    this.clock = clock;
    this.events = events;
    this.nextNumber = end.number;
    this.lastUserNumber = end.number - 1;
    this.tail = end;
    this.waiting = new RoomQueue((bytes) => this.admits(bytes));
    ring.onChange = () => this.onRingChange();
    ring.onFailure = (error) => this.goOffline(error, 'prewriting a journal segment');
    ring.grow();
    this.markWhenIdle();
  }

  // --- appending ---------------------------------------------------------------------------------

  append(kind: RecordKind, parts: readonly RecordPart[], onDurable?: () => void): Ticket {
    if (this.closing !== undefined) throw closedError();
    const ticket = this.enqueue(kind, parts, onDurable, true);
    this.lastUserNumber = ticket.number;
    this.write();
    return ticket;
  }

  appendLazily(kind: RecordKind, parts: readonly RecordPart[], onDurable?: () => void): Ticket {
    if (this.closing !== undefined) throw closedError();
    const ticket = this.enqueue(kind, parts, onDurable);
    this.lastUserNumber = ticket.number;
    this.writeSoon();
    return ticket;
  }

  /** @param limited not a mark, without which nothing that is queued may ever be written, and not a lazy record,
   *  which is small and belongs to one that asked for room */
  private enqueue(
    kind: number,
    parts: readonly RecordPart[],
    onDurable?: () => void,
    limited = false,
  ): Ticket {
    if (this.failure !== undefined) throw this.failure;
    let payloadBytes = 0;
    for (const part of parts) payloadBytes += bytesOf(part).length;
    const bytes = recordHeaderBytes + payloadBytes;
    if (bytes > this.ring.recordBytesMax)
      throw new CoreError('LIMIT_EXCEEDED', `a journal record of ${bytes} bytes`);
    if (limited && this.queuedBytes + bytes > 2 * limits.journalQueueBytesMax)
      throw new CoreError('BUSY', 'the journal queue is full');
    const group = this.openGroup(bytes);
    group.add({ kind, parts, payloadBytes, onDurable });
    this.queuedBytes += bytes;
    return { number: this.nextNumber++ as RecordNumber, durable: group.durable };
  }

  /** The group that takes the next record. */
  private openGroup(bytes: number): Group {
    const last = this.groups.at(-1);
    const fits =
      last !== undefined &&
      last.bytes + bytes <= this.ring.groupBytesMax &&
      last.records.length < limits.journalGroupRecordsMax;
    if (fits) return last;
    const group = new Group(this.nextNumber);
    this.groups.push(group);
    return group;
  }

  get durableNumber(): RecordNumber {
    return (this.tail.number - 1) as RecordNumber;
  }

  room(bytes: number): Promise<void> {
    if (this.failure !== undefined) return Promise.reject(this.failure);
    if (this.closed) return Promise.reject(closedError());
    const admitted = this.waiting.enter(bytes);
    if (this.waiting.size > 0) {
      mark('journal.roomWait');
      this.relieve();
    }
    return admitted;
  }

  /** Space below the ring's reserve is for checkpoints and for records appended without `room` (rule 8). */
  private admits(bytes: number): boolean {
    const queued = this.queuedBytes + bytes;
    if (this.queuedBytes > 0 && queued > limits.journalQueueBytesMax) return false;
    return queued + this.ring.reserveBytes <= this.freeBytes;
  }

  private get freeBytes(): number {
    const started = this.segment?.header?.generation === this.tail.generation;
    const offset = started ? this.tail.offset : pageBytes;
    return this.ring.freeBytes + (this.segment === undefined ? 0 : this.segment.bytes - offset);
  }

  // --- writing -----------------------------------------------------------------------------------

  /** What is queued is wanted now. Groups are written in order, so those before the last one are, too. */
  private write(): void {
    const last = this.groups.at(-1);
    if (last !== undefined) last.urgent = true;
    this.writing ??= this.writeGroups();
  }

  private writeSoon(): void {
    if (this.lazyTimer) return;
    this.lazyTimer = true;
    this.clock.after(limits.journalLazyMs, () => {
      this.lazyTimer = false;
      if (this.failure === undefined && this.groups.length > 0) this.write();
    });
  }

  private async writeGroups(): Promise<void> {
    // Whatever else this turn appends belongs to the same group.
    await Promise.resolve();
    try {
      for (;;) {
        // A group that holds lazy records alone waits, unless a later one is wanted.
        if (!this.groups.some(({ urgent }) => urgent)) break;
        this.inFlight = this.groups.shift();
        if (this.inFlight === undefined) break;
        // oxlint-disable-next-line no-await-in-loop -- one group in flight (rule 7)
        await this.writeGroup(this.inFlight);
      }
    } catch (error) {
      this.goOffline(error, 'writing the journal');
    }
    this.writing = undefined;
    this.markWhenIdle();
  }

  private async writeGroup(group: Group): Promise<void> {
    const bytes = pageUp(group.bytes);
    let { segment } = this;
    let { offset } = this.tail;
    const opens = segment === undefined || offset + bytes > segment.bytes;
    if (segment === undefined || opens) {
      segment = await this.nextSegment(group.first);
      this.segment = segment;
      offset = 0;
    }
    const header = headerOf(segment);
    const { generation } = header;
    const parts = this.encoder.encode(group, {
      salt: this.ring.salt,
      generation,
      group: this.tail.group,
      segmentHeader: opens ? encodeSegmentHeader(header) : undefined,
    });
    await segment.file.write(parts, offset);
    await segment.file.sync();
    if (this.failure !== undefined) throw this.failure;
    if (opens) this.ring.noteBegun(generation);
    const end = offset + bytes + (opens ? pageBytes : 0);
    this.tail = { number: group.last + 1, generation, offset: end, group: this.tail.group + 1 };
    this.settle(group, bytes);
  }

  private async nextSegment(first: number): Promise<Segment> {
    for (;;) {
      const segment = this.ring.begin(this.tail.generation, first, this.tail.group);
      if (segment !== undefined) return segment;
      const changed = new Promise<void>((resolve) => {
        this.ringChanged = resolve;
      });
      mark('journal.segmentWait');
      this.relieve();
      // oxlint-disable-next-line no-await-in-loop -- until a checkpoint frees a segment
      await changed;
      if (this.failure !== undefined) throw this.failure;
    }
  }

  private settle(group: Group, bytes: number): void {
    this.inFlight = undefined;
    this.queuedBytes -= group.bytes;
    this.counts.groups++;
    this.counts.records += group.records.length;
    this.counts.bytes += bytes;
    for (const { onDurable } of group.records) onDurable?.();
    group.resolve();
    this.waiting.grant();
    this.checkpointWhenHalfFull();
  }

  // --- room and checkpoints ----------------------------------------------------------------------

  private onRingChange(): void {
    this.ringChanged();
    if (this.failure !== undefined) return;
    this.ring.grow();
    this.waiting.grant();
    if (this.waiting.size > 0) this.relieve();
  }

  private checkpointWhenHalfFull(): void {
    const due = this.freeBytes * 2 <= this.ring.bytes || !this.ring.hasFree;
    if (!due || this.ring.reclaimable(this.tail.generation) === 0) return;
    mark('journal.halfFull');
    this.startCheckpoint();
  }

  /** Somebody waits for space. */
  private relieve(): void {
    if (this.failure !== undefined) return;
    this.ring.grow(true);
    if (this.ring.reclaimable(this.tail.generation) > 0) this.startCheckpoint();
  }

  private startCheckpoint(): void {
    // Its failure takes the journal offline, which is where it is reported.
    this.checkpoint().catch(() => undefined);
  }

  checkpoint(): Promise<void> {
    if (this.failure !== undefined) return Promise.reject(this.failure);
    if (this.closed && this.checkpointing === undefined) return Promise.reject(closedError());
    if (this.checkpointing !== undefined) return this.checkpointing;
    this.lastCheckpoint = this.runCheckpoint();
    this.checkpointing = this.lastCheckpoint;
    return this.checkpointing;
  }

  private async runCheckpoint(): Promise<void> {
    // Out of any `onDurable`: those of the whole group have then run.
    await Promise.resolve();
    const start = this.tail;
    if (this.lastUserNumber < this.ring.superblock.current.number) {
      mark('journal.checkpointIdle');
      this.checkpointing = undefined;
      return;
    }
    const below = start.number as RecordNumber;
    try {
      await Promise.all(this.users.map((user) => user.checkpoint(below)));
      if (this.failure !== undefined) throw this.failure;
      await this.ring.restartAt(start);
      // A group before the mark may wait for a segment that only the next checkpoint frees.
      this.checkpointing = undefined;
      const marked = this.note();
      this.ringChanged();
      // Once the mark is durable, recovery can tell that this superblock was in use.
      await marked;
      mark('journal.checkpoint');
      for (const user of this.users) user.checkpointed?.(below);
      this.counts.checkpoints++;
    } catch (error) {
      this.goOffline(error, 'a checkpoint');
      throw this.failure;
    }
  }

  /** Appends a mark. */
  private note(): Promise<void> {
    const { durable } = this.enqueue(markKind, [encodeMark(this.ring.superblock.current.sequence)]);
    this.write();
    return durable;
  }

  /** A group is provably whole once a later one exists; without one it could pass for a torn tail. */
  private markWhenIdle(): void {
    if (this.idleTimer || this.failure !== undefined || this.lastUserNumber !== this.durableNumber)
      return;
    this.idleTimer = true;
    const seen = this.nextNumber;
    this.clock.after(limits.journalIdleMarkMs, () => {
      this.idleTimer = false;
      if (this.failure !== undefined || this.closing !== undefined) return;
      if (this.nextNumber === seen) {
        mark('journal.idleMark');
        this.note().catch(() => undefined);
      } else if (this.writing === undefined) this.markWhenIdle();
    });
  }

  // --- end ---------------------------------------------------------------------------------------

  /** Calls `listener` once when the journal goes offline, at once if it already is. */
  onOffline(listener: (error: CoreError) => void): void {
    if (this.failure === undefined) this.offlineListeners.push(listener);
    else listener(this.failure);
  }

  private goOffline(error: unknown, doing: string): void {
    if (this.failure !== undefined) return;
    const reason = error instanceof Error ? error.message : String(error);
    const failure = new CoreError(
      'DISK_OFFLINE',
      `${doing} failed: ${reason}; the disk serves no more: check it and restart, or replace it`,
      { cause: error },
    );
    this.failure = failure;
    this.events.emit('error', 'journal-offline', { doing, reason });
    this.inFlight?.reject(failure);
    for (const group of this.groups.splice(0)) group.reject(failure);
    this.waiting.fail(failure);
    this.ringChanged();
    for (const listener of this.offlineListeners.splice(0)) listener(failure);
  }

  /** Writes what is queued and a last mark, then closes the files. Later appends throw DISK_OFFLINE. Nothing
   *  uses the files or the users' index after it: whoever opens the journal next has them alone. */
  close(): Promise<void> {
    this.closing ??= this.runClose();
    return this.closing;
  }

  private async runClose(): Promise<void> {
    await Promise.resolve();
    await this.lastCheckpoint.catch(() => undefined);
    if (this.failure === undefined) await this.note().catch(() => undefined);
    await this.writing;
    // What was written last may have begun a checkpoint: it ends first, and none begins after it.
    this.closed = true;
    await this.lastCheckpoint.catch(() => undefined);
    await this.writing;
    this.waiting.fail(closedError());
    await this.ring.close();
  }

  get stats(): JournalStats {
    return {
      ...this.counts,
      queuedBytes: this.queuedBytes,
      segments: this.ring.count,
      freeBytes: this.freeBytes,
    };
  }
}

function closedError(): CoreError {
  return new CoreError('DISK_OFFLINE', 'the journal is closed');
}

function headerOf(segment: Segment): NonNullable<Segment['header']> {
  if (segment.header === undefined) throw new Error(`segment not in use: ${segment.path}`);
  return segment.header;
}
