import type { Tensor } from './tensor.ts';

type Made<M extends readonly (() => { dispose(): void })[]> = { -readonly [K in keyof M]: ReturnType<M[K]> };

/** What the functions make, one after the other: all of it, or nothing is left if one throws. */
export function allOrNone<const M extends readonly (() => { dispose(): void })[]>(...makers: M): Made<M> {
  const made: { dispose(): void }[] = [];
  try {
    for (const make of makers) made.push(make());
    return made as Made<M>;
  } catch (error) {
    for (const one of made) one.dispose();
    throw error;
  }
}

/** The tensor, once `fill` has filled it; disposed if that throws. */
export function filled(tensor: Tensor, fill: (out: Tensor) => void): Tensor {
  try {
    fill(tensor);
    return tensor;
  } catch (error) {
    tensor.dispose();
    throw error;
  }
}
