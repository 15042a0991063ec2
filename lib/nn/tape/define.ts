import { refusal, shown } from '../../core/errors.ts';
import type { Tensor } from '../../core/tensor.ts';
import { checkReached, type Frame, TapeFrame } from './frame.ts';
import { located } from './located.ts';
import { freeRuleOf, type Part, type Product, ruleOf } from './parts.ts';
import type { LossRule, Rule } from './rule.ts';
import { runningTape } from './running.ts';
import type { Tape } from './tape.ts';
import { type Arg, isArg, isResult, tensorOf, type Value } from './value.ts';

export type { TapeFrame } from './frame.ts';
export { freeRuleOf, linearMap, lossOf, type Part, type Product, plainRule, ruleOf } from './parts.ts';
export { type Arg, isArg, isLoss, isResult, tensorOf, type Value } from './value.ts';

/** @internal The fields of an argument are read before an operation can refuse it. */
export function checkArg(where: string, name: string, x: unknown): void {
  if (!isArg(x)) throw refusal(where, name, 'be a tensor or a value', shown(x));
}

/** @internal A layer, whose fields are operands. */
export function layerOf<L extends object>(where: string, layer: L): L {
  if (typeof layer === 'object' && layer !== null) return layer;
  throw refusal(where, 'the layer', 'be an object', shown(layer));
}

/** Results of another call would get no gradient, nor would a parameter that is no value, and nobody would notice. */
function checkSources(tape: Tape, name: string, args: readonly unknown[]): void {
  for (const x of args) {
    if (isResult(x) && !tape.holds(x))
      throw refusal(
        `nn.${name}`,
        'a value',
        'be of the call that runs',
        'one of another call, or of a scope that has ended',
      );
    checkReached(tape.options, name, x);
  }
}

/** Counts the values among arguments; those inside of objects are counted by {@link Frame.tensor}. */
function countUses(args: readonly unknown[]): void {
  for (const x of args)
    if (isResult(x)) x.uses += 1;
    else if (Array.isArray(x)) countUses(x);
}

/** `operands` are the names of the first arguments, which are tensors or values. */
type Define<R> = <A extends unknown[]>(
  name: string,
  body: (frame: TapeFrame, ...args: A) => R,
  operands?: readonly string[],
) => (...args: A) => Value;

const definer =
  <R extends Rule | LossRule>(isLoss: boolean): Define<R> =>
  (name, body, operands = []) =>
  (...args) => {
    try {
      const tape = runningTape(name);
      for (let i = 0; i < operands.length; ++i) checkArg(`nn.${name}`, operands[i]!, args[i]);
      checkSources(tape, name, args);
      if (!tape.isPlain) countUses(args);
      const frame = new TapeFrame(tape, name);
      const rule = body(frame, ...args);
      checkSources(tape, name, rule.inputs);
      return tape.record(name, frame, rule, isLoss);
    } catch (error) {
      throw located(error, name, args);
    }
  };

/** @internal A function with all of the frame. */
export const defineOwn: Define<Rule> = definer(false);
/** @internal A loss: f64[1], with a number as its gradient. */
export const defineLoss: Define<LossRule> = definer(true);

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
 * @throws ERR_ARGUMENT for a body that is no function; from the function ERR_STATE outside of a call
 */
export function defineFunction<A extends unknown[]>(
  name: string,
  body: (frame: Frame, ...args: A) => Rule,
): (...args: A) => Value {
  if (typeof body !== 'function') throw refusal('nn.defineFunction', 'body', 'be a function', shown(body));
  return defineOwn(name, body);
}

/**
 * @internal A function of one input that gives its like and has a symmetric derivative, for which a kernel adds.
 * `isFree`: that does not read the result.
 */
export const defineSymmetric = <A extends unknown[]>(
  name: string,
  isFree: boolean,
  body: (frame: TapeFrame, x: Tensor, out: Tensor, ...args: A) => Product,
): ((x: Arg, ...args: A) => Value) =>
  defineOwn(
    name,
    (frame, x: Arg, ...args: A) => {
      const out = frame.buffer(x.shape, x.dtype);
      const part: Part = { x, back: body(frame, tensorOf(x), out, ...args), over: true, adds: 'both' };
      return isFree ? freeRuleOf(frame, out, part) : ruleOf(frame, out, part);
    },
    ['x'],
  );
