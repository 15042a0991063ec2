// State of an optimizer that is made anew with other parameters.
import { OrthokitError } from '../core/errors.ts';
import { ops } from '../core/native-ops.ts';
import type { Tensor } from '../core/tensor.ts';
import { fitted, isOptional, type StoredState, variableOf } from './state.ts';

/** Gives the state of an optimizer to one that has other parameters, that of the ones in `kept`. */
function carryOver(
  where: string,
  from: ReadonlyMap<string, Tensor>,
  to: ReadonlyMap<string, Tensor>,
  kept: { has(variable: string): boolean },
): void {
  const old = [...from].filter(([name]) => isOptional(name) || kept.has(variableOf(name)));
  for (const [name, tensor] of old) {
    const target = to.get(name);
    if (!target || target.dtype !== tensor.dtype || target.shape.join() !== tensor.shape.join())
      throw new OrthokitError(
        'ERR_STATE',
        `${where}: state ${name} has no place any more: with more variables, another part has the variable`,
      );
  }
  for (const [name, tensor] of old) ops.copy(tensor.device, { out: [to.get(name)!], x: [tensor] });
}

/**
 * Fills the state of an optimizer that has been made: with that of the one before, and what waited for its variables.
 * Gives what still waits.
 * @param kept Variables that the one before had, too.
 */
export function fill(
  where: string,
  before: ReadonlyMap<string, Tensor> | undefined,
  states: ReadonlyMap<string, Tensor>,
  stored: Map<string, StoredState>,
  kept: { has(variable: string): boolean },
): Map<string, StoredState> {
  if (before) carryOver(where, before, states, kept);
  if (stored.size === 0) return stored;
  const fresh = new Map([...states].filter(([name]) => !kept.has(variableOf(name))));
  // Variables that come later may be others than those whose state was stored.
  const { values, left } = fitted(where, fresh, stored, () => before !== undefined);
  for (const [tensor, value] of values) tensor.write(value);
  return new Map(left.map((name) => [name, stored.get(name)!]));
}
