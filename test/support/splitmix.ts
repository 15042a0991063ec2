import { splitmix } from '../../scripts/splitmix.mjs';

export { splitmix };

/** A matrix of numbers in [−1, 1), row by row. */
export function splitmixMatrix(rows: number, columns: number, seed: number): Float64Array {
  const next = splitmix(seed);
  return Float64Array.from({ length: rows * columns }, () => 2 * next() - 1);
}
