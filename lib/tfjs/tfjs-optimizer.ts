import { Device } from '../core/device.ts';
import { refusal, shown } from '../core/errors.ts';
import { isRecord } from '../core/options.ts';
import { kind, readOptions, type Schema } from '../core/schema.ts';
import type { LoadResult, SaveOptions, Stateful } from '../files/stateful.ts';
import type { TransferOptions } from '../files/transfer.ts';
import type {
  AnyOptimizer,
  ChoiceOptions,
  CombineOptions,
  CombinePart,
  Optimizer,
  Report,
} from '../optimizers/index.ts';
import { describe, described, ofConfig } from './config.ts';
import type { TfjsGradients } from './gradients.ts';
import { checkTfjs, type Tfjs, type TfjsBase, type TfjsNamedTensor, type TfjsTensor } from './peer.ts';
import { type Spec, specOf } from './spec.ts';
import { type StoredState, storedOf } from './state.ts';
import { Trainer } from './trainer.ts';

/** Options of the adapter itself, beside those of the optimizer. */
export interface TfjsOptions {
  /** Device of the optimizer's state and work. Default: a CPU device of its own, which is closed with the optimizer. */
  device?: Device | undefined;
}

const schema: Schema<{ device: Device | undefined }> = { device: kind((x) => x instanceof Device, 'a Device') };

/** A class of optimizers that {@link tfjsOptimizer} takes. */
// biome-ignore lint/suspicious/noExplicitAny: the options of each class are checked by the class
export type TfjsOptimizerClass = new (params: never, options?: never) => Optimizer<any>;

/** The options of a class, but for those that choose parameters: these are the variables. */
export type TfjsClassOptions<C> = C extends new (
  params: never,
  options?: infer O,
) => unknown
  ? { [K in keyof O as Exclude<K, keyof ChoiceOptions>]: O[K] }
  : never;

/** Methods that optimizers of {@link tfjsOptimizer} have beside those of TensorFlow.js. */
export interface TfjsExtras extends Stateful {
  /**
   * The groups, as the optimizer keeps them; assign to their scalars between steps to schedule them. Variables that
   * come later make new ones, with the scalars of the old.
   * @throws ERR_STATE before the variables are known; ERR_DISPOSED
   */
  readonly groups: AnyOptimizer['groups'];
  /** The device of state and steps. */
  readonly device: Device;
  /**
   * Makes variables known before the first step, for {@link TfjsExtras.load} and {@link TfjsExtras.groups}: variables,
   * their names, or whatever has the name of one, such as `model.trainableWeights`.
   * @throws ERR_ARGUMENT, also for variables that are not trainable, ERR_DTYPE, ERR_SHAPE, ERR_STATE, ERR_DISPOSED;
   * what the optimizer throws for such parameters
   */
  bind(variables: readonly (string | { readonly name: string })[]): void;
  /** Statistics of the last step. @throws ERR_STATE before the first step; ERR_DISPOSED */
  report(): Promise<Report>;
  /**
   * Steps as `applyGradients` does, off the event loop: gradients are read and the step is awaited. One call at a time.
   * Resolves when the variables have their new values; gradients may be disposed then.
   * @throws ERR_STATE while another call runs, and for a variable that was assigned to meanwhile, which keeps that
   * value, while the others have stepped and the step counts; otherwise as `applyGradients`
   */
  applyGradientsAsync(gradients: TfjsGradients): Promise<void>;
  /** Disposes: `using optimizer = tfjsOptimizer(tf, AdamW)`. */
  [Symbol.dispose](): void;
}

/** The `tf.Optimizer` of a TensorFlow.js of type T. */
export type TfjsBaseOf<T extends Tfjs> = T['Optimizer'] extends (abstract new () => infer Base extends TfjsBase)
  ? Base
  : never;

/** An optimizer of orthokit for a TensorFlow.js of type T: one of its own `tf.Optimizer`, and more. */
export type TfjsOptimizer<T extends Tfjs> = TfjsBaseOf<T> &
  TfjsExtras & {
    /** Does as `minimize`; the step runs off the event loop, and is over when the promise resolves. */
    minimizeAsync(...given: Parameters<TfjsBaseOf<T>['minimize']>): Promise<ReturnType<TfjsBaseOf<T>['minimize']>>;
  };

const className = 'OrthokitOptimizer';

