import type { Settings } from './options.ts';

/** The first level, as a share of the range of the costs. */
const firstShare = 0.1;

/** The values of eps to solve at, in order; the last one is the one that was asked for. */
export function levels({ eps, anneal }: Settings, range: number): number[] {
  const list: number[] = [];
  if (anneal)
    for (let level = anneal.start ?? firstShare * range; level > eps; level *= anneal.factor) list.push(level);
  return [...list, eps];
}
