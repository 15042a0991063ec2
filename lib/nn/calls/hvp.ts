import { refusal } from '../../core/errors.ts';
import { ops } from '../../core/native-ops.ts';
import { placeOf, Tensor } from '../../core/tensor.ts';
import { replaced } from '../model/tree.ts';
import { runOn } from '../tape/running.ts';
import { type PerParameter, type Traced, tensorOf, type Value } from '../tape/value.ts';
import { checkDirection, type ValueAndProduct } from './along.ts';
import { type Call, type CallOptions, callable, readCall } from './call.ts';
import { Plan } from './plan.ts';
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

  constructor(parameters: Iterable<Tensor>) {
    try {
      for (const parameter of parameters)
        for (const into of [this.points, this.product])
          into.set(parameter, new Tensor(parameter.device, parameter.shape, parameter.dtype));
    } catch (error) {
      this.dispose();
      throw error;
    }
  }

  isOf(paths: ReadonlyMap<Tensor, string>): boolean {
    return paths.size === this.points.size && [...paths.keys()].every((tensor) => this.points.has(tensor));
  }

  /** product += times · gradients at the points. */
  add(grads: PerParameter, times: number): void {
    for (const [parameter, out] of this.product) {
      const part = grads.get(this.points.get(parameter)!);
      if (part) ops.linearCombination(out.device, { out: [out], terms: [out, part], coefficients: [1, times] });
    }
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
): Call & ((model: M, v: PerParameter, ...args: A) => ValueAndProduct) {
  const where = 'nn.hvp';
  const { arena, seed } = readCall(where, options);
  const plan = new Plan(where, loss, arena);
  const gradient = valueAndGrad(loss, options);
  let moved: Moved | undefined;
  const random = seed === undefined ? undefined : { seed, stream: 0, offset: 0 };
  const dispose = (): void => {
    moved?.dispose();
    moved = undefined;
    gradient.dispose();
    plan.dispose();
  };
  const call = callable((model: M, v: PerParameter, ...args: A) => {
    return plan.run(model, { isRecording: false, random }, (tape, paths) => {
      for (const [{ dtype }, path] of paths)
        if (dtype !== 'f64') throw refusal(where, path, 'be f64', dtype, 'ERR_DTYPE');
      checkDirection(where, paths, v);
      if (!moved?.isOf(paths)) {
        moved?.dispose();
        moved = undefined;
        moved = new Moved(paths.keys());
      }
      const { points, product } = moved;
      checkApart(paths, v, product);
      const shadow = replaced(model, (tensor) => points.get(tensor) ?? tensor) as M;
      const { device } = tape.arena;
      ops.fill(device, { x: [...product.values()], value: 0 });
      let grads: PerParameter = new Map();
      for (const [times, factor] of stencil) {
        for (const [tensor, point] of points) {
          const along = v.get(tensor);
          const terms = along ? [tensor, along] : [tensor];
          const coefficients = along ? [1, times * step] : [1];
          ops.linearCombination(device, { out: [point], terms, coefficients });
        }
        if (seed !== undefined) gradient.calls = 0;
        ({ grads } = gradient(shadow, ...args));
        moved.add(grads, factor / (12 * step));
      }
      const value = runOn(tape, () => loss(model as Traced<M>, ...args));
      return {
        value: tensorOf(value),
        product: new Map([...product].filter(([tensor]) => grads.has(points.get(tensor)!))) as PerParameter,
      };
    });
  }, plan);
  return Object.assign(call, { dispose, [Symbol.dispose]: dispose });
}

/** The product is written before v has been read for the last time. */
function checkApart(paths: ReadonlyMap<Tensor, string>, v: PerParameter, product: PerParameter): void {
  const blocks = new Set([...product.values()].map((tensor) => placeOf(tensor).block));
  for (const [tensor, path] of paths) {
    const part = v.get(tensor);
    if (part && blocks.has(placeOf(part).block))
      throw refusal('nn.hvp', `v of ${path}`, 'be no product of this function, which is written over', 'one');
  }
}