type Class = (new (spec: Spec, options: TfjsOptions) => unknown) & { readonly className: string };
const classes = new WeakMap<object, Class>();

/** The class of a TensorFlow.js, which is made once. */
function classOf(tf: Tfjs): Class {
  const known = classes.get(tf.Optimizer);
  if (known) return known;

  const gradientsOf = (grads: Readonly<Record<string, TfjsTensor | null>>, varList: unknown): TfjsGradients =>
    Array.isArray(varList) ? varList.map(({ name }) => ({ name, tensor: grads[name] })) : grads;

  class OrthokitOptimizer extends tf.Optimizer implements TfjsExtras {
    static readonly className = className;
    readonly #trainer: Trainer;

    constructor(spec: Spec, { device }: TfjsOptions) {
      super();
      this.#trainer = new Trainer('tfjsOptimizer', tf, spec, device);
    }

    // The count that TensorFlow.js reads.
    protected get iterations_(): number {
      return this.#trainer.steps;
    }

    get groups(): AnyOptimizer['groups'] {
      return this.#trainer.made('groups').groups as AnyOptimizer['groups'];
    }

    get device(): Device {
      return this.#trainer.device;
    }

    get stateBytes(): number {
      return this.#trainer.stateBytes;
    }

    bind(variables: readonly (string | { readonly name: string })[]): void {
      this.#trainer.bind('bind', variables);
    }

    applyGradients(gradients: TfjsGradients): void {
      this.#trainer.step(gradients);
    }

    async applyGradientsAsync(gradients: TfjsGradients): Promise<void> {
      await this.#trainer.stepLater(gradients);
    }

    override minimize(f: never, returnCost = false, varList?: never): TfjsTensor | null {
      const { value, grads } = this.computeGradients(f, varList);
      let isDone = false;
      try {
        this.applyGradients(gradientsOf(grads, varList));
        isDone = true;
      } finally {
        tf.dispose(grads as never);
        if (!isDone || !returnCost) value.dispose();
      }
      return returnCost ? value : null;
    }

    async minimizeAsync(f: never, returnCost = false, varList?: never): Promise<TfjsTensor | null> {
      const { value, grads } = this.computeGradients(f, varList);
      let isDone = false;
      try {
        await this.applyGradientsAsync(gradientsOf(grads, varList));
        isDone = true;
      } finally {
        tf.dispose(grads as never);
        if (!isDone || !returnCost) value.dispose();
      }
      return returnCost ? value : null;
    }

    async report(): Promise<Report> {
      return this.#trainer.made('report').report();
    }

    async save(path: string, options: SaveOptions = {}): Promise<void> {
      await this.#trainer.save(path, options);
    }

    async load(path: string, options: TransferOptions = {}): Promise<LoadResult> {
      return this.#trainer.load(path, options);
    }

    async getWeights(): Promise<TfjsNamedTensor[]> {
      const count = Int32Array.of(this.iterations);
      const states = await this.#trainer.states('getWeights');
      const tensors = [...states].map(([name, { data, shape, dtype }]) => ({
        name,
        tensor: tf.tensor(data, [...shape] as never, dtype),
      }));
      return [{ name: 'iter', tensor: tf.tensor(count, [] as never, 'int32') }, ...tensors];
    }

    async setWeights(weights: readonly TfjsNamedTensor[]): Promise<void> {
      const where = 'setWeights';
      const [first, ...rest] = Array.isArray(weights) ? (weights as readonly TfjsNamedTensor[]) : [];
      if (first?.name !== 'iter') throw refusal(where, 'weights', 'begin with iter', shown(first?.name));
      const iterations = Number(((await first.tensor?.data()) as ArrayLike<number> | undefined)?.[0]);
      if (!Number.isSafeInteger(iterations) || iterations < 0)
        throw refusal(where, 'iter', 'be a count', iterations, 'ERR_STATE');
      const stored = new Map<string, StoredState>();
      for (const one of rest) {
        if (!isRecord(one) || typeof one.name !== 'string' || !one.tensor)
          throw refusal(where, 'weights', 'be { name, tensor }', shown(one));
        if (stored.has(one.name)) throw refusal(where, 'names', 'be unique', shown(one.name));
        stored.set(one.name, await storedOf(one.tensor));
      }
      this.#trainer.restore(where, stored, iterations);
    }

    getClassName(): string {
      return className;
    }

    // Under `name` alone TensorFlow.js leaves words as they are when it loads a model.
    getConfig(): { name: string } {
      return { name: describe(this.#trainer.spec) };
    }

    static fromConfig(own: new (spec: Spec, options: TfjsOptions) => unknown, config: unknown): unknown {
      const text = isRecord(config) ? config['name'] : undefined;
      return ofConfig('fromConfig', () => new own(described('fromConfig', text), {}));
    }

    dispose(): void {
      this.#trainer.dispose();
    }

    [Symbol.dispose](): void {
      this.dispose();
    }
  }

  tf.serialization.registerClass(OrthokitOptimizer as never);
  classes.set(tf.Optimizer, OrthokitOptimizer);
  return OrthokitOptimizer;
}

/**
 * Makes the optimizers of {@link tfjsOptimizer} known to a TensorFlow.js, so that `tf.loadLayersModel` finds them in a
 * model that was saved with `includeOptimizer`. Making an optimizer does so, too.
 *
 * @throws ERR_ARGUMENT for what is not TensorFlow.js
 */
export function registerTfjsOptimizer(tf: Tfjs): void {
  checkTfjs('registerTfjsOptimizer', tf);
  classOf(tf);
}

/**
 * An optimizer of orthokit with the interface of TensorFlow.js: for `model.compile({ optimizer })`, `minimize` and
 * `applyGradients`. Every class that steps with gradients works, and combinations of several, with parts as `combine`
 * takes them; `params` of a part choose variables by name. The variables are known from the first step on, others may
 * come later; state belongs to their names. Kernels of TensorFlow.js have their outputs last: `layout` is `in_out`
 * unless it is given.
 *
 * A step checks everything first. Gradients go to the optimizer's device, where weights are already unless something
 * else has assigned to a variable; new values become tensors of TensorFlow.js, and variables are assigned to. The
 * event loop waits for `applyGradients` and `minimize`, as for all work of TensorFlow.js on its CPU and WASM backends,
 * and does not for `applyGradientsAsync` and `minimizeAsync`. No tensor of TensorFlow.js is kept.
 *
 * @param tf The module: `@tensorflow/tfjs`, or `@tensorflow/tfjs-core` with a backend.
 * @param optimizer A class, such as `AdamW`, for all variables.
 * @param options Options of the class.
 * @param adapter Options of the adapter.
 * @throws ERR_ARGUMENT for options that are unknown or out of range; ERR_BACKEND, ERR_MEMORY, ERR_DISPOSED. A step
 * throws ERR_ARGUMENT for names that are twice there or of no variable, gradients of variables that are not trainable,
 * and NaN or infinity if `nonFinite` is `throw`; ERR_SHAPE, ERR_DTYPE, ERR_DISPOSED, and what the optimizer throws for
 * such variables
 *
 * @example
 * const optimizer = tfjsOptimizer(tf, AdamW, { lr: 1e-3 });
 * model.compile({ optimizer, loss: 'meanSquaredError' });
 */
export function tfjsOptimizer<T extends Tfjs, C extends TfjsOptimizerClass>(
  tf: T,
  optimizer: C,
  options?: TfjsClassOptions<C>,
  adapter?: TfjsOptions,
): TfjsOptimizer<T>;
/**
 * The same of several classes.
 *
 * @param tf The module.
 * @param parts The parts, as `combine` takes them.
 * @param options Options of the combination.
 * @param adapter Options of the adapter.
 * @example
 * const optimizer = tfjsOptimizer(
 *   tf,
 *   [
 *     { optimizer: AdamW, params: (name, weight) => weight.shape.length < 2, lr: 1e-3 },
 *     { optimizer: Muon, params: '**', lr: 0.02 },
 *   ],
 *   { overlap: 'first' },
 * );
 */
export function tfjsOptimizer<T extends Tfjs, const C extends readonly TfjsOptimizerClass[]>(
  tf: T,
  parts: readonly [...{ [K in keyof C]: CombinePart<C[K]> }],
  options?: Omit<CombineOptions, 'parameters'>,
  adapter?: TfjsOptions,
): TfjsOptimizer<T>;
export function tfjsOptimizer(tf: Tfjs, optimizer: unknown, options?: unknown, adapter: TfjsOptions = {}): unknown {
  const where = 'tfjsOptimizer';
  checkTfjs(where, tf);
  const own = readOptions(where, adapter, schema);
  return new (classOf(tf))(specOf(where, optimizer, options), own);
}
