import { OrthokitError, refusal, shown } from '../../core/errors.ts';
import type { SampleProducts } from '../../core/sample-products.ts';
import { finite, optional, type Resolved, readOptions, type Schema, word } from '../../core/schema.ts';
import type { Tensor } from '../../core/tensor.ts';
import { samplesOf } from '../tape/sample-checks.ts';
import { SampleSums } from '../tape/sample-sums.ts';
import type { PerParameter, Traced, Value } from '../tape/value.ts';
import { type Call, type CallOptions, callSchema, checkLoss } from './call.ts';
import { Runner } from './runner.ts';

/** Options of {@link valueAndGrad}. */
export interface GradientOptions extends CallOptions {
  /** Factor of all gradients: 1 / k for k micro-batches, a power of two for 16-bit gradients. Finite. Default: 1. */
  scale?: number | undefined;
  /** The dtype in which linear layers and their adapters multiply; all else stays f32. Default: that of the tensors. */
  products?: 'bf16' | 'f16' | undefined;
  /**
   * Gradients `[samples, …]`, one for each row of the first tensor argument: those of the loss of this sample alone.
   * `'products'`: only their |gᵢ|² and ⟨gᵢ, ḡ⟩, and in `grads` their mean ḡ. Of weights of `linear` and `conv2d` and of
   * tables the gradients of a few samples are there at a time, or none; those of any other parameter are made
   * `[samples, …]`, with a copy in f64, and given back before the next parameter. Default: false.
   */
  perSample?: boolean | 'products' | undefined;
}

/** A loss and its gradients. */
export interface ValueAndGrads {
  /** The loss, f64[1]. It holds until the next call. */
  readonly value: Tensor;
  /** Map from each parameter to its gradient; they hold until the next call. Those that do not matter are not there. */
  readonly grads: PerParameter;
}

/** The same with `perSample: 'products'`. */
export interface ValueGradsAndProducts extends ValueAndGrads {
  /** Products of the gradients of samples; they hold until the next call. */
  readonly products: SampleProducts;
}

/** The result of {@link valueAndGrad}: a function, and its place in sequences. */
export interface Gradient<M extends object, A extends unknown[], R extends ValueAndGrads = ValueAndGrads> extends Call {
  /** The loss and its gradients. Queued; returns at once. */
  (model: M, ...args: A): R;
  /** The number of calls made, which is dropout's place in its sequence: to be saved, and set for a resume. */
  calls: number;
  /** Paths of parameters that the last call did not use. */
  readonly unused: readonly string[];
  /** For micro-batches: adds to the gradients of the call before. @throws ERR_STATE where that threw on its way back */
  accumulate(model: M, ...args: A): R;
}

const schema: Schema<Resolved<GradientOptions, 'arena' | 'seed' | 'products'>> = {
  ...callSchema,
  scale: finite(1),
  products: optional(word(['bf16', 'f16'], 'bf16')),
  perSample: {
    default: false,
    wrong: (x) => (typeof x === 'boolean' || x === 'products' ? undefined : "must be true, false or 'products'"),
  },
};

/** The same for callers that move parameters about, for which the running moments of normalizations stay. */
export function gradients<M extends object, A extends unknown[]>(
  loss: (model: Traced<M>, ...args: A) => Value,
  options: GradientOptions,
  moments: 'move' | 'stay',
): Gradient<M, A> {
  const where = 'nn.valueAndGrad';
  const { scale, products, perSample, ...read } = readOptions(where, options, schema);
  const runner = new Runner(where, loss, read);
  const sums = perSample === 'products' ? new SampleSums() : undefined;
  const state = { calls: 0, unused: (): readonly string[] => [] };

  const run = (isAccumulating: boolean, model: M, args: A): ValueAndGrads & Partial<ValueGradsAndProducts> => {
    const samples = perSample !== false ? samplesOf(args) : undefined;
    if (isAccumulating && samples !== undefined)
      throw new OrthokitError('ERR_UNSUPPORTED', `${where}: accumulate must come without perSample, got both`);
    if (isAccumulating && !runner.gradients.written)
      throw refusal(where, 'accumulate', 'follow a call that ended well', 'one that threw', 'ERR_STATE');
    return runner.record(model, args, { stream: state.calls, products, samples, sums, moments }, (recorded) => {
      const { paths, values, result, tape } = recorded;
      checkLoss(where, result);
      if (isAccumulating)
        for (const value of values)
          if (runner.gradients.written!.has(value.data)) value.gradient = { tensor: value.leaf!.gradient(), owners: 1 };
      sums?.start(tape.arena, samples!);
      const grads = runner.backward(recorded, result, sums ? scale / samples! : scale);
      const sampled = sums?.end(tape.arena);
      state.calls += 1;
      const { written } = runner.gradients;
      state.unused = () => [...paths].filter(([tensor]) => !written!.has(tensor)).map(([, path]) => path);
      return sampled ? { value: result.data, grads, products: sampled } : { value: result.data, grads };
    });
  };

  const call = runner.callable(
    (model: M, ...args: A) => run(false, model, args),
    () => {
      sums?.dispose();
      const names = state.unused(); // a function would hold the model's tensors
      state.unused = () => names;
    },
  );
  return Object.defineProperties(call, {
    calls: {
      get: () => state.calls,
      set: (calls: number) => {
        if (!Number.isSafeInteger(calls) || calls < 0) throw refusal(where, 'calls', 'be a count', shown(calls));
        state.calls = calls;
      },
    },
    unused: { get: () => state.unused() },
    accumulate: { value: (model: M, ...args: A) => run(true, model, args) },
  }) as Gradient<M, A>;
}

/**
 * The function that calls `loss(model, …)` and also gives the gradient of what it returns, by every parameter of the
 * model. The model is any object: `loss` gets the same with values in place of its tensors, methods included (those
 * that use `#private` fields throw there). From the second call of equal shapes on nothing is allocated.
 *
 * @param loss Takes the model and whatever else, returns a loss such as that of {@link crossEntropy}, and must not
 * await.
 * @example
 * const step = nn.valueAndGrad((mlp: nn.Traced<Mlp>, x: Tensor, y: Tensor) => nn.crossEntropy(mlp.forward(x), y));
 * const { value, grads } = step(model, x, y);
 * optimizer.step(grads);
 *
 * @throws ERR_ARGUMENT for what is no function or option. Of the call: ERR_ARGUMENT for a model without tensors, a
 * function that awaits or returns no loss, and a loss in which no parameter matters; what its functions throw, with
 * function and parameter named
 */
export function valueAndGrad<M extends object, A extends unknown[]>(
  loss: (model: Traced<M>, ...args: A) => Value,
  options: GradientOptions & { perSample: 'products' },
): Gradient<M, A, ValueGradsAndProducts>;
export function valueAndGrad<M extends object, A extends unknown[]>(
  loss: (model: Traced<M>, ...args: A) => Value,
  options?: GradientOptions & { perSample?: boolean | undefined },
): Gradient<M, A>;
export function valueAndGrad<M extends object, A extends unknown[]>(
  loss: (model: Traced<M>, ...args: A) => Value,
  options: GradientOptions,
): Gradient<M, A, ValueAndGrads & Partial<ValueGradsAndProducts>>;
export function valueAndGrad<M extends object, A extends unknown[]>(
  loss: (model: Traced<M>, ...args: A) => Value,
  options: GradientOptions = {},
): Gradient<M, A> {
  return gradients(loss, options, 'move');
}
