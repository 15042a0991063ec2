/**
 * Policies and values of reinforcement learning: ascent by policy gradients, and policies with gradients in closed
 * form.
 *
 * @packageDocumentation
 */

export type { LoadResult, SaveOptions, Stateful } from '../files/stateful.ts';
export type { TransferOptions } from '../files/transfer.ts';
export { Harpg, type HarpgOptions } from './harpg.ts';
export { LinearGaussianPolicy, type LinearGaussianPolicyOptions } from './linear-gaussian-policy.ts';
export type { PolicyPlace, PolicySampleOptions } from './linear-policy.ts';
export { LinearSoftmaxPolicy, type LinearSoftmaxPolicyOptions } from './linear-softmax-policy.ts';
export { type LinearValueOptions, linearValue, type ValueOracle } from './linear-value.ts';
export { NPgIgt, type NPgIgtOptions } from './n-pg-igt.ts';
export {
  type OdiceBatch,
  type OdiceStep,
  OdiceValueLearner,
  type OdiceValueLearnerOptions,
} from './odice-value-learner.ts';
export { type ProjectOutOptions, projectOut } from './project-out.ts';
export { type RewardToGoOptions, rewardToGo } from './reward-to-go.ts';
export type { PolicyFactors, PolicySchedule } from './schedule.ts';
export type { PolicyBatch } from './trajectories.ts';
export type { PolicyOracle, PolicyStep } from './transport.ts';
