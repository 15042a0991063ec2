import * as check from '../../core/check.ts';
import type { Device } from '../../core/device.ts';
import { refusal } from '../../core/errors.ts';
import { isListOf, isRecord, shown } from '../../core/options.ts';
import { Places } from '../../core/places.ts';
import type { Given } from '../../core/schema.ts';
import { isTensor, type Tensor } from '../../core/tensor.ts';
import { type Choice, type ChoiceOptions, chosen, isChoice } from './choice.ts';

/** Tensors in order, or by path, as `nn.select` gives them: then state is kept under the path in checkpoints. */
export type Tensors = readonly Tensor[] | Readonly<Record<string, Tensor>>;

/** Parameters with options of their own. */
export type GroupOptions<O> = {
  /** The name in messages and checkpoints. Default: the number of the group, from 0. */
  name?: string | undefined;
  /** The parameters, in the order in which a list of gradients will come; or a choice from the option `parameters`. */
  params: Tensors | Choice;
} & Given<O>;

/** Gradients: a list with one or `null` for each parameter in order, or a map, as `nn.valueAndGrad` gives it. */
export type Gradients = readonly (Tensor | null)[] | ReadonlyMap<Tensor, Tensor | null>;

/** A group as the optimizer keeps it; assign to its scalars between steps to schedule them. */
export type Group<O> = {
  /** The name as given, or the number of the group. */
  readonly name: string;
  /** The parameters, in the order given; frozen. */
  readonly params: readonly Tensor[];
} & O;

/** The parameters of an optimizer: tensors, or groups of them. */
export type Params<O> = Tensors | readonly GroupOptions<O>[];

const isByPath = (value: unknown): value is Readonly<Record<string, Tensor>> =>
  isRecord(value) && !isTensor(value) && Object.values(value).every(isTensor);

/** Tensors in their order, and their paths where they have some. */
export const pathsOf = (
  params: Tensors,
): { readonly tensors: readonly Tensor[]; readonly paths?: readonly string[] } =>
  Array.isArray(params) ? { tensors: params } : { tensors: Object.values(params), paths: Object.keys(params) };

/** A group whose parameters are there. */
export type ChosenGroup<O> = { readonly name?: string | undefined; readonly params: Tensors } & Given<O>;

/** The groups that parameters make: one of all tensors, or those that are given. */
export function groupsOf<O>(where: string, params: Params<O>, options: ChoiceOptions): readonly ChosenGroup<O>[] {
  const groups = givenGroups(where, params);
  const names = groups.map(({ name }, i) => `group ${name ?? i}`);
  const all = chosen(
    where,
    groups.map((group, i) => ({ name: names[i]!, params: group.params })),
    options,
  );
  return groups.map((group, i) => (all[i] === group.params ? group : { ...group, params: all[i] }) as ChosenGroup<O>);
}

function givenGroups<O>(where: string, params: Params<O>): readonly GroupOptions<O>[] {
  const isList = Array.isArray(params);
  if (isByPath(params) && Object.keys(params).length > 0) return [{ params } as unknown as GroupOptions<O>];
  if (!isList || params.length === 0) {
    const must = 'be tensors or groups, at least one';
    throw refusal(where, 'params', must, isList ? 'none' : shown(params));
  }
  if (isListOf(params, isTensor)) return [{ params } as unknown as GroupOptions<O>];
  for (const [i, group] of (params as unknown[]).entries()) {
    const tensors = (group as { params?: unknown } | null)?.params;
    if (isTensor(group) || !(isListOf(tensors, isTensor) || isByPath(tensors) || isChoice(tensors)))
      throw refusal(where, 'params', 'be all tensors, or all groups { params: tensors }', `another at ${i}`);
  }
  return params as readonly GroupOptions<O>[];
}

/** The device of all parameters; each belongs to one group, under a name of its own. */
export function deviceOf(where: string, params: readonly Tensor[], groups: readonly { name: string }[]): Device {
  const [first] = params;
  if (!first) throw refusal(where, 'params', 'hold at least one tensor', 'none');
  const seen = new Places();
  for (const [i, weight] of params.entries()) {
    check.alive(where, 'a parameter', weight);
    if (weight.device !== first.device)
      throw refusal(where, 'params', 'be on one device', `another at ${i}`, 'ERR_DEVICE');
    if (!seen.add(weight)) throw refusal(where, 'params', 'not hold a tensor twice', `one again at ${i}`);
  }
  const names = groups.map((group) => group.name);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) throw refusal(where, 'group name', 'be unique', twice);
  return first.device;
}

/** The name of a parameter's state in checkpoints: its group, and its path or its number there. */
export const stateName = (group: string, paths: readonly string[] | undefined, i: number): string =>
  `${group}.${paths?.[i] ?? i}`;

/** Groups and paths have dots in them: two pairs may make one name, and a checkpoint would keep one state of two. */
export function checkStateNames(
  where: string,
  groups: readonly { name: string; params: readonly Tensor[] }[],
  paths: readonly (readonly string[] | undefined)[],
): void {
  const seen = new Map<string, string>();
  for (const [g, { name: group, params }] of groups.entries())
    for (const i of params.keys()) {
      const name = stateName(group, paths[g], i);
      const other = seen.get(name);
      if (other !== undefined)
        throw refusal(where, `${name} of group ${group}`, 'be the name of one parameter', `another of group ${other}`);
      seen.set(name, group);
    }
}

/** A gradient or `null` for each parameter, in order. What a map has besides is left alone. */
export function gradientsOf(where: string, params: readonly Tensor[], grads: unknown): readonly (Tensor | null)[] {
  if (grads instanceof Map) {
    if (!params.some((parameter) => grads.has(parameter)))
      throw refusal(where, 'grads', `have one of ${params.length} parameters`, `${grads.size} others`);
    return params.map((parameter) => (grads.get(parameter) as Tensor | null | undefined) ?? null);
  }
  if (Array.isArray(grads) && grads.length === params.length) return grads;
  throw refusal(where, 'grads', `be ${params.length}`, (grads as { length?: unknown } | null | undefined)?.length);
}
