import type { Settings } from '../options.ts';
import type { Task } from './task.ts';

/** The first level, as a share of the range of the costs. */
const firstShare = 0.1;

/** The values of eps to solve at, in order; the last one is the one that was asked for. */
export function levels({ eps, anneal }: Pick<Settings, 'eps' | 'anneal'>, range: number): number[] {
  const list: number[] = [];
  if (anneal)
    for (let level = anneal.start ?? firstShare * range; level > eps; level *= anneal.factor) list.push(level);
  return [...list, eps];
}

/** Sweeps at each level before the last. */
export async function annealBySweeps({ plan, settings, range }: Task): Promise<void> {
  for (const eps of levels(settings, range.most - range.least)) {
    plan.eps = eps;
    const sweeps = Math.min(settings.anneal?.sweeps ?? 0, plan.control.sweepsLeft - 1);
    if (eps !== settings.eps && sweeps > 0) await plan.logSweeps(sweeps);
  }
}
