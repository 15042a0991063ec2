// A support vector machine of two kinds whose weights are bounded, each by a number of its own, which LV-HBA chooses: the least squared
// hinge loss on others of both, where the weights are best within the bounds.
import { Device, ops, Tensor } from 'orthokit';
import { LvHba } from 'orthokit/bilevel';

/** @import { Part } from './data.mjs' */
/** @typedef {{ rows: readonly ArrayLike<number>[], count: number, width: number }} Signed rows times ±1, whose last number is the bias', which is not bounded */

export const ridge = 1e-3;
/** The upper loss counts 1 / (c (k + 1)^exponent) in step k. */
export const exponent = 0.45;

/** @param {Part} part @param {(label: number) => boolean} isFirst @returns {Signed} */
export function signed({ rows, labels }, isFirst) {
  return {
    rows: rows.map((row, i) => row.map((x) => (isFirst(labels[i]) ? x : -x))),
    count: rows.length,
    width: rows[0].length,
  };
}

/** The mean squared hinge loss of rows, and its gradient. @param {Signed} of @param {ArrayLike<number>} y @param {Float64Array} [gradient] what it is added to */
export function hinge({ rows, count, width }, y, gradient) {
  let loss = 0;
  for (const row of rows) {
    let margin = 1;
    for (let k = 0; k < width; ++k) margin -= row[k] * y[k];
    if (margin <= 0) continue;
    loss += margin ** 2 / count;
    if (gradient) for (let k = 0; k < width; ++k) gradient[k] -= (2 / count) * margin * row[k];
  }
  return loss;
}

/** The share that is on the right side. @param {Signed} of @param {ArrayLike<number>} y */
export const shareRight = ({ rows, count, width }, y) => rows.filter((row) => Array.from({ length: width }, (_, k) => row[k] * y[k]).reduce((sum, x) => sum + x, 0) > 0).length / count; // biome-ignore format: one line

/**
 * The lower problem to the end, in plain numbers: FISTA with restarts and a projection.
 *
 * @param {Signed} of @param {ArrayLike<number>} bounds of all weights but the last @returns {Float64Array}
 */
export function exactLower(of, bounds) {
  const { rows, count, width } = of;
  const step = 1 / ((2 * rows.reduce((sum, row) => sum + Array.from(row).reduce((s, x) => s + x * x, 0), 0)) / count + ridge); // biome-ignore format: one line
  let [y, ahead, momentum] = [new Float64Array(width), new Float64Array(width), 1];
  for (let k = 0; k < 100_000; ++k) {
    const gradient = Float64Array.from(ahead, (x) => ridge * x);
    hinge(of, ahead, gradient);
    const next = ahead.map((x, i) => {
      const moved = x - step * gradient[i];
      return i < width - 1 ? Math.max(-bounds[i], Math.min(bounds[i], moved)) : moved;
    });
    let [change, along] = [0, 0];
    for (let i = 0; i < width; ++i) {
      change = Math.max(change, Math.abs(next[i] - ahead[i]));
      along += (ahead[i] - next[i]) * (next[i] - y[i]);
    }
    if (change < 1e-12) return next;
    // It begins anew where it has gone too far.
    const following = along > 0 ? 1 : (1 + Math.sqrt(1 + 4 * momentum ** 2)) / 2;
    const factor = along > 0 ? 0 : (momentum - 1) / following;
    ahead = next.map((x, i) => x + factor * (x - y[i]));
    [y, momentum] = [next, following];
  }
  return y;
}

