import type { Settings } from '../options.ts';
import type { CostRange } from '../problem/cost.ts';
import type { Marginals } from '../problem/marginals.ts';
import type { ScaledPlan } from './scaled-plan.ts';

/** A problem of total mass 1, and how it is to be solved. */
export interface Task {
  /** The iterate that solvers move. */
  readonly plan: ScaledPlan;
  readonly marginals: Marginals;
  readonly settings: Settings;
  readonly range: CostRange;
  /** L1 error at which solvers may stop. */
  readonly tol: number;
}
