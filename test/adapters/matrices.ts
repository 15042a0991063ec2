// Small matrices in plain loops over doubles.

/** Rows times columns, row by row. */
export interface Dense {
  readonly rows: number;
  readonly columns: number;
  readonly data: ArrayLike<number>;
}

export const dense = (rows: number, columns: number, data: ArrayLike<number>): Dense => ({ rows, columns, data });

export const at = ({ columns, data }: Dense, i: number, j: number): number => data[i * columns + j]!;

export function filledBy(rows: number, columns: number, of: (i: number, j: number) => number): Dense {
  const data = new Float64Array(rows * columns);
  for (let i = 0; i < rows; ++i) for (let j = 0; j < columns; ++j) data[i * columns + j] = of(i, j);
  return { rows, columns, data };
}

export const transposed = (x: Dense): Dense => filledBy(x.columns, x.rows, (i, j) => at(x, j, i));

export function product(x: Dense, y: Dense): Dense {
  return filledBy(x.rows, y.columns, (i, j) => {
    let sum = 0;
    for (let k = 0; k < x.columns; ++k) sum += at(x, i, k) * at(y, k, j);
    return sum;
  });
}

/** x + factor · y */
export const sum = (x: Dense, y: Dense, factor = 1): Dense =>
  filledBy(x.rows, x.columns, (i, j) => at(x, i, j) + factor * at(y, i, j));

export const norm = ({ data }: Pick<Dense, 'data'>): number =>
  Math.sqrt(Array.from(data).reduce((s, x) => s + x * x, 0));

/** |x − y| / |y| */
export const distance = (x: Dense, y: Dense): number => norm(sum(x, y, -1)) / norm(y);

export const largestOf = ({ data }: Pick<Dense, 'data'>): number => Math.max(...Array.from(data, Math.abs));

export const identity = (n: number): Dense => filledBy(n, n, (i, j) => Number(i === j));
