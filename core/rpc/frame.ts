// The frame: what travels between two roles. Pure layout code; docs/internals/rpc.md draws it. A frame is
// a fixed header, a control part (protobuf) and a piece of the message's payload (raw bytes). A message is
// one request or answer frame and, when its payload is larger than a piece, data frames that follow it.

import type { Buffer } from 'node:buffer';
import { CoreError } from '../base/errors.ts';
import { crc32c } from '../base/crc32c.ts';
import { limits } from '../base/limits.ts';
import type { Lane } from './call.ts';

/** Numbers are part of the wire format and never reused. */
export const frameType = {
  hello: 1,
  welcome: 2,
  request: 3,
  answer: 4,
  failure: 5,
  /** A further piece of a message's payload. */
  data: 6,
  /** The caller gave up; the request is still answered, so that its credit returns. */
  cancel: 7,
  credit: 8,
  /** The server is stopping: send no new request on this connection. */
  goodbye: 9,
} as const;
export type FrameType = (typeof frameType)[keyof typeof frameType];
const frameTypeMax = 9;

export const lanes = ['read', 'write', 'resync', 'background'] as const satisfies readonly Lane[];

export interface FrameHeader {
  readonly type: FrameType;
  /** Index into `lanes`. */
  readonly lane: number;
  readonly call: number;
  /** Number of the request on its connection, chosen by the caller; 0 = the connection itself. */
  readonly number: number;
  /** Of a request: milliseconds that its caller still waits. */
  readonly deadlineMs: number;
  /** Of a request: the most payload that its caller has room for in the answer. */
  readonly answerBytes: number;
  readonly controlBytes: number;
  /** Payload of the whole message. */
  readonly payloadBytes: number;
  /** Payload in this frame. */
  readonly pieceBytes: number;
  /** CRC32C of the whole payload; undefined when the call's control part carries a checksum of it. */
  readonly payloadCrc: number | undefined;
}

export const headerBytes = 44;
/** 'LYR' and the version of the frame layout. */
const magic = 0x4c595201;
const flagPayloadCrc = 1;
/** Where the checksum's range begins: behind magic and checksum. */
export const checkedFrom = 8;

/** Writes the header at `at`; the control part must already lie behind it, for the checksum covers both. */
export function writeHeader(into: Buffer, at: number, header: FrameHeader): void {
  into.writeUInt32BE(magic, at);
  into[at + 8] = header.type;
  into[at + 9] = header.lane;
  into.writeUInt16BE(header.call, at + 10);
  into.writeUInt32BE(header.number, at + 12);
  into.writeUInt32BE(header.deadlineMs, at + 16);
  into.writeUInt32BE(header.answerBytes, at + 20);
  into.writeUInt32BE(header.controlBytes, at + 24);
  into.writeUInt32BE(header.payloadBytes, at + 28);
  into.writeUInt32BE(header.pieceBytes, at + 32);
  into.writeUInt32BE(header.payloadCrc ?? 0, at + 36);
  into.writeUInt32BE(header.payloadCrc === undefined ? 0 : flagPayloadCrc, at + 40);
  const end = at + headerBytes + header.controlBytes;
  into.writeUInt32BE(crc32c(into.subarray(at + checkedFrom, end)), at + 4);
}

/** Reads lengths and kinds, each held against its limit; the checksum is compared when the control part is
 *  there. @throws CoreError PROTOCOL */
export function readHeader(from: Buffer, controlBytesMax: number): FrameHeader {
  const type = from[8] as number;
  const lane = from[9] as number;
  const header: FrameHeader = {
    type: type as FrameType,
    lane,
    call: from.readUInt16BE(10),
    number: from.readUInt32BE(12),
    deadlineMs: from.readUInt32BE(16),
    answerBytes: from.readUInt32BE(20),
    controlBytes: from.readUInt32BE(24),
    payloadBytes: from.readUInt32BE(28),
    pieceBytes: from.readUInt32BE(32),
    payloadCrc: (from[43] as number) & flagPayloadCrc ? from.readUInt32BE(36) : undefined,
  };
  if (from.readUInt32BE(0) !== magic)
    throw refused('does not begin with the magic of this protocol');
  if (type < 1 || type > frameTypeMax) throw refused(`has the unknown type ${type}`);
  if (lane >= lanes.length) throw refused(`names the unknown lane ${lane}`);
  if (header.controlBytes > controlBytesMax)
    throw refused(`announces ${header.controlBytes} bytes of control`);
  if (header.payloadBytes > limits.rpcPayloadBytesMax)
    throw refused(`announces ${header.payloadBytes} bytes of payload`);
  if (header.pieceBytes > Math.min(limits.rpcPieceBytes, header.payloadBytes))
    throw refused(`announces a piece of ${header.pieceBytes} bytes`);
  return header;
}

/** The checksum that a header claims for itself (from byte `checkedFrom`) and its control part. */
export function claimedCrc(header: Buffer): number {
  return header.readUInt32BE(4);
}

export function refused(what: string): CoreError {
  return new CoreError('PROTOCOL', `an RPC frame ${what}`);
}
