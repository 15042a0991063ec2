import type { Device } from '../core/device.ts';
import { OrthokitError, refusal } from '../core/errors.ts';
import { checkOptions, isListOf, isRecord, shown } from '../core/options.ts';
import { Places } from '../core/places.ts';
import { isTensor, type Tensor } from '../core/tensor.ts';
import type { TransferOptions } from '../files/safetensors/index.ts';
import type { LoadResult, SaveOptions } from '../files/stateful.ts';
import type { AnyOptimizer } from './base/any-optimizer.ts';
import { load, type OptimizerPart, save } from './base/checkpoint.ts';
import { type Choice, type ChoiceOptions, chosen } from './base/choice.ts';
import type { CommonOptions } from './base/common-options.ts';
import { Guard, type NonFinite } from './base/guard.ts';
import { Optimizer } from './base/optimizer.ts';
import { type Gradients, type Group, gradientsOf, type Tensors } from './base/params.ts';
import { combinedNumbers } from './base/statistics.ts';
import type { Report } from './report.ts';

// biome-ignore lint/suspicious/noExplicitAny: the options of each class are checked by the class
type Part = Optimizer<any>;
type OptimizerClass = new (params: never, options?: never) => Part;
type AnyGroups = readonly Group<CommonOptions>[];

/** The optimizers of a combination: of classes C, one of each. */
type PartsOf<C extends readonly OptimizerClass[]> = { readonly [K in keyof C]: InstanceType<C[K]> };

type GroupOf<C extends OptimizerClass> = InstanceType<C>['groups'][number];
/** Tensors make one group; a list of groups makes as many, where the type knows how many. */
type OwnGroups<C extends OptimizerClass, P> = [P] extends [Tensors | Choice]
  ? readonly [GroupOf<C>]
  : [P] extends [readonly { readonly params: Tensors | Choice }[]]
    ? { readonly [K in keyof P]: GroupOf<C> }
    : readonly GroupOf<C>[];

/** The groups of a combination, in order: of classes C with parameters P. */
type GroupsOf<C extends readonly unknown[], P extends readonly unknown[]> = C extends readonly [
  infer First extends OptimizerClass,
  ...infer Others,
]
  ? P extends readonly [infer Own, ...infer More]
    ? readonly [...OwnGroups<First, Own>, ...GroupsOf<Others, More>]
    : AnyGroups
  : C extends readonly []
    ? readonly []
    : AnyGroups;
type OptionsOf<C> = C extends new (
  params: never,
  options?: infer O,
) => unknown
  ? { [K in keyof O as Exclude<K, OwnOption>]: O[K] }
  : never;

/** Options that the combination has, and its parts have not. */
type OwnOption = 'nonFinite' | keyof ChoiceOptions;

/** One part of a combination: a class, its parameters or groups, its options. */
export type CombinePart<C extends OptimizerClass = OptimizerClass> = {
  /** The class. */
  optimizer: C;
  /** Its tensors or groups, as its constructor takes them; or a choice from the option `parameters`. */
  params: ConstructorParameters<C>[0] | Choice;
} & OptionsOf<C>;

/** Options of {@link combine} itself; those of the optimizers stand in the parts. */
export interface CombineOptions extends ChoiceOptions {
  /** Answer of a step of all parts to NaN or infinity in a gradient of any. Default `propagate`. */
  nonFinite?: NonFinite | undefined;
}

/** A report of several optimizers: over all of them, and theirs. `skipped` is the combination's in each. */
export interface CombinedReport extends Report {
  /** One report a part, in order. */
  readonly parts: readonly Report[];
}

/** Several optimizers that step, save and load as one; see {@link combine}, which knows types of parts and groups. */
export class CombinedOptimizer<
  Parts extends readonly Part[] = readonly Optimizer<CommonOptions>[],
  Groups extends AnyGroups = AnyGroups,
