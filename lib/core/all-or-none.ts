interface Disposing {
  dispose(): void;
}

type Made<M extends readonly (() => Disposing)[]> = { -readonly [K in keyof M]: ReturnType<M[K]> };

/** The things that the functions make, one after the other: all of them, or nothing is left if one throws. */
export function allOrNone<const M extends readonly (() => Disposing)[]>(...makers: M): Made<M> {
  const made: Disposing[] = [];
  try {
    for (const make of makers) made.push(make());
    return made as Made<M>;
  } catch (error) {
    for (const one of made) one.dispose();
    throw error;
  }
}

/** The tensor, once `fill` has filled it; disposed if that throws. */
export function filled<T extends Disposing>(tensor: T, fill: (out: T) => void): T {
  try {
    fill(tensor);
    return tensor;
  } catch (error) {
    tensor.dispose();
    throw error;
  }
}
