/** Numbers that a seed fixes (mulberry32), and choices made by them. */
export class Random {
  constructor(seed) {
    this.state = seed >>> 0;
  }
  /** In [0, 1). */
  next() {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(this.state ^ (this.state >>> 15), this.state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }
  /** Whole, below `count`. */
  below(count) {
    return Math.floor(this.next() * count);
  }
  chance(probability) {
    return this.next() < probability;
  }
  of(list) {
    return list[this.below(list.length)];
  }
}
