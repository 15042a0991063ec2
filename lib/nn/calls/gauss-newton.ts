import { refusal } from '../../core/errors.ts';
import type { Entry, LossRule, LossWay, Rule } from '../tape/rule.ts';
import { isTracked, type PerParameter, type Traced, tangentOf, type Value } from '../tape/value.ts';
import { type Call, type CallOptions, checkLoss, type ValueAndProduct } from './call.ts';
import { Runner } from './runner.ts';

/** A function of the caller's own has the second derivative of its first input. */
function curvatureOf({ name, isLoss, rule }: Entry): LossRule['curvature'] {
  if (isLoss || !rule.curvature) return (rule as LossRule).curvature?.bind(rule);
  const [first, ...others] = rule.inputs;
  if (others.some(isTracked))
    throw refusal('nn.gaussNewton', `nn.${name}`, 'depend on its first input alone', 'others', 'ERR_UNSUPPORTED');
  return (d, to) => {
    const v = d(first);
    if (v) to.set(first, (out) => (rule as Rule).curvature?.(v, out));
  };
}

/**
 * Jᵀ H J v, H the second derivative of the last loss by its inputs: exact, symmetric and positive semidefinite. Both
 * results hold until the next call. Source: Schraudolph 2002.
 *
 * @example
 * using product = nn.gaussNewton((mlp: nn.Traced<Mlp>, x: Tensor, y: Tensor) => nn.crossEntropy(mlp.forward(x), y));
 * const { product: gv } = product(model, v, x, y);
 *
 * @throws ERR_ARGUMENT, ERR_SHAPE, ERR_DTYPE for a direction that is none, a function that returns no loss, and a
 * loss in which no parameter matters; ERR_UNSUPPORTED for a function without a tangent, or a loss without a second
 * derivative; what its functions throw
 */
export function gaussNewton<M extends object, A extends unknown[]>(
  loss: (model: Traced<M>, ...args: A) => Value,
  options: CallOptions = {},
): Call & ((model: M, v: PerParameter, ...args: A) => ValueAndProduct) {
  const where = 'nn.gaussNewton';
  const runner = new Runner(where, loss, options);
  return runner.callable((model: M, v: PerParameter, ...args: A) =>
    runner.record(model, args, { along: v }, (run) => {
      const { result, tape } = run;
      checkLoss(where, result);
      const last = tape.entries.find(({ out }) => out === result)!;
      const curvature = curvatureOf(last);
      if (!curvature)
        throw refusal(where, 'the loss', 'have a second derivative', `nn.${last.name}`, 'ERR_UNSUPPORTED');
      tape.entries.length = tape.entries.indexOf(last);
      tape.forth();
      const backward = (_: unknown, to: LossWay) => curvature(tangentOf, to);
      tape.entries.push({ ...last, isLoss: true, rule: { out: result.data, inputs: [], backward } });
      return { value: result.data, product: runner.backward(run, result, 1) };
    }),
  );
}
