import { isProvenInfeasible } from '../problem/feasibility.ts';
import { annealBySweeps } from './anneal.ts';
import { lbfgs } from './lbfgs.ts';
import { Newton, type SolverEnd } from './newton.ts';
import { newtonByLevels, sweepsByLevels } from './newton-levels.ts';
import type { ScaledPlan } from './scaled-plan.ts';
import { predictSweeps, preparingSweeps, probeSweeps, sweepOn } from './sweeps.ts';

/** Sweeps up to which Newton steps do not pay, … */
const fewSweeps = 20;
/** … and up to which L-BFGS does not. */
const someSweeps = 60;

/** Sparse steps do not pay for plans that need more than this share of all their entries, … */
const denseShare = 0.1;
/** … unless that is few times what the plan of a linear program has, rows and columns: of small problems any. */
const denseEntries = 16;

/** L1 error from which the semi-dual leads to its maximum at eps itself: further away it is flat, eps is lowered. */
const near = 0.25;
/** Rejected Newton steps after which that is given up. */
const mostRejections = 2;
/** The share of the bounds that may be lost there, … */
const shortcutShare = 1 / 8;
/** … where they are no tighter than that. */
const wideBounds = { sweeps: 400, newton: 100 } as const;

/**
 * The shortest way that leads to the optimum, and where none does, the best that was found.
 *
 * At eps itself first. Where that fails, each method has its turn as if it were alone, with what is left of the bounds:
 * Newton steps and L-BFGS from the start, level by level of eps, then sweeps from the best iterate so far, since they
 * never raise the error.
 */
export async function automatic(plan: ScaledPlan): Promise<SolverEnd> {
  const { settings, range, goal: tol, control } = plan.problem;
  const newton = new Newton(plan);
  const start = plan.remember();
  let [best, least] = [plan.remember(), Infinity];
  const keep = (error: number): void => {
    if (error >= least || error <= tol) return;
    best = plan.remember(best);
    least = error;
  };
  let evaluations = 0;
  const levelSweeps = sweepsByLevels(plan.problem);

  if (control.sweepsLeft >= 2 * (probeSweeps + levelSweeps)) {
    const reached = await shortcut(plan, newton);
    if (reached.error <= tol) return 'converged';
    keep(reached.error);
    evaluations += reached.evaluations;
    plan.recall(start);
    newton.forget();
  }
  const byNewton = await newtonByLevels(plan, newton);
  keep(byNewton.error);
  const ends = [byNewton.end];
  // No method carries what no plan does.
  if (byNewton.end !== 'converged' && (await isProvenInfeasible(plan))) return byNewton.end;
  if (byNewton.end !== 'converged' && evaluations < settings.maxSweeps) {
    const isFromStart = control.sweepsLeft > levelSweeps;
    plan.recall(isFromStart ? start : best);
    if (isFromStart) {
      await annealBySweeps(settings, range, control, (count, eps) => plan.sweepAt(count, eps));
      plan.enter(settings.eps);
      await plan.logSweeps(preparingSweeps);
    }
    const { end, error } = await lbfgs(plan, settings.maxSweeps - evaluations);
    keep(error);
    ends.push(end);
  }
  if (ends.includes('converged')) return 'converged';
  plan.recall(best);
  if ((await sweepOn(plan, tol, least)) <= tol) return 'converged';
  return ends.includes('at-precision') ? 'at-precision' : 'max-iterations';
}

/** The error that was reached at eps itself, by so many evaluations of L-BFGS. */
interface Reached {
  readonly error: number;
  readonly evaluations: number;
}

/** At eps itself: sweeps while few; else, from near the optimum, Newton steps where the plan is sparse, or L-BFGS. */
async function shortcut(plan: ScaledPlan, newton: Newton): Promise<Reached> {
  const { settings, goal: tol, control } = plan.problem;
  const outlook = await predictSweeps(plan, tol);
  let { error } = outlook;
  // The rate may fall: twice as many as were predicted are enough.
  const isDoneWithin = async (sweeps: number): Promise<boolean> => {
    if (outlook.sweeps > Math.min(sweeps, control.sweepsLeft)) return false;
    error = await sweepOn(plan, tol, error, 2 * sweeps);
    return error <= tol;
  };
  if (await isDoneWithin(fewSweeps)) return { error, evaluations: 0 };
  const { rows, columns } = plan.cost;
  const mostEntries = Math.max(denseShare * rows * columns, denseEntries * (rows + columns));
  const isDense = (await newton.entries()) > mostEntries;
  if (isDense && (await isDoneWithin(someSweeps))) return { error, evaluations: 0 };
  const { maxSweeps, maxNewton } = settings;
  const isTight = isDense ? maxSweeps < wideBounds.sweeps : maxNewton < wideBounds.newton;
  if (error > near || isTight) return { error, evaluations: 0 };
  if (isDense) return await lbfgs(plan, Math.ceil(shortcutShare * maxSweeps));
  const steps = Math.ceil(shortcutShare * maxNewton);
  return { ...(await newton.run(tol, { rejections: mostRejections, steps })), evaluations: 0 };
}
