// Credits of a connection's lanes (design 4.7): how much of the receiver's memory and attention the sender
// may take. The receiver grants absolute amounts; a request holds its credit until its answer. One that
// moves at most `rpcSmallBytes` takes a request credit, a larger one its size in byte credits, so the two
// never wait for each other.

import { limits } from '../base/limits.ts';
import { lanes } from './frame.ts';
import type { LaneCredit } from './control.ts';

interface LaneUse {
  requests: number;
  bytes: number;
}

/** What a request takes: the payload it brings and the payload it wants. */
export function costBytes(request: { payloadBytes: number; answerBytes: number }): number {
  return request.payloadBytes + request.answerBytes;
}

export function isSmall(bytes: number): boolean {
  return bytes <= limits.rpcSmallBytes;
}

export class Credits {
  private granted: readonly LaneCredit[];
  private readonly used: readonly LaneUse[] = lanes.map(() => ({ requests: 0, bytes: 0 }));

  constructor(granted: readonly LaneCredit[]) {
    this.granted = granted;
  }

  /** Requests under an earlier, larger grant stay; nothing new fits until enough of them are answered. */
  grant(granted: readonly LaneCredit[]): void {
    this.granted = granted;
  }

  fits(lane: number, bytes: number): boolean {
    const granted = this.granted[lane];
    const used = this.used[lane];
    if (granted === undefined || used === undefined) return false;
    return isSmall(bytes) ? used.requests < granted.requests : used.bytes + bytes <= granted.bytes;
  }

  take(lane: number, bytes: number): void {
    this.move(lane, bytes, 1);
  }

  giveBack(lane: number, bytes: number): void {
    this.move(lane, bytes, -1);
  }

  private move(lane: number, bytes: number, sign: 1 | -1): void {
    const used = this.used[lane] as LaneUse;
    if (isSmall(bytes)) used.requests += sign;
    else used.bytes += sign * bytes;
  }
}

/** The grant of one of `connections` that share a server. */
export function shareOf(connections: number): LaneCredit[] {
  const share = Math.floor(limits.rpcLaneBytesTotal / Math.max(1, connections));
  const bytes = Math.max(2 * limits.rpcPayloadBytesMax, Math.min(limits.rpcLaneBytes, share));
  return lanes.map(() => ({ requests: limits.rpcLaneRequests, bytes }));
}
