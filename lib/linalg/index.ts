/**
 * Small dense linear algebra: factorizations, systems, the polar factor. Each function takes a matrix or a batch of
 * them, f32 or f64, and gives tensors of that dtype.
 *
 * @packageDocumentation
 */
export {
  type CholeskyOptions,
  cholesky,
  type EighResult,
  eigh,
  type LuResult,
  lu,
  type QrResult,
  qr,
  type SvdResult,
  svd,
} from './factorizations.ts';
export { type PolarOptions, polar } from './polar.ts';
export { type RandomizedSvdOptions, randomizedSvd } from './randomized-svd.ts';
export { type LstsqOptions, lstsq, type SolveOptions, solve } from './solve.ts';
