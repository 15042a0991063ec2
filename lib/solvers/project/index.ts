import { AffineSet, affine } from './affine.ts';
import { dykstra } from './dykstra.ts';
import { ball, box, halfspace, l1Ball, simplex } from './rows.ts';

export type { AffineSet } from './affine.ts';
export type { DykstraOptions, DykstraProgress, DykstraResult } from './dykstra.ts';

/**
 * Projections onto convex sets, which change a tensor in place: `simplex`, `l1Ball`, `ball`, `halfspace` and `box` are
 * queued, `affine` and `dykstra` are waited for; `AffineSet` is `affine` made ready for many projections.
 *
 * @example
 * project.simplex(x);
 */
export const project: {
  readonly AffineSet: typeof AffineSet;
  readonly affine: typeof affine;
  readonly ball: typeof ball;
  readonly box: typeof box;
  readonly dykstra: typeof dykstra;
  readonly halfspace: typeof halfspace;
  readonly l1Ball: typeof l1Ball;
  readonly simplex: typeof simplex;
} = Object.freeze({ AffineSet, affine, ball, box, dykstra, halfspace, l1Ball, simplex });
