/**
 * Curvature of losses: measures and methods over products with a Hessian or a Gauss–Newton matrix.
 *
 * @packageDocumentation
 */

export type { LinearOperator } from '../core/operator.ts';
export type { Oracle } from '../solvers/oracle.ts';
export { type DirectionalSharpnessOptions, directionalSharpness } from './directional-sharpness.ts';
export { type Curvature, type FlatOperator, flat } from './flat.ts';
export { type SharpnessProfile, type SharpnessProfileOptions, sharpnessProfile } from './sharpness-profile.ts';
