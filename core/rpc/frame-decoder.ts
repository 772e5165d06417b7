// Incremental decoder of frames: bytes in any split go in, checked frames come out at a sink. It copies
// the control part (owned by the sink from then on) and lets the sink say where a piece of payload belongs,
// so that payload is copied once at most: not at all when the connection reads into `vacancy()`.
// Allocates nothing before a length passed its limit. A decoder that threw is dead: close the connection.

import { Buffer } from 'node:buffer';
import { crc32c } from '../base/crc32c.ts';
import { checkedFrom, claimedCrc, headerBytes, readHeader, refused } from './frame.ts';
import type { FrameHeader } from './frame.ts';

export interface FrameSink {
  /** Header and control are complete and checked. Answers where the piece of payload goes, exactly
   *  `header.pieceBytes` long, or undefined to discard it. */
  onFrame(header: FrameHeader, control: Buffer): Uint8Array | undefined;
  /** The piece is in place. Called for every frame, those without payload included. */
  onPiece(header: FrameHeader): void;
}

type Part = 'header' | 'control' | 'piece';

/** Below this it is cheaper to read on into the connection's own buffer, which takes several frames. */
const directBytesMin = 64 * 1024;

export class FrameDecoder {
  /** Small until the peer is known. */
  controlBytesMax: number;
  private readonly sink: FrameSink;
  private readonly head = Buffer.allocUnsafe(headerBytes);
  private header: FrameHeader | undefined;

  private part: Part = 'header';
  /** Memory that the present part fills; undefined while a piece is discarded. */
  private target: Uint8Array | undefined = this.head;
  private targetBytes = headerBytes;
  /** Invariant: 0 <= filled < targetBytes between calls. */
  private filled = 0;

  constructor(sink: FrameSink, controlBytesMax: number) {
    this.sink = sink;
    this.controlBytesMax = controlBytesMax;
  }

  /** @throws CoreError PROTOCOL, and what the sink throws */
  push(bytes: Uint8Array): void {
    let at = 0;
    while (at < bytes.length) {
      const count = Math.min(this.targetBytes - this.filled, bytes.length - at);
      this.fill(bytes, at, count);
      at += count;
      this.filled += count;
      while (this.filled === this.targetBytes) this.next();
    }
  }

  /** The empty rest of the piece that is being received, when it is worth reading straight into it. */
  vacancy(): Uint8Array | undefined {
    if (this.part !== 'piece' || this.target === undefined) return undefined;
    const empty = this.targetBytes - this.filled;
    return empty >= directBytesMin
      ? this.target.subarray(this.filled, this.targetBytes)
      : undefined;
  }

  private fill(bytes: Uint8Array, at: number, count: number): void {
    const target = this.target;
    if (target === undefined) return;
    const inPlace =
      bytes.buffer === target.buffer && bytes.byteOffset + at === target.byteOffset + this.filled;
    if (!inPlace) target.set(bytes.subarray(at, at + count), this.filled);
  }

  /** The present part is full: checks it and turns to the next one, which may be empty. */
  private next(): void {
    switch (this.part) {
      case 'header': {
        this.header = readHeader(this.head, this.controlBytesMax);
        // The checked range of the header and the control part lie together, for one checksum pass.
        const checked = Buffer.allocUnsafe(headerBytes - checkedFrom + this.header.controlBytes);
        this.head.copy(checked, 0, checkedFrom);
        this.turnTo('control', checked, checked.length);
        this.filled = headerBytes - checkedFrom;
        return;
      }
      case 'control': {
        const header = this.header as FrameHeader;
        const checked = this.target as Buffer;
        if (crc32c(checked) !== claimedCrc(this.head)) throw refused('does not match its checksum');
        const control = checked.subarray(headerBytes - checkedFrom);
        this.turnTo('piece', this.sink.onFrame(header, control), header.pieceBytes);
        return;
      }
      case 'piece': {
        const header = this.header as FrameHeader;
        this.turnTo('header', this.head, headerBytes);
        this.sink.onPiece(header);
      }
    }
  }

  private turnTo(part: Part, target: Uint8Array | undefined, bytes: number): void {
    this.part = part;
    this.target = target;
    this.targetBytes = bytes;
    this.filled = 0;
  }
}
