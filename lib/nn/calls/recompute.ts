import { refusal, shown } from '../../core/errors.ts';
import { TapeFrame } from '../tape/frame.ts';
import { runningTape, runOn } from '../tape/running.ts';
import { isResult, type Result, type Share, type Value } from '../tape/value.ts';

/**
 * The same function, that keeps nothing of what is inside: the way back runs it again, with the same random numbers and
 * so the same bits. In a call without gradients its buffers are free at once.
 *
 * @param fn Takes whatever and returns a value, the same whenever it runs.
 * @example
 * const block = nn.recompute((layer: nn.Traced<Block>, x: nn.Arg) => layer.forward(x));
 * for (const layer of gpt.blocks) x = block(layer, x);
 *
 * @throws ERR_ARGUMENT for what is no function; from the function, unless `fn` returns a value
 */
export function recompute<A extends unknown[]>(fn: (...args: A) => Value): (...args: A) => Value {
  if (typeof fn !== 'function') throw refusal('nn.recompute', 'the first argument', 'be a function', shown(fn));
  return (...args) => {
    const tape = runningTape('recompute');
    const { random } = tape;
    const first = tape.inner(false, random);
    const result: unknown = runOn(first, () => fn(...args));
    if (!isResult(result)) throw refusal('nn.recompute', 'the function', 'return a value', shown(result));
    tape.random = first.random;
    first.release(result.data);
    if (result.tape !== first) return result;
    const frame = new TapeFrame(tape, 'recompute');
    frame.kept.push(result.data);
    const again = (gradient: Share | number): void => {
      const second = tape.inner(true, random);
      const value = runOn(second, () => fn(...args)) as Result;
      value.gradient = gradient;
      second.backward();
      second.release();
    };
    return tape.record('recompute', frame, { out: result.data, inputs: [...first.met], again }, false);
  };
}
