// A multigrid cycle for the five-point Laplacian on an odd grid, with five coefficients that all levels share, and their training.
import { AdamW, Tensor } from 'orthokit';
import { cdmLoss, poissonOperator } from 'orthokit/constrained';

/** @typedef {readonly number[]} Coefficients before the coarse grid centre and side of a stencil, then a factor of it, then a stencil again */

export const start = [0.05, 0, 0.3, 0.05, 0];
export const byHand = [0.2, 0, 1, 0.2, 0];

/** out = centre · x + side · the sum of the four neighbours. @param {Float64Array} x @param {number} n @param {number} centre @param {number} side */
function stencil(x, n, centre, side) {
  const out = new Float64Array(n * n);
  for (let i = 0; i < n; ++i)
    for (let j = 0; j < n; ++j) {
      const at = i * n + j;
      let around = 0;
      if (i > 0) around += x[at - n];
      if (i < n - 1) around += x[at + n];
      if (j > 0) around += x[at - 1];
      if (j < n - 1) around += x[at + 1];
      out[at] = centre * x[at] + side * around;
    }
  return out;
}

/** An approximate solution of 4 x − its neighbours = r, n × n with zeros around. @param {Float64Array} r @param {number} n @param {Coefficients} t @returns {Float64Array} */
export function cycle(r, n, t) {
  const x = stencil(r, n, t[0], t[1]);
  const left = () => {
    const image = stencil(x, n, 4, -1);
    return image.map((value, i) => r[i] - value);
  };
  if (n > 3) {
    const m = (n - 1) / 2;
    const e = cycle(coarse(left(), n, m), m, t);
    for (let i = 0; i < m; ++i)
      for (let j = 0; j < m; ++j) {
        const value = t[2] * e[i * m + j];
        const at = (2 * i + 1) * n + 2 * j + 1;
        for (let a = -1; a <= 1; ++a)
          for (let b = -1; b <= 1; ++b) x[at + a * n + b] += value / ((1 + Math.abs(a)) * (1 + Math.abs(b)));
      }
  }
  const last = stencil(left(), n, t[3], t[4]);
  return x.map((value, i) => value + last[i]);
}

/** Four times the full weighting. @param {Float64Array} d @param {number} n @param {number} m */
function coarse(d, n, m) {
  const out = new Float64Array(m * m);
  for (let i = 0; i < m; ++i)
    for (let j = 0; j < m; ++j) {
      const at = (2 * i + 1) * n + 2 * j + 1;
      for (let a = -1; a <= 1; ++a)
        for (let b = -1; b <= 1; ++b) out[i * m + j] += d[at + a * n + b] / ((1 + Math.abs(a)) * (1 + Math.abs(b)));
    }
  return out;
}

/**
 * Right-hand sides: noise, the Laplacian of noise, and smooth ones, sums of sines of which the slow ones weigh most.
 *
 * @param {import('orthokit').Device} device @param {number} n @param {number} each @param {number} seed
 */
async function sides(device, n, each, seed) {
  const noise = await Tensor.randn(device, [3 * each, n * n], { seed, dtype: 'f64' }).read();
  const rows = Array.from({ length: 3 * each }, (_, k) => noise.slice(k * n * n, (k + 1) * n * n));
  const sines = Float64Array.from({ length: n * n }, (_, at) =>
    Math.sin((Math.PI * (1 + Math.floor(at / n)) * (1 + (at % n))) / (n + 1)),
  );
  /** Coefficients of sines become values. @param {Float64Array} x */
  const mix = (x) => {
    const half = new Float64Array(n * n);
    const out = new Float64Array(n * n);
    for (let i = 0; i < n; ++i)
      for (let k = 0; k < n; ++k) for (let j = 0; j < n; ++j) half[i * n + j] += x[i * n + k] * sines[k * n + j];
    for (let i = 0; i < n; ++i)
      for (let k = 0; k < n; ++k) for (let j = 0; j < n; ++j) out[i * n + j] += sines[i * n + k] * half[k * n + j];
    return out;
  };
  return rows.map((row, k) => {
    const kind = Math.floor(k / each);
    const slow = row.map((value, at) => (Math.floor(at / n) < 8 && at % n < 8 ? 9 * value : value));
    const own = kind === 0 ? row : kind === 1 ? stencil(row, n, 4, -1) : mix(slow);
    const length = Math.hypot(...own);
    return own.map((value) => value / length);
  });
}

/**
 * Coefficients that make `cdmLoss` small.
 *
 * @param {import('orthokit').Device} device @param {{ n: number, each: number, steps: number, rate: number, seed: number }} options
 * @returns {Promise<{ coefficients: number[], losses: number[] }>} the loss before each step
 */
export async function learn(device, { n, each, steps, rate, seed }) {
  const operator = poissonOperator(device, [n, n]);
  const rows = await sides(device, n, each, seed);
  const shape = [rows.length, n * n];
  const pack = (/** @type {readonly Float64Array[]} */ list) => Float64Array.from(list.flatMap((row) => [...row]));
  const [r, v, gradOut] = [
    Tensor.from(device, pack(rows), shape),
    Tensor.zeros(device, shape, { dtype: 'f64' }),
    Tensor.zeros(device, shape, { dtype: 'f64' }),
  ];
  const t = Tensor.from(device, Float64Array.from(start), [start.length]);
  const optimizer = new AdamW([t], { lr: rate, weightDecay: 0 });
  /** @type {number[]} */
  const losses = [];
  const h = 1e-4;
  for (let step = 0; step < steps; ++step) {
    const now = [...(await t.read())];
    const predict = (/** @type {readonly number[]} */ at) => pack(rows.map((row) => cycle(row, n, at)));
    v.write(predict(now));
    const loss = await cdmLoss(operator, r, v, { gradOut });
    losses.push((await loss.read())[0]);
    loss.dispose();
    const slope = await gradOut.read();
    const grad = now.map((_, k) => {
      const [above, below] = [h, -h].map((by) => predict(now.map((value, i) => (i === k ? value + by : value))));
      return above.reduce((sum, value, i) => sum + (slope[i] * (value - below[i])) / (2 * h), 0);
    });
    const g = Tensor.from(device, Float64Array.from(grad), [grad.length]);
    optimizer.step(new Map([[t, g]]));
    await device.synchronize();
    g.dispose();
  }
  return { coefficients: [...(await t.read())], losses };
}
