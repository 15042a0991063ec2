import { OrthokitError, refusal } from '../../core/errors.ts';
import { isTensor, type Tensor } from '../../core/tensor.ts';
import { type Frame, TapeFrame } from './frame.ts';
import { located } from './located.ts';
import type { LossRule, Rule } from './rule.ts';
import { runningTape } from './running.ts';
import type { WriteProducts } from './sample-sums.ts';
import type { Tape } from './tape.ts';
import { type Arg, isResult, type Value } from './value.ts';

/**
 * A parameter that is reached past the argument of the function would get no gradient, nor would what another call
 * made, and nobody would notice.
 */
function checkSources(tape: Tape, name: string, args: readonly unknown[]): void {
  const { parameters } = tape.options;
  for (const x of args) {
    if (isResult(x) && !tape.holds(x))
      throw refusal(`nn.${name}`, 'a value', 'be of the call that runs', 'one of another call');
    if (isTensor(x) && parameters?.has(x))
      throw new OrthokitError(
        'ERR_ARGUMENT',
        `nn.${name}: ${parameters.get(x)} must be reached through the argument of the function, got the tensor itself, which has no gradient`,
      );
  }
}

function defined<A extends unknown[], F extends Frame>(
  name: string,
  body: (frame: F, ...args: A) => Rule | LossRule,
  isLoss: boolean,
): (...args: A) => Value {
  return (...args) => {
    const tape = runningTape(name);
    checkSources(tape, name, args);
    const frame = new TapeFrame(tape, name);
    try {
      const rule = body(frame as unknown as F, ...args);
      checkSources(tape, name, rule.inputs);
      return tape.record(name, frame, rule, isLoss);
    } catch (error) {
      throw located(error, name, args);
    }
  };
}

/**
 * A function of one's own: `body` queues the forward pass into buffers of the frame, and says how to come back. It must
 * not await, and must not write to its inputs.
 *
 * @param name Its name in messages.
 * @example
 * const square = nn.defineFunction('square', (frame, x: nn.Arg) => {
 *   const out = frame.buffer(x.shape, x.dtype);
 *   const t = frame.tensor(x);
 *   ops.multiply(frame.device, { x: [t], y: [t], out: [out] });
 *   return {
 *     out,
 *     inputs: [x],
 *     backward: (grad, to) =>
 *       to.set(x, (dx) => {
 *         ops.multiply(frame.device, { x: [grad], y: [t], out: [dx] });
 *         ops.linearCombination(frame.device, { out: [dx], terms: [dx], coefficients: [2] });
 *       }),
 *   };
 * });
 *
 * @throws ERR_STATE from the function outside of a call
 */
export const defineFunction = <A extends unknown[]>(
  name: string,
  body: (frame: Frame, ...args: A) => Rule,
): ((...args: A) => Value) => defined(name, body, false);

/** @internal The same with all of the frame. */
export const defineOwn = <A extends unknown[]>(
  name: string,
  body: (frame: TapeFrame, ...args: A) => Rule,
): ((...args: A) => Value) => defined(name, body, false);

/** to = the derivative of a result by one input, times v, + beta · to; beta is 1 only for what adds. */
export type Product = (v: Tensor, to: Tensor, beta: 0 | 1) => void;

/** How the tangent of a result depends on that of one input. */
interface Along {
  readonly x: Arg | undefined;
  /** `'same'` where the tangent goes on as it is. */
  readonly along: Product | 'same';
  /** `'both'`: `along` adds. */
  readonly adds?: 'back' | 'both' | undefined;
}

/** An input whose gradient is that of the result. */
interface SamePart {
  readonly x: Arg | undefined;
  readonly back: 'same';
}

interface ProductPart {
  readonly x: Arg | undefined;
  /** to = the gradient of x, v that of the result. */
  readonly back: Product;
  /** to = the tangent of the result along v, that of x. Default: like `back`, where the derivative is symmetric. */
  readonly along?: Product;
  /** True: `back` may write over the gradient that came in. Default: false. */
  readonly over?: boolean;
}

interface WrittenPart extends ProductPart {
  readonly adds?: undefined;
}

interface AddedPart extends ProductPart {
  /** The products that add: `back`, or both. */
  readonly adds: 'back' | 'both';
  /** The gradient of each sample, `[samples, …]`. Default: perSample is refused. */
  readonly perSample?: (grad: Tensor, to: Tensor, samples: number) => void;
  /** Products of the gradients of samples. Default: of those that `perSample` writes. */
  readonly products?: (grad: Tensor, samples: number) => WriteProducts;
}

/** How a result depends on one input. */
export type Part = SamePart | WrittenPart | AddedPart;

/** @internal The rule of a result by its parts. */
export const ruleOf = (f: TapeFrame, out: Tensor, ...parts: readonly Part[]): Rule => ({
  out,
  inputs: parts.map(({ x }) => x),
  backward: (grad, to) => {
    for (const part of parts) {
      const { x, back } = part;
      if (back === 'same') to.pass(x, grad);
      else if (part.adds) {
        const { perSample, over, products } = part;
        const each = perSample && ((dx: Tensor, samples: number) => perSample(grad, dx, samples));
        const sums = products && ((samples: number) => products(grad, samples));
        to.add(x, (dx, beta) => back(grad, dx, beta), each, over, sums);
      } else to.set(x, (dx) => back(grad, dx, 0), part.over);
    }
  },
  tangent: tangentOf(f, () =>
    parts.map((part) =>
      part.back === 'same'
        ? { x: part.x, along: 'same' }
        : { x: part.x, along: part.along ?? part.back, adds: part.adds },
    ),
  ),
});

/** @internal The tangent of a result: the sum of what its inputs add. */
export const tangentOf =
  (f: TapeFrame, parts: () => readonly Along[]): NonNullable<Rule['tangent']> =>
  (d, dout) => {
    let beta: 0 | 1 = 0;
    for (const { x, along, adds } of parts()) {
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

/** @internal A loss: f64[1], with a number as its gradient. */
export const defineLoss = <A extends unknown[]>(
  name: string,
  body: (frame: TapeFrame, ...args: A) => LossRule,
): ((...args: A) => Value) => defined(name, body, true);
