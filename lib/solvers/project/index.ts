/**
 * Projections onto convex sets, which change a tensor in place: `simplex`, `l1Ball`, `ball`, `halfspace` and `box` are
 * queued, `affine` and `dykstra` are waited for; `AffineSet` is `affine` made ready for many projections.
 *
 * @example
 * project.simplex(x);
 *
 * @module
 */
export { AffineSet, affine } from './affine.ts';
export { box } from './box.ts';
export { type DykstraOptions, type DykstraProgress, type DykstraResult, dykstra } from './dykstra.ts';
export { ball, halfspace, l1Ball, simplex } from './rows.ts';
