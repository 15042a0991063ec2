// The optimizer that is wanted, and the way to make it of parameters by name.

import type { Device } from '../core/device.ts';
import { type OrthokitError, refusal, shown } from '../core/errors.ts';
import { isListOf, isRecord } from '../core/options.ts';
import { testOf } from '../core/pattern.ts';
import { Tensor } from '../core/tensor.ts';
import type { OptimizerPart } from '../optimizers/base/checkpoint.ts';
import { type Choice, isChoice } from '../optimizers/base/choice.ts';
import { type CombinedOptimizer, combine } from '../optimizers/combine.ts';
import * as library from '../optimizers/index.ts';
import { present } from './present.ts';
import { checkScalars, type NumberedParts, type Scalars } from './scalars.ts';

const { Optimizer } = library;

// biome-ignore lint/suspicious/noExplicitAny: the options of each class are checked by the class
export type AnyClass = new (params: any, options?: any) => library.Optimizer<any>;

export type Options = Readonly<Record<string, unknown>>;

/** A group of a part: what chooses its variables, and its options. */
interface SpecGroup extends Options {
  readonly name: string;
  readonly params: Choice;
}

/** One class of a combination. */
interface SpecPart {
  readonly optimizer: AnyClass;
  /** The choice of variables, or groups that choose them, as given; none for a class of all variables. */
  readonly params: Choice | readonly Options[] | undefined;
  readonly options: Options;
}

/** An optimizer that is to be made: one class, or parts of a combination. */
export interface Spec {
  readonly isOne: boolean;
  readonly parts: readonly SpecPart[];
  /** Options of the combination. */
  readonly options: Options;
  /** The scalars of each part, where they were scheduled before. */
  readonly scalars: readonly Scalars[];
}

/** An optimizer that has been made: no step of it waits for anything. */
export interface Made {
  // biome-ignore lint/suspicious/noExplicitAny: see above
  readonly optimizer: library.Optimizer<any> | CombinedOptimizer;
  /** The number in the spec of each of its parts. Parts that choose no variable are not there. */
  readonly numbers: readonly number[];
}

/** Classes whose rule is the same for every element: they have no layout. */
const elementwise: readonly unknown[] = [
  library.SGD,
  library.AdamW,
  library.AdaGrad,
  library.AdaGradNorm,
  library.Lion,
  library.DiffGrad,
  library.EG,
];

export const isClass = (x: unknown): x is AnyClass => typeof x === 'function' && x.prototype instanceof Optimizer;
const own = ['parameters', 'overlap'];

/** The kernels of TensorFlow.js have their outputs last. */
const laidOut = ({ optimizer, options }: SpecPart): Options =>
  elementwise.includes(optimizer) ? options : { ...options, layout: options['layout'] ?? 'in_out' };

/** @throws ERR_ARGUMENT for what is no class and no list of parts, and for options that the adapter itself has */
export function specOf(where: string, optimizer: unknown, options: unknown): Spec {
  if (options !== undefined && !isRecord(options)) throw refusal(where, 'options', 'be an object', shown(options));
  const given = (options ?? {}) as Options;
  if (isClass(optimizer)) {
    for (const name of own)
      if (given[name] !== undefined) throw refusal(where, name, 'be left out beside a class', shown(given[name]));
    return { isOne: true, parts: [{ optimizer, params: undefined, options: given }], options: {}, scalars: [] };
  }
  if (!isListOf(optimizer, isRecord) || optimizer.length === 0)
    throw refusal(where, 'optimizer', 'be a class of optimizers, or parts { optimizer, params }', shown(optimizer));
  if (given['parameters'] !== undefined)
    throw refusal(where, 'parameters', 'be left out: they are the variables', shown(given['parameters']));
  const parts = optimizer.map(({ optimizer: Class, params, ...rest }) => {
    if (!isClass(Class)) throw refusal(where, 'optimizer', 'be a class of optimizers', shown(Class));
    for (const choice of choicesOf(params))
      if (!isChoice(choice)) throw refusal(where, 'params', 'choose variables by name', shown(choice));
    return { optimizer: Class, params: params as SpecPart['params'], options: rest };
  });
  return { isOne: false, parts, options: given, scalars: [] };
}

/** Groups are a list of objects, and each has its choice. */
const areGroups = (params: unknown): params is readonly Options[] => isListOf(params, isRecord) && params.length > 0;
const choicesOf = (params: unknown): readonly unknown[] =>
  areGroups(params) ? params.map((group) => group['params']) : [params];

/** The groups of a part, each with its name. */
const groupsOf = ({ params }: SpecPart): readonly SpecGroup[] =>
  areGroups(params)
    ? params.map((group, g) => ({
        ...group,
        name: (group['name'] ?? String(g)) as string,
        params: group['params'] as Choice,
      }))
    : [{ name: '0', params: params ?? '**' }];

/** The optimizer of these parameters, of the parts and groups that choose some of them. */
export function make({ isOne, parts, options }: Spec, parameters: Readonly<Record<string, Tensor>>): Made {
  const [first] = parts;
  if (isOne) return { optimizer: new first!.optimizer(parameters, laidOut(first!)), numbers: [0] };
  const groups = present(parts.map(groupsOf), options['overlap'] === 'first', parameters);
  const numbers = [...parts.keys()].filter((i) => groups[i]!.length > 0);
  // The combination refuses parts of which none chooses any.
  const all = (numbers.length > 0 ? numbers : [...parts.keys()]).map((i) => ({
    ...laidOut(parts[i]!),
    optimizer: parts[i]!.optimizer,
    params: numbers.length > 0 ? groups[i] : parts[i]!.params,
  }));
  const optimizer = combine(all as never, { ...options, parameters } as never) as CombinedOptimizer;
  return { optimizer, numbers };
}

/** Throws at once for options that no variable could be stepped with; what depends on shapes shows later. */
export function checkSpec(where: string, spec: Spec, device: Device): void {
  for (const [i, part] of spec.parts.entries()) {
    const groups = groupsOf(part);
    for (const { params } of groups)
      for (const choice of typeof params === 'string' || typeof params === 'function' ? [params] : params)
        testOf(where, 'params', choice);
    const weights = groups.map(() => Tensor.zeros(device, [16, 16]));
    try {
      using made = new part.optimizer(
        groups.map((group, g) => ({ ...group, params: [weights[g]!] })),
        laidOut(part),
      );
      checkScalars(where, made.part(), spec.scalars[i] ?? {}, true);
    } catch (error) {
      if ((error as OrthokitError).code !== 'ERR_SHAPE') throw error;
    } finally {
      for (const weight of weights) weight.dispose();
    }
  }
  if (spec.isOne) return;
  const some = { optimizer: library.SGD, params: '**' };
  using weight = Tensor.zeros(device, [1]);
  combine([some], { ...spec.options, parameters: { weight } } as never).dispose();
}

/** Contents of checkpoints of an optimizer, by parts. */
export const partsOf = ({ optimizer }: Made): readonly OptimizerPart[] =>
  optimizer instanceof Optimizer ? [optimizer.part()] : optimizer.stored();

/** The parts that have groups, each with its number in the spec. */
export const numberedParts = ({ optimizer, numbers }: Made): NumberedParts =>
  (optimizer instanceof Optimizer ? [optimizer] : optimizer.parts).map((part, i) => [numbers[i]!, part.part()]);
