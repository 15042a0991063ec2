import { refusal } from '../../core/errors.ts';
import { Owned } from '../../core/owned.ts';
import { placeOf, Tensor } from '../../core/tensor.ts';
import * as vectors from '../../core/vectors.ts';
import { replaced } from '../model/tree.ts';
import type { Arena } from '../tape/arena.ts';
import { type PerParameter, type Traced, tensorOf, type Value } from '../tape/value.ts';
import type { Call, CallOptions, ValueAndProduct } from './call.ts';
import { checkDirection } from './direction.ts';
import { Runner } from './runner.ts';
import { gradients } from './value-and-grad.ts';

/** Central differences of fourth order: 8 (g₁ − g₋₁) − (g₂ − g₋₂), over 12 h. */
const stencil = [
  [1, 8],
  [-1, -8],
  [2, -1],
  [-2, 1],
] as const;
/** The length of a step at which what is cut off of the series and what rounding adds are alike for numbers near 1. */
const step = 5e-4;
/** Least length of v, so that zeros divide nothing by 0. */
const least = 1e-290;

/**
 * h = d / |v| and 1 / h for steps of the length d = `step` √(1 + |x|), on the device: a root of the length, because a
 * long vector of parameters has sharp directions, too.
 */
function stepAlong(arena: Arena, x: Tensor[], v: Tensor[]): { h: Tensor; inverse: Tensor } {
  const { ops } = arena;
  const make = (size = 1) => arena.take([size], 'f64');
  const [shares, length, size, h, inverse] = [make(v.length), make(), make(), make(), make()];
  vectors.length(arena.device, v, shares, length);
  vectors.length(arena.device, x, shares, size);
  ops.fill({ x: [inverse], value: 1 });
  ops.linearCombination({ out: [length], terms: [length, inverse], coefficients: [1, least] });
  ops.linearCombination({ out: [size], terms: [size, inverse], coefficients: [step ** 2, step ** 2] });
  ops.map({ x: [size], out: [size], function: 'sqrt' });
  ops.divide({ x: [size], y: [length], out: [h] });
  ops.divide({ x: [length], y: [size], out: [inverse] });
  return { h, inverse };
}

/** Tensors like the parameters of a model. */
const like = (parameters: Iterable<Tensor>, owned: Owned<Tensor>): Map<Tensor, Tensor> =>
  new Map([...parameters].map((one) => [one, owned.add(new Tensor(one.device, one.shape, one.dtype))]));

/**
 * H v, H the second derivative of a loss by all parameters: no exact derivative, but differences of four exact
 * gradients, 5e-4 √(1 + |x|) and twice that apart along v, where x are the parameters that v moves. v may have any
 * length: the product is as many times longer, and 0 for a v of zeros. What is cut off grows as the fourth power of
 * that step over the length at which the loss changes its shape: within 1e-9 of the largest element for smooth losses
 * of parameters of about 1, such as those of networks, and wrong next to a kink, as of `relu`. The results hold until
 * the next call; the parameters are not changed.
 *
 * @example
 * using product = nn.hvp((mlp: nn.Traced<Mlp>, x: Tensor, y: Tensor) => nn.crossEntropy(mlp.forward(x), y));
 * const { product: hv } = product(model, v, x, y);
 *
 * @throws ERR_DTYPE for a model that is not f64; ERR_ARGUMENT, ERR_SHAPE for a direction that is none; what its
 * functions throw
 */
export function hvp<M extends object, A extends unknown[]>(
  loss: (model: Traced<M>, ...args: A) => Value,
  options: CallOptions = {},
): Call & ((model: M, v: PerParameter, ...args: A) => ValueAndProduct) {
  const where = 'nn.hvp';
  const runner = new Runner(where, loss, options);
  const gradient = gradients(loss, options, 'stay');
  const owned = new Owned<Tensor>();
  /** The parameters as they are, and H v. */
  let [points, product] = [new Map<Tensor, Tensor>(), new Map<Tensor, Tensor>()];
  const dispose = (): void => {
    owned.dispose();
    points = new Map();
    gradient.dispose();
  };
  const call = (model: M, v: PerParameter, ...args: A) =>
    runner.run(model, { moments: 'stay' }, ({ tape, paths }) => {
      checkDirection(where, paths, v);
      // The product is written before v has been read for the last time.
      const blocks = new Set([...owned].map((tensor) => placeOf(tensor).block));
      for (const [parameter, path] of paths) {
        const part = v.get(parameter);
        if (parameter.dtype !== 'f64') throw refusal(where, path, 'be f64', parameter.dtype, 'ERR_DTYPE');
        if (part && blocks.has(placeOf(part).block))
          throw refusal(where, `v of ${path}`, 'be no product of this function, which is written over', 'one');
      }
      if (paths.size !== points.size || [...paths.keys()].some((parameter) => !points.has(parameter))) {
        owned.dispose();
        points = new Map();
        product = like(paths.keys(), owned);
        points = like(paths.keys(), owned);
      }
      const shadow = replaced(model, (tensor) => points.get(tensor) ?? tensor) as M;
      const { ops } = tape.arena;
      const moved = [...points.keys()].filter((tensor) => v.get(tensor));
      const { h, inverse } = stepAlong(
        tape.arena,
        moved,
        moved.map((tensor) => v.get(tensor)!),
      );
      ops.fill({ x: [...product.values()], value: 0 });
      let grads: PerParameter = new Map();
      for (const [times, factor] of stencil) {
        for (const [tensor, point] of points) {
          const along = v.get(tensor);
          const terms = along ? [tensor, along] : [tensor];
          ops.linearCombination({ out: [point], terms, coefficients: along ? [1, [times, h]] : [1] });
        }
        gradient.calls = 0;
        ({ grads } = gradient(shadow, ...args));
        for (const [tensor, out] of product) {
          const part = grads.get(points.get(tensor)!);
          if (part)
            ops.linearCombination({ out: [out], terms: [out, part], coefficients: [1, [factor / 12, inverse]] });
        }
      }
      return {
        value: tensorOf(runner.apply(tape, model, args) as Value),
        product: new Map([...product].filter(([tensor]) => grads.has(points.get(tensor)!))) as PerParameter,
      };
    });
  return runner.callable(call, dispose);
}
