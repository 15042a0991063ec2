import * as check from '../../core/check.ts';
import { refusal } from '../../core/errors.ts';
import { ops } from '../../core/native-ops.ts';
import { isListOf } from '../../core/options.ts';
import { kind, type Resolved, readOptions, type Schema } from '../../core/schema.ts';
import { isTensor, type Tensor } from '../../core/tensor.ts';
import type { Oracle } from '../../solvers/oracle.ts';
import { type Call, callSchema } from '../calls/call.ts';
import { forward } from '../calls/forward.ts';
import { gaussNewton } from '../calls/gauss-newton.ts';
import { hvp } from '../calls/hvp.ts';
import { valueAndGrad } from '../calls/value-and-grad.ts';
import { parameterPaths } from '../model/parameters.ts';
import type { Arena } from '../tape/arena.ts';
import type { PerParameter, Traced, Value } from '../tape/value.ts';

/** Options of {@link oracle}. */
export interface OracleOptions {
  /** The variables, parameters of the model; others stand still. Default: all parameters. */
  params?: readonly Tensor[] | undefined;
  /** Buffers to share with other calls. Default: its own. */
  arena?: Arena | undefined;
}

const schema: Schema<Resolved<OracleOptions, 'params' | 'arena'>> = {
  params: kind((x) => isListOf(x, isTensor) && x.length > 0, 'a list of tensors'),
  arena: callSchema.arena,
};

/**
 * A loss of a model as solvers and methods take it: its value, its gradient, the Gauss–Newton matrix times a direction,
 * and, of f64, the Hessian times a direction, by the differences of four exact gradients that {@link hvp} takes;
 * gradients of each sample of a batch. It writes into tensors that it is given, and the parameters are free to change
 * between its calls.
 *
 * @param batch The arguments of the loss for a mini-batch by its number; `batch(0)` where no number is named.
 * @example
 * using problem = nn.oracle(loss, model, (i) => [inputs[i]!, labels[i]!]);
 * console.log(await checkGradient(problem));
 *
 * @throws ERR_ARGUMENT for what is no function, model or option, and for params that are not the model's; its functions
 * as {@link valueAndGrad}, {@link gaussNewton} and {@link hvp} do
 */
export function oracle<M extends object, A extends unknown[]>(
  loss: (model: Traced<M>, ...args: A) => Value,
  model: M,
  batch: (sample: number) => [...A],
  options: OracleOptions = {},
): Oracle & Call {
  const where = 'nn.oracle';
  const { params: given, arena } = readOptions(where, options, schema);
  check.callable(where, 'batch', batch);
  const all = [...parameterPaths(where, model).keys()];
  const params = given ?? all;
  const [first] = params;
  if (!first) throw refusal(where, 'model', 'hold a tensor that is trained', 'none');
  for (const [i, tensor] of params.entries()) {
    check.tensor(where, `params[${i}]`, tensor);
    if (!all.includes(tensor)) throw refusal(where, `params[${i}]`, 'be a parameter of the model', 'another tensor');
  }
  const value = forward(loss as (model: M, ...args: A) => Value, { arena });
  const gradient = valueAndGrad(loss, { arena });
  const samples = valueAndGrad(loss, { arena, perSample: true });
  const curvature = gaussNewton(loss, { arena });
  const hessian = hvp(loss, { arena });
  const calls = [value, gradient, samples, curvature, hessian];
  /** Copies what belongs to the parameters; what does not matter is 0. */
  const copy = (from: PerParameter, to: readonly Tensor[]): void => {
    for (const [i, parameter] of params.entries()) {
      const part = from.get(parameter);
      if (part) ops.copy(first.device, { x: [part], out: [to[i]!] });
      else ops.fill(first.device, { x: [to[i]!], value: 0 });
    }
  };
  const along = (v: readonly Tensor[]) => new Map(params.map((parameter, i) => [parameter, v[i]!]));
  const dispose = () => {
    for (const call of calls) call.dispose();
  };
  return {
    params,
    value: (out, sample = 0) => ops.copy(first.device, { x: [value(model, ...batch(sample))], out: [out] }),
    gradient: (grads, out, sample = 0) => {
      const result = gradient(model, ...batch(sample));
      copy(result.grads, grads);
      if (out) ops.copy(first.device, { x: [result.value], out: [out] });
    },
    gaussNewtonProduct: (v, out, sample = 0) => copy(curvature(model, along(v), ...batch(sample)).product, out),
    ...(all.every(({ dtype }) => dtype === 'f64') && {
      hessianProduct: (v: readonly Tensor[], out: readonly Tensor[], sample = 0) =>
        copy(hessian(model, along(v), ...batch(sample)).product, out),
    }),
    perSampleGradients: (out, sample = 0) => copy(samples(model, ...batch(sample)).grads, out),
    dispose,
    [Symbol.dispose]: dispose,
  };
}
