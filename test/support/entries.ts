// Sparse matrices in rows for the operations that take them.
import type { Device, Tensor } from '../../lib/index.ts';
import { uniform } from './data.ts';
import { tensorOf } from './tensors.ts';

/** Lines of 0 to `most` entries, each in a column of its own of `columns`. */
export function sparseLines(lines: number, columns: number, most: number, seed: number) {
  const next = uniform(seed);
  const starts = [0];
  const places: number[] = [];
  for (let i = 0; i < lines; ++i) {
    const free = Array.from({ length: columns }, (_, j) => j);
    const count = Math.min(columns, Math.floor(next() * (most + 1)));
    for (let e = 0; e < count; ++e) places.push(free.splice(Math.floor(next() * free.length), 1)[0]!);
    starts.push(places.length);
  }
  return {
    size: places.length,
    starts,
    columns: places,
    on: (device: Device): { starts: Tensor; columns: Tensor } => ({
      starts: tensorOf(device, starts, [lines + 1], 'i32'),
      columns: tensorOf(device, places, [places.length], 'i32'),
    }),
  };
}