/** Bounds by LV-HBA, and its own weights. @param {Signed} train @param {Signed} validation @param {{ steps: number, c: number, gamma1: number }} options `c`: of the penalty; `gamma1`: of the proximal term of the weights */
export async function boundsOf(train, validation, { steps, c, gamma1 }) {
  const device = Device.open('cpu', { threads: 1 });
  const { width } = train;
  const count = width - 1;
  const zeros = (/** @type {number[]} */ ...shape) => Tensor.zeros(device, shape, { dtype: 'f64' });
  const placed = ({ rows, count: n }) => ({ a: Tensor.from(device, Float64Array.from(rows.flatMap((row) => Array.from(row))), [n, width]), ones: Tensor.full(device, [n, 1], 1, { dtype: 'f64' }), margins: zeros(n, 1), n }); // biome-ignore format: one line
  const [below, above] = [placed(train), placed(validation)];
  const column = (/** @type {Tensor} */ of) => of.reshape([width, 1]);
  /** out = the gradient of a mean squared hinge loss, and a multiple of y. */
  const slope = (
    /** @type {typeof below} */ { a, ones, margins, n },
    /** @type {Tensor} */ y,
    /** @type {Tensor} */ out,
    weight = 0,
  ) => {
    const [at, to] = [column(y), column(out)];
    ops.gemm(device, { a, b: at, c: margins, alpha: -1, addend: ones, beta: 1 });
    ops.relu(device, { x: margins, out: margins });
    ops.gemm(device, { a, b: margins, c: to, transA: 'transposed', alpha: -2 / n, addend: at, beta: weight });
    for (const view of [at, to]) view.dispose();
  };
  const sum = (/** @type {Tensor} */ out, /** @type {[number, Tensor][]} */ ...terms) => ops.linearCombination(device, { out: [out], terms: terms.map(([, x]) => x), coefficients: terms.map(([c]) => c) }); // biome-ignore format: one line
  const [x, y] = [Tensor.full(device, [count], 1, { dtype: 'f64' }), zeros(width)];
  const [plus, minus] = [zeros(count), zeros(count)];
  // Rows of the constraints are 1 long.
  const unit = Math.SQRT1_2;
  const weights = (/** @type {Tensor} */ of) => of.rows(0, count);
  const halves = (/** @type {Tensor} */ of) => [of.rows(0, count), of.rows(count, 2 * count)];
  const method = new LvHba(
    {
      ...{ x, y },
      upper: { gradientX: (_x, _y, out) => void ops.fill(device, { x: [out], value: 0 }), gradientY: (_x, at, out) => slope(above, at, out) }, // biome-ignore format: one line
      lower: { gradientX: (_x, _y, out) => void ops.fill(device, { x: [out], value: 0 }), gradientY: (_x, at, out) => slope(below, at, out, ridge) }, // biome-ignore format: one line
      constraint: {
        count: 2 * count,
        kind: 'inequality',
        value(bounds, at, out) {
          const [own, [first, second]] = [weights(at), halves(out)];
          sum(first, [unit, own], [-unit, bounds]);
          sum(second, [-unit, own], [-unit, bounds]);
          for (const view of [own, first, second]) view.dispose();
        },
        jacobianTX(_bounds, _at, lambda, out) {
          const [first, second] = halves(lambda);
          sum(out, [-unit, first], [-unit, second]);
          for (const view of [first, second]) view.dispose();
        },
        jacobianTY(_bounds, _at, lambda, out) {
          const [own, [first, second]] = [weights(out), halves(lambda)];
          ops.fill(device, { x: [out], value: 0 });
          sum(own, [unit, first], [-unit, second]);
          for (const view of [own, first, second]) view.dispose();
        },
      },
      // |w| ≤ t is t + w ≥ 0 and t − w ≥ 0, which are at right angles.
      project(bounds, at) {
        const own = weights(at);
        sum(plus, [0.5, bounds], [0.5, own]);
        sum(minus, [0.5, bounds], [-0.5, own]);
        for (const one of [plus, minus]) ops.relu(device, { x: one, out: one });
        sum(bounds, [1, plus], [1, minus]);
        sum(own, [1, plus], [-1, minus]);
        own.dispose();
      },
    },
    { alpha: 0.2, beta: 0.2, eta: 0.2, gamma1, penalty: { c, p: exponent }, bound: 10 },
  );
  await method.init();
  for (let k = 0; k < steps; ++k) {
    await method.step();
  }
  const found = { bounds: Float64Array.from(await x.read()), weights: Float64Array.from(await y.read()) };
  await device.close();
  return found;
}

/** The lower problem's value. @param {Signed} of @param {ArrayLike<number>} y */
export const lowerValue = (of, y) => hinge(of, y) + (ridge / 2) * Array.from(y).reduce((sum, x) => sum + x * x, 0);
