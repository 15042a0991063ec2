import * as check from '../../core/check.ts';
import { refusal, shown } from '../../core/errors.ts';
import { ops } from '../../core/native-ops.ts';
import { kind, readOptions, type Schema } from '../../core/schema.ts';
import type { Tensor } from '../../core/tensor.ts';
import type { BilevelOracle } from '../../solvers/bilevel-oracle.ts';
import { type Call, callSchema } from '../calls/call.ts';
import { forward } from '../calls/forward.ts';
import { hvp } from '../calls/hvp.ts';
import { gradients } from '../calls/value-and-grad.ts';
import { parameterPaths } from '../model/parameters.ts';
import type { Arena } from '../tape/arena.ts';
import type { PerParameter, Traced, Value } from '../tape/value.ts';

/** Options of {@link bilevel}. */
export interface BilevelOptions<A extends unknown[], B extends unknown[]> {
  /** The further arguments of the lower loss for a mini-batch by its number, 0 where none is named. Default: none. */
  lowerBatch?: ((sample: number) => [...A]) | undefined;
  /** The same for the upper loss. Default: none. */
  upperBatch?: ((sample: number) => [...B]) | undefined;
  /** Buffers to share with other calls. Default: its own. */
  arena?: Arena | undefined;
}

type Batch = ((sample: number) => unknown[]) | undefined;
const batch = kind<(sample: number) => unknown[]>((x) => typeof x === 'function', 'a function');
const schema: Schema<{ lowerBatch: Batch; upperBatch: Batch; arena: Arena | undefined }> = {
  lowerBatch: batch,
  upperBatch: batch,
  arena: callSchema.arena,
};

interface Models {
  readonly x: object;
  readonly y: object;
}
type PlainLoss = (x: unknown, y: unknown, ...args: unknown[]) => Value;
type JointLoss = (models: Traced<Models>, ...args: unknown[]) => Value;
type LossOfY = (y: Traced<object>, ...args: unknown[]) => Value;

/**
 * Two losses as methods of `orthokit/bilevel` take them: for the smallest upper(x, y*(x)), where lower(x, ·) is least
 * at y*(x). x and y are models, objects with tensors, and each loss gets both. Gradients are exact. Products with
 * second derivatives are not: they are those of {@link hvp}, differences of four exact gradients each, for a v of any
 * length within 1e-9 of the largest element where losses are smooth and y is of about 1. They are of f64 alone; for f32
 * `finiteDifferences` of `orthokit/bilevel` makes them, of two gradients each.
 *
 * @param lower Takes x, y and what `lowerBatch` gives, and returns a loss.
 * @param upper Takes x, y and what `upperBatch` gives, and returns a loss; x need not matter.
 * @param x The upper variables: all parameters of a model.
 * @param y The lower variables, of the same dtype and device.
 * @example
 * const problem = nn.bilevel((x, y) => ridge(x, y), (_x, y) => validation(y), weights, model);
 * console.log((await checkHypergradient(problem)).error);
 *
 * @throws ERR_ARGUMENT for what is no function, model or option, and for a tensor of both models; ERR_DTYPE, ERR_DEVICE
 * for parameters that differ in theirs; its functions as {@link valueAndGrad} and {@link hvp} do, ERR_ARGUMENT for a
 * batch that is no list, and ERR_STATE once a tensor of a model has been replaced
 */
