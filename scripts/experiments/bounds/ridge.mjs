// One ridge parameter for each of ten classes, one against the rest, by many lower problems of which a step takes some; and exactly, since
// each class is a problem of one number.
import { Device, ops, Tensor } from 'orthokit';
import { MultiBlockBilevel } from 'orthokit/bilevel';

/** @import { Part } from './data.mjs' */
/** @typedef {{ gram: Float64Array, sides: Float64Array[], rest: number }} Moments of a part: XᵀX / n, Xᵀb / n of each class, |b|² / n */

export const classes = 10;

/** @param {Part} part @returns {Moments} */
export function momentsOf({ rows, labels }) {
  const [n, d] = [rows.length, rows[0].length];
  const gram = new Float64Array(d * d);
  const sides = Array.from({ length: classes }, () => new Float64Array(d));
  for (const [i, row] of rows.entries())
    for (let j = 0; j < d; ++j) {
      for (let k = 0; k < d; ++k) gram[j * d + k] += (row[j] * row[k]) / n;
      for (let c = 0; c < classes; ++c) sides[c][j] += ((labels[i] === c ? 1 : -1) * row[j]) / n;
    }
  return { gram, sides, rest: 1 };
}

/** y where ½ yᵀ(G + e^ξ) y − hᵀy is least, by Cholesky's method. @param {Moments} of @param {number} c @param {number} xi */
export function solved({ gram, sides }, c, xi) {
  const d = sides[c].length;
  const [l, y] = [gram.slice(), sides[c].slice()];
  for (let j = 0; j < d; ++j) l[j * d + j] += Math.exp(xi);
  for (let j = 0; j < d; ++j) {
    for (let k = 0; k < j; ++k) for (let i = j; i < d; ++i) l[i * d + j] -= l[i * d + k] * l[j * d + k];
    const root = Math.sqrt(l[j * d + j]);
    for (let i = j; i < d; ++i) l[i * d + j] /= root;
  }
  for (let j = 0; j < d; ++j) {
    for (let k = 0; k < j; ++k) y[j] -= l[j * d + k] * y[k];
    y[j] /= l[j * d + j];
  }
  for (let j = d - 1; j >= 0; --j) {
    for (let i = j + 1; i < d; ++i) y[j] -= l[i * d + j] * y[i];
    y[j] /= l[j * d + j];
  }
  return y;
}

/** Half the mean squared error of a class. @param {Moments} of @param {number} c @param {ArrayLike<number>} y */
export function errorOf({ gram, sides, rest }, c, y) {
  const d = sides[c].length;
  let error = rest / 2;
  for (let j = 0; j < d; ++j) {
    let along = 0;
    for (let k = 0; k < d; ++k) along += gram[j * d + k] * y[k];
    error += y[j] * (along / 2 - sides[c][j]);
  }
  return error;
}

/** The place where a function of one number is least in [-9, 3]: the best of 49 places, and golden sections around it. @param {(x: number) => number} f */
export function least(f) {
  const places = Array.from({ length: 49 }, (_, i) => -9 + i / 4);
  const values = places.map(f);
  const best = places[values.indexOf(Math.min(...values))];
  const ratio = (Math.sqrt(5) - 1) / 2;
  let [a, b] = [best - 1 / 4, best + 1 / 4];
  for (let k = 0; k < 30; ++k) {
    const [c, d] = [b - ratio * (b - a), a + ratio * (b - a)];
    if (f(c) < f(d)) b = d;
    else a = c;
  }
  return (a + b) / 2;
}

/**
 * Logarithms of the ridge parameters by BSVRB, from -4 on.
 *
 * @param {Moments} train @param {Moments} validation @param {{ steps: number, seed: number }} options
 */
