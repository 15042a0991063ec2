import { OrthokitError, refusal } from '../../core/errors.ts';
import { isTensor, type Tensor } from '../../core/tensor.ts';
import { type Frame, TapeFrame } from './frame.ts';
import { located } from './located.ts';
import type { LossRule, Rule } from './rule.ts';
import { runningTape } from './running.ts';
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

/** A result, and the product of its derivative by x with another tensor, which is the same from both sides. */
export interface Symmetric {
  readonly out: Tensor;
  times(v: Tensor, to: Tensor, beta: 0 | 1): void;
  /** True: `to` may be v. Default: false. */
  readonly over?: boolean;
  /** True: `times` adds, to = result + beta · to. Default: false, and beta is 0. */
  readonly adds?: boolean;
}

/** @internal A function of x whose derivative is symmetric, so that one product serves gradients and tangents. */
export const defineSymmetric = <A extends unknown[]>(
  name: string,
  body: (frame: TapeFrame, x: Arg, ...args: A) => Symmetric,
): ((x: Arg, ...args: A) => Value) =>
  defineOwn(name, (f, x: Arg, ...args: A) => {
    const { out, times, over, adds } = body(f, x, ...args);
    return {
      out,
      inputs: [x],
      backward: (grad, to) => {
        if (adds) to.add(x, (dx, beta) => times(grad, dx, beta), undefined, over);
        else to.set(x, (dx) => times(grad, dx, 0), over);
      },
      tangent: (d, dout) => times(d(x)!, dout, 0),
    };
  });

/** @internal A loss: f64[1], with a number as its gradient. */
export const defineLoss = <A extends unknown[]>(
  name: string,
  body: (frame: TapeFrame, ...args: A) => LossRule,
): ((...args: A) => Value) => defined(name, body, true);
