import { refusal, shown } from './errors.ts';

/** Ways through a path: of the places that the pattern so far may end at, those it ends at with one part more. */
type Part = (path: string, from: readonly boolean[]) => boolean[];

const text =
  (expected: string): Part =>
  (path, from) => {
    const to: boolean[] = [];
    for (let at = 0; at <= path.length; ++at)
      if (from[at] && path.startsWith(expected, at)) to[at + expected.length] = true;
    return to;
  };

/** `*` */
const withinStep: Part = (path, from) => {
  const to: boolean[] = [];
  for (let at = 0; at <= path.length; ++at)
    if (from[at] || (at > 0 && to[at - 1] && path[at - 1] !== '.')) to[at] = true;
  return to;
};

/** `**`, with the dots before its steps. */
const anySteps: Part = (path, from) => {
  const to = [...from];
  for (let at = 0; at < path.length; ++at) {
    if (!to[at] || path[at] !== '.') continue;
    const dot = path.indexOf('.', at + 1);
    const end = dot < 0 ? path.length : dot;
    if (end > at + 1) to[end] = true;
  }
  return to;
};

const through = (parts: readonly Part[], path: string, from: readonly boolean[]): readonly boolean[] =>
  parts.reduce((places, part) => part(path, places), from);

const either =
  (lists: readonly (readonly Part[])[]): Part =>
  (path, from) => {
    const to: boolean[] = [];
    for (const parts of lists) for (const [at, isEnd] of through(parts, path, from).entries()) if (isEnd) to[at] = true;
    return to;
  };

const signs = /(\{[^{}]*\}|\*)/;

/** The parts of a step of a pattern, or of an entry of a list: `*` and lists are signs, all else stands for itself. */
const partsOf = (step: string): Part[] =>
  step
    .split(signs)
    .filter((part) => part !== '')
    .map((part) => {
      if (part === '*') return withinStep;
      return signs.test(part) ? either(part.slice(1, -1).split(',').map(partsOf)) : text(part);
    });

function fitting(where: string, option: string, pattern: string): (path: string) => boolean {
  // At dots that are in no list.
  const steps = pattern.split(/\.(?![^{}]*\})/);
  if (steps.some((step) => step !== '**' && step.includes('**')))
    throw refusal(where, option, 'have ** as a step of its own, outside of braces', shown(pattern));
  const parts = steps.flatMap((step) => (step === '**' ? [anySteps] : partsOf(`.${step}`)));
  return (path) => through(parts, `.${path}`, [true])[path.length + 1] === true;
}

/**
 * A test of paths of steps, such as `blocks.0.qkv`, by a pattern: `*` is any text within a step, `**` any number of
 * steps, and `{a,b}` either of several texts, which may have steps of their own; lists do not nest. Its time grows with
 * the product of both lengths. Or by a function, whose answers must be booleans.
 * @throws ERR_ARGUMENT for `**` that is no step of its own, or in a list; from the test, for other answers
 */
export function testOf<T>(
  where: string,
  option: string,
  which: string | ((path: string, thing: T) => boolean),
): (path: string, thing: T) => boolean {
  if (typeof which === 'string') return fitting(where, option, which);
  return (path, thing) => {
    const answer: unknown = which(path, thing);
    if (typeof answer !== 'boolean') throw refusal(where, option, `return true or false for ${path}`, shown(answer));
    return answer;
  };
}
