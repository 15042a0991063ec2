import { type Reduction, reduce } from './row-reduce.ts';

export const columnReduce = (x: Float64Array, rows: number, columns: number, reduction: Reduction): Float64Array =>
  Float64Array.from({ length: columns }, (_, j) =>
    reduce(
      Float64Array.from({ length: rows }, (_, i) => x[i * columns + j]!),
      reduction,
    ),
  );
