import { OrthokitError, oneOf, refusal } from '../../core/errors.ts';
import { shown } from '../../core/options.ts';
import type { Cost } from '../problem/cost.ts';
import { PointCost } from '../problem/points.ts';

/** A variable of {@link TransportResult.gradient}. */
export type TransportVariable = 'cost' | 'x' | 'y' | 'a' | 'b' | 'eps';

export const variables: readonly string[] = ['cost', 'x', 'y', 'a', 'b', 'eps'] satisfies TransportVariable[];

/** @throws ERR_ARGUMENT, ERR_UNSUPPORTED */
export function variablesOf(by: unknown, costs: Cost): readonly TransportVariable[] {
  const list = Array.isArray(by) ? by : [by];
  if (list.length === 0) throw new OrthokitError('ERR_ARGUMENT', 'pullback: by must name something, got an empty list');
  for (const name of list) {
    if (!variables.includes(name)) throw refusal('pullback', 'by', `be ${oneOf(variables)}`, shown(name));
    if ((name === 'x' || name === 'y') && !(costs instanceof PointCost))
      throw refusal('pullback', name, 'be points', 'a result of a stored cost', 'ERR_UNSUPPORTED');
  }
  return list as TransportVariable[];
}
