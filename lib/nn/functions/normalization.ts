import type { Tensor } from '../../core/tensor.ts';
import { tangentOf } from '../tape/define.ts';
import type { TapeFrame } from '../tape/frame.ts';
import type { Rule } from '../tape/rule.ts';
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

/** The rule of h(x) · weight + bias, h a normalization: its Jacobian is symmetric, so the way back is its tangent. */
export function ruleOfNorm(
  f: TapeFrame,
  out: Tensor,
  [x, weight, bias]: readonly [x: Arg, weight: Arg, bias?: Arg | undefined],
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
    backward: (grad, to) =>
      to.addAll([x, weight, bias], ([gradX, gradWeight, gradBias], [betaX = 0, betaWeight = 0, betaBias = 0]) =>
        runBack({ grad, weight: w, gradX, betaX, gradWeight, betaWeight, ...(bias && { gradBias, betaBias }) }),
      ),
  };
}
