/**
 * The known numbers of a run: curves that the server has thinned out, and what has come since.
 */
export class Curve {
  /** @type {Map<string, [step: number, value: number][]>} */
  #points = new Map();
  /** Steps whose number is NaN or infinite, as text. @type {Map<string, [step: number, value: string][]>} */
  #nonFinite = new Map();
  /** Steps that have come since. */
  added = 0;

  /** @param {string} key @param {[number, number][]} points @param {[number, string][]} [nonFinite] */
  set(key, points, nonFinite = []) {
    this.#points.set(key, points);
    this.#nonFinite.set(key, [...nonFinite]);
  }

  /** The first of each stretch of steps without a number. @param {string} key @returns {[number, string][]} */
  gaps(key) {
    const all = this.#nonFinite.get(key) ?? [];
    return all.filter(([step], i) => step !== (all[i - 1]?.[0] ?? -1) + 1);
  }

  /** @param {number} first @param {Record<string, (number | string | null)[]>} columns numbers of steps `first`, `first` + 1, … */
  add(first, columns) {
    for (const [key, points] of this.#points)
      for (const [i, value] of (columns[key] ?? []).entries())
        if (typeof value === 'string') {
          const all = this.#nonFinite.get(key);
          if (first + i > (all?.at(-1)?.[0] ?? 0)) all?.push([first + i, value]);
        } else if (value !== null && first + i > (points.at(-1)?.[0] ?? 0)) points.push([first + i, value]);
    this.added += columns.loss.length;
  }

  /**
   * Places and values, smoothed by a mean that forgets.
   *
   * @param {string} key
   * @param {{ smoothing: number, axis: string }} options
   * @returns {[number, number][]}
   */
  values(key, { smoothing, axis }) {
    let [mean, weight] = [0, 0];
    return (this.#points.get(key) ?? []).map(([step, value]) => {
      mean = smoothing * mean + (1 - smoothing) * value;
      weight = smoothing * weight + (1 - smoothing);
      return [axis === 'step' ? step : this.secondsAt(step), smoothing === 0 ? value : mean / weight];
    });
  }

  /** Seconds of training until a step, between points that are known. @param {number} step */
  secondsAt(step) {
    const points = this.#points.get('seconds') ?? [];
    let [low, high] = [0, points.length - 1];
    if (high < 0) return 0;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (points[middle][0] > step) high = middle;
      else low = middle;
    }
    const [[a, from], [b, to]] = [points[low], points[high]];
    return a === b ? from : from + ((to - from) * (step - a)) / (b - a);
  }
}
