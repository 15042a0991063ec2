/**
 * @typedef {object} Stretch of steps
 * @property {[number, number]} low step and value
 * @property {[number, number]} high
 * @property {number} first
 * @property {number} last
 */

/**
 * Thins a curve out to about so many points, and keeps what an eye looks for: of each stretch of steps its least and its
 * greatest value, in order. Values may come in any number: stretches are joined in pairs when there are too many.
 */
export class Decimated {
  /** @type {Stretch[]} */
  #stretches = [];
  #length = 1;

  /** @param {number} points at least 4 */
  constructor(points) {
    this.most = Math.max(2, Math.floor(points / 2));
  }

  /** @param {number} step steps come in ascending order @param {number | null} value null and NaN are left out */
  add(step, value) {
    if (value === null || Number.isNaN(value)) return;
    const current = this.#stretches.at(-1);
    if (current && step - current.first < this.#length) return widen(current, [step, value]);
    this.#stretches.push({ low: [step, value], high: [step, value], first: step, last: step });
    while (this.#stretches.length > this.most) this.#join();
  }

  /** @returns {[number, number][]} steps and values, by step */
  points() {
    return this.#stretches.flatMap(({ low, high }) =>
      low[0] === high[0] ? [low] : low[0] < high[0] ? [low, high] : [high, low],
    );
  }

  #join() {
    this.#length *= 2;
    /** @type {Stretch[]} */
    const joined = [];
    for (const stretch of this.#stretches) {
      const before = joined.at(-1);
      if (before && stretch.last - before.first < this.#length) {
        widen(before, stretch.low);
        widen(before, stretch.high);
        before.last = stretch.last;
      } else joined.push(stretch);
    }
    this.#stretches = joined;
  }
}

/**
 * @param {{ low: [number, number], high: [number, number], last: number }} stretch
 * @param {[number, number]} point
 */
function widen(stretch, point) {
  if (point[1] < stretch.low[1]) stretch.low = point;
  if (point[1] > stretch.high[1]) stretch.high = point;
  stretch.last = Math.max(stretch.last, point[0]);
}
