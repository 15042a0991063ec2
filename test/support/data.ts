// Seeded data: the same on every machine.

/** Sizes around the edges of SIMD lanes, blocks (1,024) and chunks (16,384). */
export const awkward = [0, 1, 3, 31, 32, 33, 1023, 1025, 16384, 16385, 40001] as const;

/** Uniform numbers in [0, 1) (mulberry32). */
export function uniform(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Normal numbers times `scale`. */
export function normal(size: number, seed: number, scale = 1): Float64Array {
  const next = uniform(seed);
  const out = new Float64Array(size);
  for (let i = 0; i < size; i++) {
    const radius = Math.sqrt(-2 * Math.log(1 - next()));
    out[i] = scale * radius * Math.cos(2 * Math.PI * next());
  }
  return out;
}

/** The elements of a shape. */
export const sizeOf = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);
