import type { Settings } from '../options.ts';
import type { CostRange } from '../problem/cost.ts';

/** The first level, as a share of the range of the costs. */
const firstShare = 0.1;

type Schedule = Pick<Settings, 'eps' | 'anneal'>;

/** The values of eps to solve at, in order; the last one is the one that was asked for. */
export function levels({ eps, anneal }: Schedule, { least, most }: Pick<CostRange, 'least' | 'most'>): number[] {
  const list: number[] = [];
  if (anneal)
    for (let level = anneal.start ?? firstShare * (most - least); level > eps; level *= anneal.factor) list.push(level);
  return [...list, eps];
}

/** Sweeps at each level before the last; one sweep is left for that. */
export async function annealBySweeps(
  settings: Schedule,
  range: Pick<CostRange, 'least' | 'most'>,
  control: { readonly sweepsLeft: number },
  sweep: (count: number, eps: number) => Promise<void>,
): Promise<void> {
  for (const level of levels(settings, range).slice(0, -1)) {
    const count = Math.min(settings.anneal!.sweeps, control.sweepsLeft - 1);
    if (count < 1) break;
    await sweep(count, level);
  }
}
