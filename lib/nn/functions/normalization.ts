import { Tensor } from '../../core/tensor.ts';
import { tangentOf } from '../tape/define.ts';
import type { TapeFrame } from '../tape/frame.ts';
import type { Rule, Way } from '../tape/rule.ts';
import { type Arg, tensorOf } from '../tape/value.ts';
import { rowsAdded } from './add-rows.ts';

/** Tensors that the way back of a normalization takes and writes; without a weight it is 1. */
export interface NormGradients {
  grad: Tensor;
  weight?: Tensor;
  gradX: Tensor | undefined;
  betaX?: number;
  gradWeight?: Tensor | undefined;
  betaWeight?: number;
  gradBias?: Tensor | undefined;
  betaBias?: number;
}

type Inputs = readonly [x: Arg, weight: Arg, bias?: Arg | undefined];

/** The way back where samples have gradients of their own: that of the weight is the sum of grad ∘ h over its rows. */
function backOfSamples(
  f: TapeFrame,
  [x, weight, bias]: Inputs,
  run: (weight: Tensor, to: Tensor) => void,
  runBack: (gradients: NormGradients) => void,
  grad: Tensor,
  to: Way,
): void {
  const w = tensorOf(weight);
  const rows = rowsAdded(f, bias);
  to.add(
    weight,
    (gradWeight, betaWeight) => runBack({ grad, weight: w, gradX: undefined, gradWeight, betaWeight }),
    (out, samples) => {
      const ones = f.constant(`ones ${w.dtype} ${w.size}`, (on) => Tensor.full(on, w.shape, 1, { dtype: w.dtype }));
      const product = f.scratch(grad.shape, grad.dtype);
      run(ones, product);
      f.ops.multiply({ x: [product], y: [grad], out: [product] });
      f.ops.columnReduce({ x: f.samples(product, samples), out: f.view(out, [samples, w.size]) });
    },
  );
  to.add(
    bias,
    (out, beta) => rows.back(grad, out, beta),
    (out, samples) => rows.perSample(grad, out, samples),
  );
  to.add(x, (gradX, betaX) => runBack({ grad, weight: w, gradX, betaX }));
}

/** The rule of h(x) · weight + bias, h a normalization: its Jacobian is symmetric, so the way back is its tangent. */
export function ruleOfNorm(
  f: TapeFrame,
  out: Tensor,
  [x, weight, bias]: Inputs,
  run: (weight: Tensor, to: Tensor) => void,
  runBack: (gradients: NormGradients) => void,
): Rule {
  const w = tensorOf(weight);
  const along = (dx: Tensor, to: Tensor) => {
    runBack({ grad: dx, gradX: to });
    f.ops.scaleAxis({ x: to, scale: w, out: to });
  };
  return {
    out,
    inputs: [x, weight, bias],
    tangent: tangentOf(f, () => [{ x, along }, { x: weight, along: (dw, to) => run(dw, to) }, rowsAdded(f, bias)]),
    backward: (grad, to) => {
      if (f.tape.options.samples !== undefined) backOfSamples(f, [x, weight, bias], run, runBack, grad, to);
      else
        to.addAll([x, weight, bias], ([gradX, gradWeight, gradBias], [betaX = 0, betaWeight = 0, betaBias = 0]) =>
          runBack({ grad, weight: w, gradX, betaX, gradWeight, betaWeight, ...(bias && { gradBias, betaBias }) }),
        );
    },
  };
}
