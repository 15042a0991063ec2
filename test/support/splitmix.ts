/** Uniform numbers in [0, 1) (SplitMix64, the upper 53 bits), as the golden values of sparse coding and transport take them. */
export function splitmix(seed: number | bigint): () => number {
  const mask = (1n << 64n) - 1n;
  let state = BigInt(seed);
  return () => {
    state = (state + 0x9e3779b97f4a7c15n) & mask;
    let z = state;
    z = ((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n) & mask;
    z = ((z ^ (z >> 27n)) * 0x94d049bb133111ebn) & mask;
    z ^= z >> 31n;
    return Number(z >> 11n) * 2 ** -53;
  };
}

/** A matrix of numbers in [−1, 1), row by row. */
export function splitmixMatrix(rows: number, columns: number, seed: number): Float64Array {
  const next = splitmix(seed);
  return Float64Array.from({ length: rows * columns }, () => 2 * next() - 1);
}
