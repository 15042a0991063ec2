import { OrthokitError } from '../core/errors.ts';
import { shown } from '../core/options.ts';
import type { Costs } from './cost.ts';
import { PointCost } from './points.ts';

/** What {@link TransportResult.gradient} is taken by. */
export type TransportVariable = 'cost' | 'x' | 'y' | 'a' | 'b' | 'eps';

const variables: readonly string[] = ['cost', 'x', 'y', 'a', 'b', 'eps'] satisfies TransportVariable[];

/** @throws ERR_ARGUMENT, ERR_UNSUPPORTED */
export function variablesOf(by: unknown, costs: Costs): readonly TransportVariable[] {
  const list = Array.isArray(by) ? by : [by];
  if (list.length === 0) throw new OrthokitError('ERR_ARGUMENT', 'pullback: by must name something, got an empty list');
  for (const name of list) {
    if (!variables.includes(name))
      throw new OrthokitError('ERR_ARGUMENT', `pullback: by must be ${variables.join(', ')}, got ${shown(name)}`);
    if ((name === 'x' || name === 'y') && !(costs instanceof PointCost))
      throw new OrthokitError('ERR_UNSUPPORTED', `pullback: ${name} must be points, got a result of a stored cost`);
  }
  return list as TransportVariable[];
}
