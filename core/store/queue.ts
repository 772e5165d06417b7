// A first-in first-out list in an array: taking the first costs no shift of the others, and a Map that is
// emptied from its front would be scanned over its holes by every look at its first entry.

/** Consumed places that are kept before the array is cut. */
const slackMax = 1024;

export class Queue<T> {
  private readonly items: T[] = [];
  private head = 0;

  push(item: T): void {
    this.items.push(item);
  }

  get first(): T | undefined {
    return this.items[this.head];
  }

  get length(): number {
    return this.items.length - this.head;
  }

  shift(): T | undefined {
    const item = this.items[this.head];
    if (this.head < this.items.length) this.head++;
    if (this.head === this.items.length || this.head > Math.max(slackMax, this.items.length / 2)) {
      this.items.splice(0, this.head);
      this.head = 0;
    }
    return item;
  }
}
