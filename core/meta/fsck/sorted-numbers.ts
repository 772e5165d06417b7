// A set of numbers at eight bytes each: what fsck may hold of things that are many.

export class SortedNumbers {
  private readonly sorted: Float64Array;

  constructor(numbers: readonly number[]) {
    this.sorted = Float64Array.from(numbers).toSorted();
  }

  has(number: number): boolean {
    return this.floor(number) === number;
  }

  /** The largest number that is not above `bound`. */
  floor(bound: number): number | undefined {
    let low = 0;
    for (let high = this.sorted.length; low < high;) {
      const middle = (low + high) >>> 1;
      if ((this.sorted[middle] as number) <= bound) low = middle + 1;
      else high = middle;
    }
    return this.sorted[low - 1];
  }
}