export function bilevel<X extends object, Y extends object, A extends unknown[] = [], B extends unknown[] = []>(
  lower: (x: Traced<X>, y: Traced<Y>, ...args: A) => Value,
  upper: (x: Traced<X>, y: Traced<Y>, ...args: B) => Value,
  x: X,
  y: Y,
  options: BilevelOptions<A, B> = {},
): BilevelOracle & Call {
  const where = 'nn.bilevel';
  for (const [name, one] of Object.entries({ lower, upper })) check.callable(where, name, one);
  const { lowerBatch, upperBatch, arena } = readOptions(where, options, schema);
  const listOf = (name: string, model: object): readonly Tensor[] => {
    const list = [...parameterPaths(`${where}: ${name}`, model).keys()];
    if (list.length === 0) throw refusal(where, name, 'hold a tensor that is trained', 'none');
    return list;
  };
  const [xs, ys] = [listOf('x', x), listOf('y', y)];
  const { device, dtype } = xs[0]!;
  for (const [name, list] of [['x', xs], ['y', ys]] as const) // biome-ignore format: one line
    for (const [i, one] of list.entries())
      check.tensor(where, `parameter ${i} of ${name}`, one, { dtypes: i === 0 && name === 'x' ? check.arithmetic : [dtype], device, filled: true }); // biome-ignore format: one line
  if (ys.some((one) => xs.includes(one))) throw refusal(where, 'y', 'have no tensor of x', 'one');

  const both: Models = { x, y };
  const joint =
    (loss: unknown): JointLoss =>
    (models, ...args) =>
      (loss as PlainLoss)(models.x, models.y, ...args);
  /** The lower loss of y, for an x that stands still. */
  const ofY: LossOfY = (model, ...args) => (lower as unknown as PlainLoss)(x, model, ...args);
  const value = forward(joint(upper) as unknown as (models: Models, ...args: unknown[]) => Value, { arena });
  const [lowerY, lowerAll, upperAll] = [
    gradients<object, unknown[]>(ofY, { arena }, 'stay'),
    gradients<Models, unknown[]>(joint(lower), { arena }, 'stay'),
    gradients<Models, unknown[]>(joint(upper), { arena }, 'stay'),
  ];
  const [hessian, mixed] = [hvp<object, unknown[]>(ofY, { arena }), hvp<Models, unknown[]>(joint(lower), { arena })];
  const calls: readonly Call[] = [value, lowerY, lowerAll, upperAll, hessian, mixed];
  /** Copies what belongs to the parameters; what does not matter is 0. */
  const copy = (from: PerParameter, of: readonly Tensor[], to: readonly Tensor[]): void => {
    for (const [i, parameter] of of.entries()) {
      const part = from.get(parameter);
      if (part) ops.copy(device, { x: [part], out: [to[i]!] });
      else ops.fill(device, { x: [to[i]!], value: 0 });
    }
  };
  /** The further arguments of a loss, once its models are those that the methods are for. */
  const argsOf = (name: string, of: Batch, sample: number): unknown[] => {
    const args = of ? of(sample) : [];
    if (!Array.isArray(args)) throw refusal(where, name, 'return a list of arguments', shown(args));
    for (const [at, model, list] of [
      ['x', x, xs],
      ['y', y, ys],
    ] as const) {
      // biome-ignore format: one line
      const now = [...parameterPaths(`${where}: ${at}`, model).keys()];
      if (now.length !== list.length || now.some((one, i) => one !== list[i]))
        throw refusal(where, at, 'have the parameters that it had at the call of nn.bilevel', 'others', 'ERR_STATE');
    }
    return args;
  };
  const ofLower = (sample: number) => argsOf('lowerBatch', lowerBatch, sample);
  const ofUpper = (sample: number) => argsOf('upperBatch', upperBatch, sample);
  const along = (v: readonly Tensor[]): PerParameter => new Map(ys.map((parameter, i) => [parameter, v[i]!]));
  const dispose = (): void => {
    for (const call of calls) call.dispose();
  };
  return {
    x: xs,
    y: ys,
    lowerGradientY: (out, sample = 0) => copy(lowerY(y, ...ofLower(sample)).grads, ys, out),
    lowerGradientX: (out, sample = 0) => copy(lowerAll(both, ...ofLower(sample)).grads, xs, out),
    upperValue: (out, sample = 0) => ops.copy(device, { x: [value(both, ...ofUpper(sample))], out: [out] }),
    upperGradientX: (out, sample = 0) => copy(upperAll(both, ...ofUpper(sample)).grads, xs, out),
    upperGradientY: (out, sample = 0) => copy(upperAll(both, ...ofUpper(sample)).grads, ys, out),
    ...(dtype === 'f64' && {
      lowerHessianYY: (v: readonly Tensor[], out: readonly Tensor[], sample = 0) =>
        copy(hessian(y, along(v), ...ofLower(sample)).product, ys, out),
      lowerJacobianXY: (v: readonly Tensor[], out: readonly Tensor[], sample = 0) =>
        copy(mixed(both, along(v), ...ofLower(sample)).product, xs, out),
    }),
    dispose,
    [Symbol.dispose]: dispose,
  };
}
