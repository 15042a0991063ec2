import { shuffled } from '../../core/shuffled.ts';
import type { Settings } from '../options.ts';
import { arithmetic, average } from './linear.ts';
import type { Method } from './method.ts';
import { opcm } from './opcm.ts';
import { ties } from './ties.ts';

/** The method of a merge, with its options. */
export function methodOf({ method, models, weights, scale, density, alpha }: Settings): Method {
  if (method === 'average') return average(weights!, scale!);
  if (method === 'arithmetic') return arithmetic(weights!, scale!);
  if (method === 'ties') return ties(weights!, scale!, density!);
  return opcm(models.length, alpha!);
}

/** The order in which models are merged: as given, or drawn by the seed `shuffle`. */
export function orderOf({ models, shuffle }: Settings): number[] {
  const order = models.map((_, i) => i);
  if (shuffle === undefined) return order;
  return order.map(shuffled(order.length, shuffle, 0));
}
