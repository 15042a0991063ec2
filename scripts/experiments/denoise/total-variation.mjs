// Total variation of pictures: its proximal operator, by the fast gradient projection of the dual (Beck and Teboulle 2009).

/** argmin |x − v|²/2 + λ Σ |∇x|, differences to the right and below. @param {ArrayLike<number>} v @param {{ rows: number, columns: number }} shape @param {number} lambda @param {number} [steps] */
export function totalVariation(v, { rows, columns }, lambda, steps = 60) {
  const n = rows * columns;
  const [p, q, r, s] = Array.from({ length: 4 }, () => new Float64Array(n));
  const x = new Float64Array(n);
  /** x = v − λ ∇ᵀ(r, s) */
  const primal = (/** @type {Float64Array} */ right, /** @type {Float64Array} */ down) => {
    for (let i = 0; i < rows; ++i)
      for (let j = 0; j < columns; ++j) {
        const at = i * columns + j;
        let sum = 0;
        if (j < columns - 1) sum -= right[at];
        if (j > 0) sum += right[at - 1];
        if (i < rows - 1) sum -= down[at];
        if (i > 0) sum += down[at - columns];
        x[at] = v[at] - lambda * sum;
      }
  };
  let t = 1;
  for (let step = 0; step < steps; ++step) {
    primal(r, s);
    const next = (1 + Math.sqrt(1 + 4 * t * t)) / 2;
    for (let i = 0; i < rows; ++i)
      for (let j = 0; j < columns; ++j) {
        const at = i * columns + j;
        const a = r[at] + (j < columns - 1 ? (x[at + 1] - x[at]) / (8 * lambda) : 0);
        const b = s[at] + (i < rows - 1 ? (x[at + columns] - x[at]) / (8 * lambda) : 0);
        const length = Math.max(1, Math.hypot(a, b));
        const [first, second] = [a / length, b / length];
        r[at] = first + ((t - 1) / next) * (first - p[at]);
        s[at] = second + ((t - 1) / next) * (second - q[at]);
        [p[at], q[at]] = [first, second];
      }
    t = next;
  }
  primal(p, q);
  return x;
}
