import { Tensor } from '../../core/tensor.ts';
import { type Arg, type Part, plainRule, ruleOf, type TapeFrame, tensorOf } from '../tape/define.ts';
import type { Rule } from '../tape/rule.ts';
import { rowsAdded } from './add-rows.ts';

/** Tensors that the way back of a normalization takes and writes; without a weight it is 1. */
export interface NormGradients {
  grad: Tensor;
  weight?: Tensor | undefined;
  gradX: Tensor | undefined;
  betaX?: number | undefined;
  gradWeight?: Tensor | undefined;
  betaWeight?: number | undefined;
  gradBias?: Tensor | undefined;
  betaBias?: number | undefined;
}

type Inputs = readonly [x: Arg, weight: Arg, bias?: Arg | undefined];

/** The rule of h(x) · weight + bias, h a normalization: its Jacobian is symmetric, so the way back is its tangent. */
export function ruleOfNorm(
  f: TapeFrame,
  out: Tensor,
  [x, weight, bias]: Inputs,
  run: (weight: Tensor, to: Tensor) => void,
  runBack: (gradients: NormGradients) => void,
): Rule {
  if (f.tape.isPlain) return plainRule(out);
  const w = tensorOf(weight);
  const byX: Part = {
    x,
    back: (grad, gradX, betaX) => runBack({ grad, weight: w, gradX, betaX }),
    along: (dx, to) => {
      runBack({ grad: dx, gradX: to });
      f.ops.scaleAxis({ x: to, scale: w, out: to });
    },
    adds: 'back',
  };
  const byWeight: Part = {
    x: weight,
    back: (grad, gradWeight, betaWeight) => runBack({ grad, weight: w, gradX: undefined, gradWeight, betaWeight }),
    along: (dw, to) => run(dw, to),
    // The sum of grad ∘ h(x) over the rows of each sample.
    perSample: (grad, to, samples) => {
      const ones = f.constant(`ones ${w.dtype} ${w.size}`, (on) => Tensor.full(on, w.shape, 1, { dtype: w.dtype }));
      const product = f.scratch(grad.shape, grad.dtype);
      run(ones, product);
      f.ops.multiply({ x: [product], y: [grad], out: [product] });
      f.ops.columnReduce({ x: f.samples(product, samples), out: f.view(to, [samples, w.size]) });
    },
    adds: 'back',
  };
  const byBias = rowsAdded(f, bias);
  const { inputs, tangent } = ruleOf(f, out, byX, byWeight, byBias);
  // Rows that are no samples' are told of before an x that has no gradient of samples.
  if (f.tape.options.samples !== undefined)
    return { out, inputs, backward: ruleOf(f, out, byWeight, byBias, byX).backward, tangent, isFree: false };
  return {
    out,
    inputs,
    backward: (grad, to) =>
      to.addAll(inputs, ([gradX, gradWeight, gradBias], [betaX = 0, betaWeight = 0, betaBias = 0]) =>
        runBack({ grad, weight: w, gradX, betaX, gradWeight, betaWeight, gradBias, betaBias: bias && betaBias }),
      ),
    tangent,
    isFree: true,
  };
}
