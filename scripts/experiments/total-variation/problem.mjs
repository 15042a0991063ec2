// Denoising by total variation with a weight for each tile of a picture, as a lower problem of MAID: h = |u − noisy|² / 2 +
// Σ w φ(Du), φ(s) = √(s² + ν²), over differences D along rows and columns, where w = e^θ of the tile. The upper function is the distance to
// the clean picture.
import { ops, Tensor } from 'orthokit';
import { side } from './picture.mjs';

/** @import { Device } from 'orthokit' */

export const tiles = 4;
export const nu = 0.1;
/** Weights up to here are covered by the constants. */
export const mostWeight = 4;

/** Differences in a tile: each of its pixels has one along each direction. */
const ofTile = 2 * (side / tiles) ** 2;
/** |D|² is at most 8, and |D| of one difference √2. */
export const bounds = {
  // Columns of ∇²ᵤθ h are Dᵀ of w φ' of a tile, and |φ'| < 1.
  B: Math.sqrt(8) * mostWeight * Math.sqrt(ofTile),
  // φ'' is at most 1 / ν.
  LB: (8 * mostWeight) / nu,
  // φ''' is at most 0.8587 / ν², at s = ν / 2, and the Hessian at least 1.
  LAinv: (8 * Math.SQRT2 * mostWeight * 0.8587) / nu ** 2,
};

/** @param {Device} device @param {Float64Array} noise the noisy picture @param {Float64Array} goal the clean one */
export function problemOf(device, noise, goal) {
  const shape = [side, side];
  const from = (/** @type {Float64Array} */ x, /** @type {number[]} */ of) => Tensor.from(device, x, of);
  const zeros = () => Tensor.zeros(device, shape, { dtype: 'f64' });
  const differences = new Float64Array(side * side);
  for (let i = 0; i < side - 1; ++i) [differences[i * side + i], differences[i * side + i + 1]] = [-1, 1];
  const inTile = new Float64Array(side * tiles);
  for (let i = 0; i < side; ++i) inTile[i * tiles + Math.floor((i * tiles) / side)] = 1;
  const [d, r, given, target] = [
    from(differences, shape),
    from(inTile, [side, tiles]),
    from(noise, shape),
    from(goal, shape),
  ];
  const squares = Tensor.full(device, shape, nu ** 2, { dtype: 'f64' });
  const [weights, along, across, slope, root, off] = [zeros(), zeros(), zeros(), zeros(), zeros(), zeros()];
  const [small, wide] = [Tensor.zeros(device, [tiles, tiles], { dtype: 'f64' }), Tensor.zeros(device, [side, tiles], { dtype: 'f64' })]; // biome-ignore format: one line
  const sum = (/** @type {Tensor} */ out, /** @type {Tensor[]} */ terms, /** @type {number[]} */ coefficients) => ops.linearCombination(device, { out: [out], terms, coefficients }); // biome-ignore format: one line
  const times = (/** @type {Tensor} */ x, /** @type {Tensor} */ y, /** @type {Tensor} */ out) => ops.multiply(device, { x: [x], y: [y], out: [out] }); // biome-ignore format: one line
  /** Both directions one after the other: differences of x along it, and what brings them back. */
  const directions = [
    { apart: (/** @type {Tensor} */ x, /** @type {Tensor} */ out) => ops.gemm(device, { a: d, b: x, c: out }), back: (/** @type {Tensor} */ x, /** @type {Tensor} */ out) => ops.gemm(device, { a: d, b: x, c: out, transA: 'transposed' }) }, // biome-ignore format: one line
    { apart: (/** @type {Tensor} */ x, /** @type {Tensor} */ out) => ops.gemm(device, { a: x, b: d, c: out, transB: 'transposed' }), back: (/** @type {Tensor} */ x, /** @type {Tensor} */ out) => ops.gemm(device, { a: x, b: d, c: out }) }, // biome-ignore format: one line
  ];
  /** weights = e^θ of each pixel's tile. @param {Tensor} theta */
  const spread = (theta) => {
    ops.map(device, { x: [theta], out: [small], function: 'exp' });
    ops.gemm(device, { a: r, b: small, c: wide });
    ops.gemm(device, { a: wide, b: r, c: weights, transB: 'transposed' });
  };
  /** root = √(s² + ν²). @param {Tensor} s */
  const rootOf = (s) => {
    times(s, s, root);
    sum(root, [root, squares], [1, 1]);
    ops.map(device, { x: [root], out: [root], function: 'sqrt' });
  };
  const divided = (/** @type {Tensor} */ x, /** @type {Tensor} */ y, /** @type {Tensor} */ out) => ops.divide(device, { x: [x], y: [y], out: [out] }); // biome-ignore format: one line
  return {
    lower: {
      gradient(/** @type {Tensor} */ u, /** @type {Tensor} */ theta, /** @type {Tensor} */ out) {
        spread(theta);
        sum(out, [u, given], [1, -1]);
        for (const { apart, back } of directions) {
          apart(u, along);
          rootOf(along);
          divided(along, root, slope);
          times(slope, weights, slope);
          back(slope, root);
          sum(out, [out, root], [1, 1]);
        }
      },
      hessianProduct(
        /** @type {Tensor} */ u,
        /** @type {Tensor} */ theta,
        /** @type {Tensor} */ v,
        /** @type {Tensor} */ out,
      ) {
        spread(theta);
        sum(out, [v], [1]);
        for (const { apart, back } of directions) {
          apart(u, along);
          rootOf(along);
          apart(v, across);
          // φ'' = ν² / root³.
          times(across, weights, slope);
          for (let k = 0; k < 3; ++k) divided(slope, root, slope);
          sum(slope, [slope], [nu ** 2]);
          back(slope, root);
          sum(out, [out, root], [1, 1]);
        }
      },
      jacobianTransposed(
        /** @type {Tensor} */ u,
        /** @type {Tensor} */ theta,
        /** @type {Tensor} */ v,
        /** @type {Tensor} */ out,
      ) {
        ops.fill(device, { x: [off], value: 0 });
        for (const { apart } of directions) {
          apart(u, along);
          rootOf(along);
          divided(along, root, slope);
          apart(v, across);
          times(slope, across, slope);
          sum(off, [off, slope], [1, 1]);
        }
        ops.gemm(device, { a: off, b: r, c: wide });
        ops.gemm(device, { a: r, b: wide, c: out, transA: 'transposed' });
        ops.map(device, { x: [theta], out: [small], function: 'exp' });
        times(out, small, out);
      },
    },
    upper: {
      lipschitz: 1,
      value(/** @type {Tensor} */ u, /** @type {Tensor} */ out) {
        sum(off, [u, target], [1, -1]);
        const flat = off.reshape([side * side]);
        ops.dots(device, { x: [flat], y: [flat], out });
        flat.dispose();
        sum(out, [out], [0.5]);
      },
      gradient: (/** @type {Tensor} */ u, /** @type {Tensor} */ out) => sum(out, [u, target], [1, -1]),
    },
  };
}

/** The Lipschitz constant of the gradient by u. @param {Tensor} theta */
export async function lipschitzOf(theta) {
  return 1 + (8 * Math.exp(Math.max(...(await theta.read())))) / nu;
}
