import { refusal } from '../../core/errors.ts';
import { isListOf, isRecord, shown } from '../../core/options.ts';
import { testOf } from '../../core/pattern.ts';
import { isTensor, type Tensor } from '../../core/tensor.ts';
import { few } from '../../files/quote.ts';

/**
 * Parameters by a pattern of their paths, by several, each of which must fit some, or by a test, which answers true or
 * false; see {@link ChoiceOptions}.
 */
export type Choice = string | readonly string[] | ((path: string, tensor: Tensor) => boolean);

/** The parameters that groups choose theirs from. */
export interface ChoiceOptions {
  /**
   * All parameters by path, as `nn.select(model, '**')` gives them. Groups may then choose theirs: by patterns, `*`
   * within a step of the path, `**` over any number and `{a,b}` for either, or by a test of path and tensor. Each
   * parameter must be in one group. Default: none, groups have tensors.
   */
  parameters?: Readonly<Record<string, Tensor>> | undefined;
  /**
   * The rule for a parameter that several groups choose: `error`, or `first`, the first of them has it. Default
   * `error`.
   */
  overlap?: 'error' | 'first' | undefined;
}

/** Parameters of a group, or what chooses them, under the name that messages have for the group. */
export interface Chooser {
  readonly name: string;
  readonly params: unknown;
}

const isText = (x: unknown): x is string => typeof x === 'string';

export const isChoice = (x: unknown): x is Choice =>
  isText(x) || typeof x === 'function' || (Array.isArray(x) && x.length > 0 && isListOf(x, isText));

/** The parameters that a choice has, each pattern of it some. */
function fittingOf(where: string, option: string, choice: Choice, all: readonly [string, Tensor][]) {
  const found = new Set<string>();
  for (const one of typeof choice === 'function' || isText(choice) ? [choice] : choice) {
    const test = testOf(where, option, one);
    const fits = all.filter(([path, tensor]) => test(path, tensor));
    if (fits.length === 0) {
      const got = isText(one) ? `none by ${shown(one)}` : 'none';
      throw refusal(where, option, `choose some of ${all.length} parameters`, got);
    }
    for (const [path] of fits) found.add(path);
  }
  return all.filter(([path]) => found.has(path));
}

/** The parameters of each group, chosen ones by path; what is no choice stays as it is. */
export function chosen(where: string, groups: readonly Chooser[], options: ChoiceOptions): readonly unknown[] {
  const { parameters, overlap } = options;
  if (overlap !== undefined && overlap !== 'error' && overlap !== 'first')
    throw refusal(where, 'overlap', `be 'error' or 'first'`, shown(overlap));
  if (parameters === undefined) {
    const name = groups.find(({ params }) => isChoice(params))?.name;
    if (name !== undefined) throw refusal(where, 'parameters', `be there, by path, for ${name} to choose from`, 'none');
    if (overlap !== undefined) throw refusal(where, 'overlap', 'be left out without parameters', shown(overlap));
    return groups.map(({ params }) => params);
  }
  const isByPath = isRecord(parameters) && !isTensor(parameters) && Object.values(parameters).every(isTensor);
  if (!isByPath) throw refusal(where, 'parameters', 'be tensors by path', shown(parameters));
  const all = Object.entries(parameters);
  const paths = new Map(all.map(([path, tensor]) => [tensor, path]));
  if (paths.size < all.length)
    throw refusal(where, 'parameters', 'not hold a tensor twice', `${all.length - paths.size} again`);
  const owners = new Map<Tensor, string>();
  const result = groups.map(({ name, params }) => {
    if (!isChoice(params)) {
      const tensors = isRecord(params) && !isTensor(params) ? Object.values(params) : params;
      for (const tensor of Array.isArray(tensors) ? tensors.filter(isTensor) : []) own(tensor, name);
      return params;
    }
    const option = `params of ${name}`;
    const fits = fittingOf(where, option, params, all);
    const free = overlap === 'first' ? fits.filter(([, tensor]) => !owners.has(tensor)) : fits;
    if (free.length === 0) {
      const got = `${fits.length}, all of groups before`;
      throw refusal(where, option, `choose some of ${all.length} parameters`, got);
    }
    for (const [, tensor] of free) own(tensor, name);
    return Object.fromEntries(free);
  });
  const left = all.filter(([, tensor]) => !owners.has(tensor)).map(([path]) => path);
  if (left.length > 0) throw refusal(where, 'parameters', 'be in one group each', `none for ${few(left)}`);
  return result;

  function own(tensor: Tensor, name: string): void {
    const path = paths.get(tensor);
    if (path === undefined)
      throw refusal(where, `params of ${name}`, 'be among parameters', `another of shape [${tensor.shape}]`);
    const other = owners.get(tensor);
    if (other !== undefined) throw refusal(where, `parameter ${path}`, 'be in one group', `${other} and ${name}`);
    owners.set(tensor, name);
  }
}
