import * as check from '../../core/check.ts';
import { refusal, shown } from '../../core/errors.ts';
import type { Tensor } from '../../core/tensor.ts';

/** A direction has a tensor for parameters of the model; those that are not in it stand still. */
export function checkDirection(where: string, paths: ReadonlyMap<Tensor, string>, v: unknown): void {
  if (!(v instanceof Map)) throw refusal(where, 'v', 'be a Map from parameters to tensors', shown(v));
  if (![...v.keys()].some((tensor) => paths.has(tensor)))
    throw refusal(where, 'v', 'have a parameter of the model', `${v.size} others`);
  for (const [parameter, path] of paths) {
    const part: unknown = v.get(parameter);
    const { dtype, shape } = parameter;
    if (part !== undefined) check.tensor(where, `v of ${path}`, part, { dtypes: [dtype], shape });
  }
}
