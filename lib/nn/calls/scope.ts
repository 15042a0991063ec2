import * as check from '../../core/check.ts';
import { runningTape, runOn } from '../tape/running.ts';
import { mapped } from './call.ts';

/**
 * The same function, of whose results in a call without gradients only what it returns stays: the memory of all others
 * is free at once, and the next function takes it. Around each block of a network it makes a forward pass hold one
 * block, whatever their number. A gradient needs what is inside and keeps it: there the function is what it was.
 *
 * @param fn Returns a value, or a list or record of values. What it hands on by other ways, such as a variable outside
 * of it, is refused after its end; `value.tensor` stays until the next call.
 * @example
 * const run = nn.scope((block: nn.Traced<Block>, x: nn.Arg) => block.forward(x));
 * for (const block of gpt.blocks) x = run(block, x);
 *
 * @throws ERR_ARGUMENT for what is no function. From the function: ERR_STATE outside of a call; ERR_ARGUMENT if it
 * returns a promise, or a value of a scope that has ended; what `fn` throws
 */
export function scope<A extends unknown[], R>(fn: (...args: A) => R): (...args: A) => R {
  check.callable('nn.scope', 'the first argument', fn);
  return (...args) => {
    const tape = runningTape('scope');
    if (tape.isRecording) return fn(...args);
    const inner = tape.inner(false, tape.random);
    const given = runOn(inner, () => fn(...args));
    const kept = mapped(given, (value) => tape.adopt(value, inner)) as R;
    tape.follow(inner);
    return kept;
  };
}
