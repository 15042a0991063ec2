// The rule of a function by its parts: how its result depends on each of its inputs.
import type { Tensor } from '../../core/tensor.ts';
import type { TapeFrame } from './frame.ts';
import type { LossRule, Rule } from './rule.ts';
import type { WriteProducts } from './sample-sums.ts';
import { type Arg, isTracked, tensorOf } from './value.ts';

/** to = the derivative of a result by one input, times v, + beta · to; beta is 1 only for what adds. */
export type Product = (v: Tensor, to: Tensor, beta: 0 | 1) => void;

/** The dependence of a result on one input. */
export interface Part {
  readonly x: Arg | undefined;
  /** to = the gradient of x, v that of the result; `'same'` where gradient and tangent go on as they are. */
  readonly back: Product | 'same';
  /** to = the tangent of the result along v, that of x. Default: `back`, where the derivative is symmetric. */
  readonly along?: Product;
  /** The products that add: `back`, or both. Default: none. */
  readonly adds?: 'back' | 'both' | undefined;
  /** True: `back` may write over the gradient that came in. Default: false. */
  readonly over?: boolean;
  /** True: `back` does not read x, nor does any part after it, so that it may write over x. Default: false. */
  readonly last?: boolean;
  /** The gradient of each sample, `[samples, …]`, where `back` adds. Default: perSample is refused. */
  readonly perSample?: (grad: Tensor, to: Tensor, samples: number) => void;
  /** Products of the gradients of samples. Default: of those that `perSample` writes. */
  readonly products?: (grad: Tensor, samples: number) => WriteProducts;
}

/** The gradients of inputs, one after the other. */
const backwardOf =
  (parts: readonly Part[]): Rule['backward'] =>
  (grad, to) => {
    // Parts have many forms, and each field that is read of one costs: those of a part that needs none are not.
    for (const part of parts) {
      const { x } = part;
      if (!isTracked(x)) continue;
      const { back } = part;
      if (back === 'same') to.pass(x, grad);
      else if (!part.adds) to.set(x, (dx) => back(grad, dx, 0), part.over);
      else if (!x.leaf) to.add(x, (dx, beta) => back(grad, dx, beta), undefined, part.over, undefined, part.last);
      else {
        const { perSample, products } = part;
        const each = perSample && ((dx: Tensor, samples: number) => perSample(grad, dx, samples));
        const sums = products && ((samples: number) => products(grad, samples));
        to.add(x, (dx, beta) => back(grad, dx, beta), each, part.over, sums, part.last);
      }
    }
  };

/** The tangent of a result: the sum of what its inputs add. */
const tangentOf =
  (f: TapeFrame, parts: readonly Part[]): NonNullable<Rule['tangent']> =>
  (d, dout) => {
    let beta: 0 | 1 = 0;
    for (const { x, back, along = back, adds } of parts) {
      const dx = d(x);
      if (!dx) continue;
      if (along !== 'same' && (beta === 0 || adds === 'both')) along(dx, dout, beta);
      else {
        const term = along === 'same' ? dx : f.scratch(dout.shape, dout.dtype);
        if (along !== 'same') along(dx, term, 0);
        f.combine(dout, beta === 0 ? [term] : [dout, term], beta === 0 ? [1] : [1, 1]);
      }
      beta = 1;
    }
  };

const noInputs: readonly [] = [];
const noWay = (): void => {};

/** The rule of a result where nothing has a way back. Rules are of one form: V8 is quickest so. */
export const plainRule = (out: Tensor): Rule => ({
  out,
  inputs: noInputs,
  backward: noWay,
  tangent: undefined,
  isFree: false,
});

const rule = (f: TapeFrame, out: Tensor, parts: readonly Part[], isFree: boolean): Rule =>
  f.tape.isPlain
    ? plainRule(out)
    : { out, inputs: parts.map(({ x }) => x), backward: backwardOf(parts), tangent: tangentOf(f, parts), isFree };

/** The rule of a result by its parts. */
export const ruleOf = (f: TapeFrame, out: Tensor, ...parts: readonly Part[]): Rule => rule(f, out, parts, false);

/** The same of one that its way back does not read. */
export const freeRuleOf = (f: TapeFrame, out: Tensor, ...parts: readonly Part[]): Rule => rule(f, out, parts, true);

/** The rule of a linear map, which is run: its tangent is the map itself, and so is `back` unless given. */
export function linearMap(f: TapeFrame, out: Tensor, x: Arg, along: Product, part: Partial<Part> = {}): Rule {
  along(tensorOf(x), out, 0);
  return ruleOf(f, out, { x, back: along, along, ...part });
}

/** The dependence of a loss on its only input. */
interface Slope {
  readonly x: Arg;
  readonly over: 'sum' | 'mean';
  /** grad = scale times the gradient; `samples` is that of {@link LossWay}. */
  readonly back: (grad: Tensor, scale: number, samples: number | undefined) => void;
  /** grad = the second derivative, times v. Default: the loss is refused by gaussNewton. */
  readonly curvature?: (v: Tensor, grad: Tensor) => void;
}

/** The rule of a loss of one input. */
export const lossOf = (out: Tensor, { x, over, back, curvature }: Slope): LossRule => ({
  out,
  inputs: [x],
  over,
  backward: (scale, to) => to.set(x, (grad) => back(grad, scale, to.samples)),
  ...(curvature && {
    curvature: (d, to) => {
      const v = d(x);
      if (v) to.set(x, (grad) => curvature(v, grad));
    },
  }),
});