export async function ridgesOf(train, validation, { steps, seed }) {
  const device = Device.open('cpu', { threads: 1 });
  const d = train.sides[0].length;
  const from = (/** @type {ArrayLike<number>} */ x, /** @type {number[]} */ ...shape) =>
    Tensor.from(device, Float64Array.from(x), shape);
  const placed = (/** @type {Moments} */ { gram, sides }) => ({ gram: from(gram, d, d), sides: from(sides.flatMap((side) => [...side]), classes, d) }); // biome-ignore format: one line
  const [below, above] = [placed(train), placed(validation)];
  const [x, y] = [
    Tensor.full(device, [classes], -4, { dtype: 'f64' }),
    Tensor.zeros(device, [classes, d], { dtype: 'f64' }),
  ];
  /** @param {Int32Array} ids @param {(own: { index: Tensor, ridge: Tensor, rows: Tensor }) => void} use */
  const within = (ids, use) => {
    const own = {
      index: Tensor.from(device, Int32Array.from(ids), [ids.length]),
      ridge: Tensor.zeros(device, [ids.length], { dtype: 'f64' }),
      rows: Tensor.zeros(device, [ids.length, d], { dtype: 'f64' }),
    };
    use(own);
    for (const one of Object.values(own)) one.dispose();
  };
  /** out = rows · gram − sides of the ids + e^ξ rows, each if asked for. */
  const slope = (
    /** @type {typeof below} */ { gram, sides },
    /** @type {Int32Array} */ ids,
    /** @type {Tensor} */ at,
    /** @type {Tensor} */ out,
    /** @type {{ x?: Tensor, side?: boolean }} */ options, // biome-ignore format: one line
  ) =>
    within(ids, ({ index, ridge, rows }) => {
      if (options.side) ops.gatherRows(device, { x: sides, index, out: rows });
      ops.gemm(device, { a: at, b: gram, c: out, addend: rows, beta: -1 });
      if (!options.x) return;
      ops.gatherRows(device, { x: options.x, index, out: ridge });
      ops.map(device, { x: [ridge], out: [ridge], function: 'exp' });
      ops.scaleAxis(device, { x: at, scale: ridge, out: rows, axis: 0 });
      ops.linearCombination(device, { out: [out], terms: [out, rows], coefficients: [1, 1] });
    });
  const blocks = {
    ...{ count: classes, dim: d, x, y },
    lowerGradientY: (/** @type {Int32Array} */ ids, /** @type {Tensor} */ at, /** @type {Tensor} */ rows, /** @type {Tensor} */ out) => slope(below, ids, rows, out, { x: at, side: true }), // biome-ignore format: one line
    upperGradientY: (/** @type {Int32Array} */ ids, /** @type {Tensor} */ _at, /** @type {Tensor} */ rows, /** @type {Tensor} */ out) => slope(above, ids, rows, out, { side: true }), // biome-ignore format: one line
    lowerHessianYY: (/** @type {Int32Array} */ ids, /** @type {Tensor} */ at, /** @type {Tensor} */ _rows, /** @type {Tensor} */ v, /** @type {Tensor} */ out) => slope(below, ids, v, out, { x: at }), // biome-ignore format: one line
    // e^ξ ⟨y, v⟩ of each id.
    lowerJacobianXY: (
      /** @type {Int32Array} */ ids,
      /** @type {Tensor} */ at,
      /** @type {Tensor} */ own,
      /** @type {Tensor} */ v,
      /** @type {Tensor} */ out, // biome-ignore format: one line
    ) =>
      within(ids, ({ index, ridge, rows }) => {
        ops.gatherRows(device, { x: at, index, out: ridge });
        ops.map(device, { x: [ridge], out: [ridge], function: 'exp' });
        ops.scaleAxis(device, { x: own, scale: ridge, out: rows, axis: 0 });
        ops.multiply(device, { x: [rows], y: [v], out: [rows] });
        ops.rowReduce(device, { x: rows, out: ridge });
        ops.fill(device, { x: [out], value: 0 });
        ops.scatterRows(device, { out, index, x: ridge });
      }),
  };
  const method = new MultiBlockBilevel(blocks, {
    variant: 'v2',
    blocksPerStep: 5,
    alpha: 0.5,
    beta: 0.5,
    lr: 2,
    lowerLr: 0.4,
    seed,
  });
  for (let k = 0; k < steps; ++k) await method.step();
  const found = Float64Array.from(await x.read());
  await device.close();
  return found;
}
