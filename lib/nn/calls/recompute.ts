import { ops } from '../../core/native-ops.ts';
import { isTensor, type Tensor } from '../../core/tensor.ts';
import { TapeFrame } from '../tape/frame.ts';
import { runningTape, runOn, Tape } from '../tape/tape.ts';
import { isResult, type Result, type Value } from '../tape/value.ts';

/** Values in an argument: itself, or in fields of it. */
function valuesIn(x: unknown, found = new Set<unknown>()): Set<unknown> {
  if (found.has(x)) return found;
  if (isResult(x)) found.add(x);
  else if (typeof x === 'object' && x !== null && !isTensor(x) && !ArrayBuffer.isView(x)) {
    found.add(x);
    for (const key of Object.keys(x)) valuesIn((x as Record<string, unknown>)[key], found);
  }
  return found;
}

/**
 * The same function, that keeps nothing of what is inside: the way back runs it again, with the same random numbers and
 * so the same bits. In a call without gradients its buffers are free at once.
 *
 * @param fn Takes values and models and returns a value. What it reaches otherwise gets no gradient.
 * @example
 * const block = nn.recompute((layer: nn.Traced<Block>, x: nn.Arg) => layer.forward(x));
 * for (const layer of gpt.blocks) x = block(layer, x);
 */
export function recompute<A extends unknown[]>(fn: (...args: A) => Value): (...args: A) => Value {
  return (...args) => {
    const tape = runningTape('recompute');
    const { arena, options } = tape;
    const { random } = tape;
    const first = new Tape(arena, { ...options, isRecording: false, random });
    first.untracked = [];
    const result = runOn(first, () => fn(...args)) as Result;
    tape.random = first.random;
    for (const tensor of first.untracked) if (tensor !== result.tensor) arena.give(tensor);
    const frame = new TapeFrame(tape);
    frame.kept.push(result.tensor);
    const inputs = [...args.flatMap((x) => [...valuesIn(x)])].filter(isResult);
    return tape.record(
      'recompute',
      frame,
      {
        out: result.tensor,
        inputs,
        backward: (grad: Tensor) => {
          const again = new Tape(arena, { ...options, random });
          const value = runOn(again, () => fn(...args)) as Result;
          const seed = arena.take(value.shape, value.dtype);
          ops.copy(arena.device, { x: [grad], out: [seed] });
          value.gradient = { tensor: seed, owners: 1, isKept: false };
          again.backward();
        },
      },
      false,
    );
  };
}
