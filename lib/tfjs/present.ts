// Groups may choose no variable yet: others come later.
import { testOf } from '../core/pattern.ts';
import type { Tensor } from '../core/tensor.ts';
import type { Choice } from '../optimizers/base/choice.ts';

/** A group by its choice of variables. */
interface Choosing {
  readonly params: Choice;
}

/**
 * The groups of each part that choose some of the parameters, with the patterns that do.
 * @param isFirst Whether the first group that chooses a parameter has it; else what several choose is refused later.
 */
export function present<G extends Choosing>(
  parts: readonly (readonly G[])[],
  isFirst: boolean,
  parameters: Readonly<Record<string, Tensor>>,
): G[][] {
  const all = Object.entries(parameters);
  const taken = new Set<string>();
  const fitting = (group: G): G[] => {
    const { params } = group;
    const isOne = typeof params === 'string' || typeof params === 'function';
    const found = new Set<string>();
    const choices = (isOne ? [params] : params).filter((choice) => {
      const test = testOf('combine', 'params', choice);
      const names = all.filter(([name, tensor]) => test(name, tensor)).map(([name]) => name);
      for (const name of names) found.add(name);
      return names.length > 0;
    });
    const free = [...found].filter((name) => !isFirst || !taken.has(name));
    for (const name of free) taken.add(name);
    return free.length > 0 ? [{ ...group, params: (isOne ? params : choices) as Choice }] : [];
  };
  return parts.map((groups) => groups.flatMap(fitting));
}
