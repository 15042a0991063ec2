import { OrthokitError } from '../../core/errors.ts';
import type { Tensor } from '../../core/tensor.ts';
import type { LossWay } from '../tape/tape.ts';
import type { PerParameter, Traced, Value } from '../tape/value.ts';
import { alongDirection } from './along.ts';
import { type Call, type CallOptions, callable, checkLoss, Plan, readCall } from './plan.ts';

/**
 * Jᵀ H J v, H the second derivative of the last loss by its input: exact, symmetric and positive semidefinite. Both
 * results hold until the next call. Source: Schraudolph 2002.
 *
 * @example
 * using product = nn.gaussNewton((mlp: nn.Traced<Mlp>, x: Tensor, y: Tensor) => nn.crossEntropy(mlp.forward(x), y));
 * const { product: gv } = product(model, v, x, y);
 *
 * @throws ERR_ARGUMENT, ERR_SHAPE, ERR_DTYPE for a direction that is none, and a function that returns no loss;
 * ERR_UNSUPPORTED for a function without a tangent, or a loss without a second derivative; what its functions throw
 */
export function gaussNewton<M extends object, A extends unknown[]>(
  loss: (model: Traced<M>, ...args: A) => Value,
  options: CallOptions = {},
): Call & ((model: M, v: PerParameter, ...args: A) => { value: Tensor; product: PerParameter }) {
  const where = 'nn.gaussNewton';
  const { arena, seed } = readCall(where, options);
  const plan = new Plan(where, loss, arena);
  return callable((model: M, v: PerParameter, ...args: A) => {
    return alongDirection(where, plan, loss, { model, v, args, seed }, ({ tape, result, values }) => {
      checkLoss(where, result);
      const last = tape.entries.at(-1);
      const curvature = last?.out === result ? last.rule.curvature : undefined;
      if (!last || !curvature)
        throw new OrthokitError(
          'ERR_UNSUPPORTED',
          `${where}: nn.${last?.name} has no second derivative, and is the last`,
        );
      tape.forth(result);
      const [input] = last.rule.inputs;
      const along = (input as { tangent?: Tensor } | undefined)?.tangent;
      tape.entries.pop();
      if (along)
        tape.entries.push({
          ...last,
          isLoss: true,
          rule: {
            out: result.tensor,
            inputs: [input],
            backward: (_: number, to: LossWay) => to.set(input, (out) => curvature(along, out)),
          },
        });
      result.gradient = 1;
      tape.backward(result);
      const product = new Map<Tensor, Tensor>();
      for (const [tensor, { leaf, gradient }] of values)
        if (gradient !== undefined) product.set(tensor, leaf!.gradient);
      return { value: result.tensor, product };
    });
  }, plan);
}
