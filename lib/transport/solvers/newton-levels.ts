import type { Settings } from '../options.ts';
import type { Pair } from '../problem/cost.ts';
import type { Problem } from '../problem/problem.ts';
import { levels } from './anneal.ts';
import type { Newton, NewtonEnd, SolverEnd } from './newton.ts';
import type { ScaledPlan } from './scaled-plan.ts';

/** L1 error at which a level of eps is done at first: the next one moves further than that. */
const looseTolerance = 0.02;
/** Steps in which a level's error must halve. */
const mostSteps = 15;

/** Sweeps at each level of eps. */
const sweepsAtLevel = ({ anneal }: Settings): number => anneal?.sweeps ?? 2;

/** Number of sweeps from the first level of eps to the last. */
export const sweepsByLevels = ({ settings, range }: Problem): number =>
  sweepsAtLevel(settings) * levels(settings, range).length;

interface Level {
  readonly eps: number;
  readonly potentials: Pair;
}

/**
 * Newton steps, level by level of eps. Once the large entries are found, potentials are linear in eps but for what
 * vanishes exponentially: two levels foretell the next one.
 *
 * Levels are solved loosely at first. A loose level may leave rows of little mass where they are, far from their
 * optimum in units of the next eps, and the semi-dual is flat there: where steps stall, levels are solved again from
 * the first, each so far that every row has its mass. That may still leave out an entry of the plan that is the small
 * difference of masses: where steps stall once more, each level is solved to the end.
 */
export async function newtonByLevels(plan: ScaledPlan, newton: Newton): Promise<{ end: SolverEnd; error: number }> {
  const { marginals, settings, range, goal: tol, control } = plan.problem;
  const list = levels(settings, range);
  const leastMass = marginals.a.reduce((least, mass) => (mass > 0 ? Math.min(least, mass) : least), 1);
  const strictTolerance = Math.max(tol, Math.min(looseTolerance, leastMass) / 2);

  const descend = async (levelTolerance: number, steps: number): Promise<NewtonEnd> => {
    const passed: Level[] = [];
    for (const eps of list.slice(0, -1)) {
      await enter(eps, passed);
      await newton.run(levelTolerance, { steps: mostSteps });
      passed.push({ eps, potentials: plan.remember(passed.length > 1 ? passed.shift()!.potentials : undefined) });
    }
    await enter(settings.eps, passed);
    return await newton.run(tol, { steps });
  };
  const enter = async (eps: number, [before, last]: readonly Level[]): Promise<void> => {
    plan.enter(eps);
    if (before && last) plan.extrapolate(before.potentials, (last.eps - eps) / (before.eps - last.eps));
    const sweeps = Math.min(sweepsAtLevel(settings), control.sweepsLeft);
    if (sweeps > 0) await plan.kernelSweeps(1);
    if (sweeps > 1) plan.blindSweeps(sweeps - 1);
  };

  const ways = [looseTolerance, strictTolerance, tol];
  for (let way = 0; ; ++way) {
    // Another way down needs sweeps, too. Where there is one way alone, its tolerance is the strict one.
    const isLast = way === 2 || list.length === 1 || control.sweepsLeft < 2 * sweepsByLevels(plan.problem);
    const levelTolerance = ways[isLast && way === 0 ? 1 : way]!;
    const { end, error } = await descend(levelTolerance, isLast ? Infinity : mostSteps);
    if (end !== 'stalled') return { end, error };
  }
}
