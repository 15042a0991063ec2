import { refusal } from '../../core/errors.ts';
import { ops } from '../../core/native-ops.ts';
import { Tensor } from '../../core/tensor.ts';
import { replaced } from '../model/tree.ts';
import type { PerParameter, Traced, Value } from '../tape/value.ts';
import { checkDirection } from './along.ts';
import { type Call, type CallOptions, callable, Plan, readCall } from './plan.ts';
import { valueAndGrad } from './value-and-grad.ts';

/** Central differences of fourth order: 8 (g₁ − g₋₁) − (g₂ − g₋₂), over 12 h. */
const stencil = [
  [1, 8],
  [-1, -8],
  [2, -1],
  [-2, 1],
] as const;
/** The step at which what is cut off of the series and what rounding adds are alike for numbers near 1. */
const step = 3e-4;

/** Tensors like the parameters of a model: where they stand, and H v. */
class Moved {
  readonly points = new Map<Tensor, Tensor>();
  readonly product = new Map<Tensor, Tensor>();

  constructor(paths: ReadonlyMap<Tensor, string>) {
    try {
      for (const [{ device, shape, dtype }, parameter] of [...paths.keys()].map(
        (tensor) => [tensor, tensor] as const,
      )) {
        this.points.set(parameter, new Tensor(device, shape, dtype));
        this.product.set(parameter, new Tensor(device, shape, dtype));
      }
    } catch (error) {
      this.dispose();
      throw error;
    }
  }

  isOf(paths: ReadonlyMap<Tensor, string>): boolean {
    return paths.size === this.points.size && [...paths.keys()].every((tensor) => this.points.has(tensor));
  }

  dispose(): void {
    for (const tensor of [...this.points.values(), ...this.product.values()]) tensor.dispose();
  }
}

/**
 * H v, H the second derivative of a loss by all parameters, from four gradients near them: for f64, within 1e-9 of the
 * largest element for v and parameters of about 1. The results hold until the next call; the parameters are not
 * changed.
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
): Call & ((model: M, v: PerParameter, ...args: A) => { value: Tensor; product: PerParameter }) {
  const where = 'nn.hvp';
  const { seed } = readCall(where, options);
  const plan = new Plan(where, loss, undefined);
  const gradient = valueAndGrad(loss, options);
  let moved: Moved | undefined;
  const dispose = (): void => {
    moved?.dispose();
    moved = undefined;
    gradient.dispose();
    plan.dispose();
  };
  const call = callable((model: M, v: PerParameter, ...args: A) => {
    const paths = plan.parametersOf(model);
    for (const [{ dtype }, path] of paths)
      if (dtype !== 'f64') throw refusal(where, path, 'be f64', dtype, 'ERR_DTYPE');
    checkDirection(where, paths, v);
    if (!moved?.isOf(paths)) {
      moved?.dispose();
      moved = undefined;
      moved = new Moved(paths);
    }
    const { points, product } = moved;
    const parameters = [...paths.keys()];
    const out = [...product.values()];
    const [{ device }] = parameters as [Tensor];
    const along = parameters.map((tensor) => v.get(tensor));
    const shadow = replaced(model, (tensor) => points.get(tensor) ?? tensor) as M;
    ops.fill(device, { x: out, value: 0 });
    for (const [times, factor] of stencil) {
      for (const [i, tensor] of parameters.entries()) {
        const terms = along[i] ? [tensor, along[i]] : [tensor];
        ops.linearCombination(device, {
          out: [points.get(tensor)!],
          terms,
          coefficients: along[i] ? [1, times * step] : [1],
        });
      }
      if (seed !== undefined) gradient.calls = 0;
      const { grads } = gradient(shadow, ...args);
      for (const [tensor, into] of product) {
        const part = grads.get(points.get(tensor)!);
        if (part)
          ops.linearCombination(device, { out: [into], terms: [into, part], coefficients: [1, factor / (12 * step)] });
      }
    }
    if (seed !== undefined) gradient.calls = 0;
    const { value } = gradient(model, ...args);
    return { value, product: product as PerParameter };
  }, plan);
  return Object.assign(call, { dispose, [Symbol.dispose]: dispose });
}
