// Bytes that reads may hold in memory at a time; the others wait in order of arrival. One that is larger than the whole
// budget runs alone.

interface Waiting {
  readonly bytes: number;
  readonly start: () => void;
}

export class ReadBudget {
  private readonly bytesMax: number;
  private used = 0;
  private readonly waiting: Waiting[] = [];

  constructor(bytesMax: number) {
    this.bytesMax = bytesMax;
  }

  /** @throws what `read` throws */
  async run<T>(bytes: number, read: () => Promise<T>): Promise<T> {
    if (this.waiting.length === 0 && this.admits(bytes)) this.used += bytes;
    else await new Promise<void>((start) => this.waiting.push({ bytes, start }));
    try {
      return await read();
    } finally {
      this.used -= bytes;
      this.grant();
    }
  }

  private admits(bytes: number): boolean {
    return this.used === 0 || this.used + bytes <= this.bytesMax;
  }

  private grant(): void {
    for (let first = this.waiting[0]; first !== undefined; first = this.waiting[0]) {
      if (!this.admits(first.bytes)) return;
      this.waiting.shift();
      this.used += first.bytes;
      first.start();
    }
  }
}
