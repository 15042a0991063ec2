// Patterns of peft's configuration: numbers of modules that are not the usual one. A pattern fits the module whose name
// it is, and those whose name ends with a dot and it; of several that fit, the first of the file counts.
import { refusal } from '../../core/errors.ts';
import { quote } from '../../files/quote.ts';

/** Letters of a name that a regular expression takes literally, the dot included, as peft's own patterns do. */
export const literal: RegExp = /^[\w.-]+$/;

/** The ends of a name that a pattern may be, from the whole of it on. */
function* endsOf(module: string): Generator<string, void> {
  yield module;
  for (let dot = module.indexOf('.'); dot >= 0; dot = module.indexOf('.', dot + 1)) yield module.slice(dot + 1);
}

/**
 * The patterns of numbers by module, in the order of the file: those that are not the usual one, and the usual one
 * where a shorter name would fit too. Longer names come first.
 *
 * @throws ERR_ARGUMENT for a name that a regular expression does not take literally
 */
export function patternOf(op: string, numbers: ReadonlyMap<string, number>, usual: number): [string, number][] {
  const unusual = new Map([...numbers].filter(([, own]) => own !== usual));
  const listed = [...numbers].filter(([module]) => [...endsOf(module)].some((end) => unusual.has(end)));
  for (const [module] of listed)
    if (!literal.test(module))
      throw refusal(op, 'name', 'give layers of different ranks or scales names of letters, digits and . _ -', quote(module)); // biome-ignore format: one line
  return listed.sort(([a], [b]) => b.length - a.length);
}

/** A number and the place of its pattern in the file. */
export interface Placed {
  readonly place: number;
  readonly number: number;
}

/** The number of a module by patterns, by a look at each end of its name. */
export function numberBy(patterns: ReadonlyMap<string, Placed>, usual: number): (module: string) => number {
  return (module) => {
    let first: Placed | undefined;
    for (const name of [`^${module}`, ...endsOf(module)]) {
      const own = patterns.get(name);
      if (own && (first === undefined || own.place < first.place)) first = own;
    }
    return first === undefined ? usual : first.number;
  };
}
