// Products and neighbours of rows that are drawn, in plain numbers.
import { type Device, Tensor } from '../../lib/index.ts';
import { normal } from './data.ts';

/** Products of n rows of 3 numbers for each task. */
export function productsOf(tasks: number, n: number, seed: number): Float64Array {
  const out = new Float64Array(tasks * n * n);
  for (let t = 0; t < tasks; ++t) {
    const x = normal(3 * n, seed + t);
    for (let i = 0; i < n; ++i)
      for (let j = 0; j < n; ++j)
        for (let c = 0; c < 3; ++c) out[(t * n + i) * n + j]! += x[3 * i + c]! * x[3 * j + c]!;
  }
  return out;
}

/** The next rows around a ring, as neighbours; the rows before `from` have none. */
export function ringOf(device: Device, tasks: number, n: number, degree: number, from = 0): Tensor {
  const index = new Int32Array(tasks * n * degree);
  for (let at = 0; at < index.length; ++at) {
    const [i, e] = [Math.floor(at / degree) % n, at % degree]; // biome-ignore format: one line
    index[at] = i < from ? -1 : from + ((i - from + e + 1) % (n - from));
  }
  return Tensor.from(device, index, [tasks, n, degree]);
}