> implements AnyOptimizer
{
  /** The groups of all parts, in order. */
  readonly groups: Groups;
  /** The device of all parameters. */
  readonly device: Device;
  /** The optimizers, in order. */
  readonly parts: Parts;
  readonly #guard: Guard;
  readonly #counts: readonly number[];
  readonly #params: readonly Tensor[];

  /** @internal Use {@link combine}. */
  constructor(parts: readonly Part[], guard: Guard) {
    this.parts = Object.freeze([...parts]) as readonly unknown[] as Parts;
    this.groups = Object.freeze(parts.flatMap((part) => part.groups)) as readonly unknown[] as Groups;
    this.device = (parts[0] as Part).device;
    this.#guard = guard;
    this.#params = this.groups.flatMap(({ params }) => params);
    this.#counts = parts.map((part) => part.groups.reduce((sum, group) => sum + group.params.length, 0));
  }

  /**
   * One step of all parts: a gradient or `null` per parameter, in the order of the parts, or a map of them. Checked
   * whole before it starts.
   * @throws as {@link Optimizer.step}: ERR_ARGUMENT, ERR_SHAPE, ERR_DTYPE, ERR_DEVICE, ERR_DISPOSED
   */
  step(grads: Gradients): void {
    const list = gradientsOf('combine.step', this.#params, grads);
    let next = 0;
    const steps = this.parts.map((part, i) => {
      const own = list.slice(next, next + this.#counts[i]!);
      next += own.length;
      return part.prepare(own, this.#guard);
    });
    for (const [i, grad] of list.entries())
      if (grad && this.parts.some((part) => part.owns(grad)))
        throw new OrthokitError(
          'ERR_ARGUMENT',
          `combine.step: grads[${i}] must not share its bytes with a parameter or state`,
        );
    try {
      for (const step of steps) step.begin();
      this.#guard.examine(list);
      for (const step of steps) step.run();
    } finally {
      for (const step of steps) step.dispose();
    }
  }

  /** Statistics of the last step, of all parts and of each. */
  async report(): Promise<CombinedReport> {
    const [held, ...reports] = await Promise.all([
      this.#guard.read(),
      ...this.parts.map((part) => part.measure(this.#guard)),
    ]);
    const parts = reports.map(({ report }) => report);
    const elements = reports.reduce((sum, report) => sum + report.elements, 0);
    const moved = reports.reduce((sum, { report, elements }) => sum + report.updateRms ** 2 * elements, 0);
    return {
      step: parts[0]?.step ?? 0,
      gradNorm: Math.hypot(...parts.map((part) => part.gradNorm)),
      updateRms: Math.sqrt(moved / Math.max(1, elements)),
      nonFinite: held && held.nonFinite > 0 ? held.nonFinite : parts.reduce((sum, part) => sum + part.nonFinite, 0),
      skipped: held?.skipped ?? 0,
      ...combinedNumbers(reports),
      parts,
    };
  }

  /** Bytes of state on the device. */
  get stateBytes(): number {
    return this.parts.reduce((sum, part) => sum + part.stateBytes, 0);
  }

  /** Stores all parts in one file, as {@link Optimizer.save}. */
  async save(path: string, options: SaveOptions = {}): Promise<void> {
    await save(path, 'combine.save', this.stored(), options);
  }

  /** Brings all parts back, as {@link Optimizer.load}. */
  async load(path: string, options: TransferOptions = {}): Promise<LoadResult> {
    return load(path, 'combine.load', this.stored(), options);
  }

  /** Gives the memory of the state back; the parameters stay. */
  dispose(): void {
    for (const part of this.parts) part.dispose();
    this.#guard.dispose();
  }

  /** Disposes: `using optimizer = combine([…])`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  /** @internal What a checkpoint stores of the combination and of each part. */
  stored(): OptimizerPart[] {
    const guard: OptimizerPart = {
      optimizer: 'combine',
      groups: [],
      schema: {},
      defaults: () => ({}),
      conversions: {},
      bound: {},
      tensors: Object.fromEntries(this.#guard.tensors()),
      places: {},
      steps: 0,
      check: () => {},
      restore: () => {},
    };
    return [guard, ...this.parts.map((part) => part.part())];
  }
}

/**
 * Several optimizers as one, with one `step`, `save` and `load`: matrices to one that orthogonalizes, the rest to
 * another.
 *
 * @example
 * const optimizer = combine([
 *   { optimizer: Muon, params: matrices, lr: 0.02 },
 *   { optimizer: AdamW, params: vectors, lr: 3e-4 },
 * ]);
 * optimizer.step([...matrixGrads, ...vectorGrads]);
 *
 * @example
 * const optimizer = combine(
 *   [
 *     { optimizer: AdamW, params: (path, t) => t.shape.length < 2 || path.startsWith('tokens'), lr: 3e-4 },
 *     { optimizer: Muon, params: '**', lr: 0.02 },
 *   ],
 *   { parameters: nn.select(model, '**'), overlap: 'first' },
 * );
 * @throws ERR_ARGUMENT for a parameter that two parts hold, or none of those to choose from, and whatever the classes
 * throw
 */
export function combine<const C extends readonly OptimizerClass[], const P extends readonly unknown[]>(
  parts: readonly [...{ [K in keyof C]: CombinePart<C[K]> }] &
    readonly [...{ [K in keyof P]: { readonly params: P[K]; readonly [option: string]: unknown } }],
  options: CombineOptions = {},
): CombinedOptimizer<PartsOf<C>, GroupsOf<C, P>> {
  checkOptions('combine', options, ['nonFinite', 'parameters', 'overlap']);
  if (!Array.isArray(parts) || parts.length === 0) {
    const must = 'be a list of { optimizer, params }, at least one';
    throw refusal('combine', 'parts', must, Array.isArray(parts) ? 'none' : shown(parts));
  }
  const made: Part[] = [];
  try {
    for (const part of withChosen(parts, options)) made.push(makePart(part as CombinePart));
    const [first] = made as [Part];
    const seen = new Places();
    const params = made.flatMap((part) => part.groups.flatMap((group: Group<CommonOptions>) => group.params));
    for (const [i, weight] of params.entries()) {
      if (weight.device !== first.device)
        throw refusal('combine', 'params', 'be on one device', `another at ${i}`, 'ERR_DEVICE');
      if (!seen.add(weight)) throw refusal('combine', 'params', 'not hold a tensor twice', `one again at ${i}`);
    }
    const { nonFinite = 'propagate' } = options;
    return new CombinedOptimizer(made, new Guard('combine', nonFinite, first.device));
  } catch (error) {
    for (const part of made) part.dispose();
    throw error;
  }
}

type GivenGroup = { readonly name?: unknown; readonly params: unknown };
const isGroups = (params: unknown): params is readonly GivenGroup[] =>
  isListOf(params, (group): group is GivenGroup => isRecord(group) && !isTensor(group) && 'params' in group);

/** Parts with their parameters in the place of choices. */
function withChosen(parts: readonly unknown[], options: CombineOptions): readonly unknown[] {
  const choosers = parts.flatMap((part, i) => {
    const params = isRecord(part) ? part['params'] : undefined;
    if (!isGroups(params)) return [{ name: `parts[${i}]`, params }];
    return params.map((group, k) => ({ name: `parts[${i}] group ${String(group.name ?? k)}`, params: group.params }));
  });
  const all = [...chosen('combine', choosers, options)];
  return parts.map((part) => {
    if (!isRecord(part) || !isGroups(part['params'])) {
      const params = all.shift();
      return isRecord(part) ? { ...part, params } : part;
    }
    return { ...part, params: part['params'].map((group) => ({ ...group, params: all.shift() })) };
  });
}

function makePart(part: CombinePart): Part {
  if (!isRecord(part)) throw refusal('combine', 'parts', 'be objects { optimizer, params }', shown(part));
  const { optimizer, params, ...options } = part as { optimizer: unknown; params: unknown; [K: string]: unknown };
  const isClass = typeof optimizer === 'function' && optimizer.prototype instanceof Optimizer;
  if (!isClass) throw refusal('combine', 'optimizer', 'be a class of optimizers', shown(optimizer));
  for (const name of ['nonFinite', 'parameters', 'overlap'])
    if (options[name] !== undefined)
      throw refusal('combine', name, 'be given to the combination, not to a part', shown(options[name]));
  return new (optimizer as new (params: unknown, options: unknown) => Part)(params, options);
}
