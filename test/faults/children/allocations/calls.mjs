// Functions that give a result of their own: each call is checked, its result judged by all bits that it holds.
import { bitsOf } from './bits.mjs';

/** Bits of all that a result holds: tensors, arrays, numbers, words. */
async function bitsWithin(result, { Tensor }) {
  if (result === undefined || result === null) return [String(result)];
  if (result instanceof Tensor) return bitsOf([result]);
  if (ArrayBuffer.isView(result)) return [Buffer.from(result.buffer).toString('latin1')];
  if (typeof result !== 'object') return [String(result)];
  const all = [];
  for (const name of Object.keys(result).filter((key) => key !== 'report'))
    all.push(...(await bitsWithin(result[name], { Tensor })));
  return all;
}

export function disposeAll(result, { Tensor }) {
  if (result instanceof Tensor) result.dispose();
  else if (typeof result?.dispose === 'function') result.dispose();
  else if (result && typeof result === 'object' && !ArrayBuffer.isView(result))
    for (const part of Object.values(result)) disposeAll(part, { Tensor });
}

/**
 * @param {Record<string, () => unknown>} calls each gives a result
 * @param {any[]} inputs tensors that must stay as they are
 */
export async function checkCalls({ checker, library }, calls, inputs) {
  for (const [name, call] of Object.entries(calls)) {
    let last;
    const drop = () => {
      disposeAll(last, library);
      last = undefined;
    };
    await checker.check({
      name,
      reset: drop,
      call: async () => {
        drop();
        last = await call();
      },
      results: () => bitsWithin(last, library),
      inputs: () => bitsOf(inputs),
    });
    drop();
  }
}
