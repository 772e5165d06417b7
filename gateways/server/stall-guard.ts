// Ends work that waits for a peer which makes no progress, without touching the path of every byte: once in a
// while it looks how far each transfer came, and cuts those that moved less than a minimum for too long. A
// server may so switch off its timeout for whole requests, and serve uploads that take hours.

export interface Transfer {
  /** Bytes that came from or went to the peer so far; undefined while the peer is not what is waited for. */
  progressBytes(): number | undefined;
  /** Called once, when the peer stalled. */
  onStall(): void;
}

export interface StallLimits {
  /** How often transfers are looked at. */
  readonly sweepMs: number;
  /** A transfer that moves fewer than `bytesMin` in this time is cut. */
  readonly stallMs: number;
  readonly bytesMin: number;
}

interface Watched {
  bytes: number;
  sweeps: number;
}

export class StallGuard {
  private readonly limits: StallLimits;
  private readonly transfers = new Map<Transfer, Watched>();
  private timer: NodeJS.Timeout | undefined;

  constructor(limits: StallLimits) {
    this.limits = limits;
  }

  get size(): number {
    return this.transfers.size;
  }

  add(transfer: Transfer): void {
    this.transfers.set(transfer, { bytes: 0, sweeps: 0 });
    if (this.timer === undefined) {
      this.timer = setInterval(() => this.sweep(), this.limits.sweepMs);
      this.timer.unref();
    }
  }

  remove(transfer: Transfer): void {
    this.transfers.delete(transfer);
  }

  close(): void {
    clearInterval(this.timer);
    this.timer = undefined;
  }

  private sweep(): void {
    const { bytesMin, stallMs, sweepMs } = this.limits;
    for (const [transfer, watched] of this.transfers) {
      const bytes = transfer.progressBytes();
      if (bytes === undefined || bytes - watched.bytes >= bytesMin) {
        watched.bytes = bytes ?? watched.bytes;
        watched.sweeps = 0;
      } else if (++watched.sweeps * sweepMs >= stallMs) {
        this.transfers.delete(transfer);
        transfer.onStall();
      }
    }
  }
}
