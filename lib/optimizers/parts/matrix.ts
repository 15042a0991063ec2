import { OrthokitError, refusal } from '../../core/errors.ts';
import { optional, whole } from '../../core/schema.ts';
import type { Tensor } from '../../core/tensor.ts';
import type { CommonOptions } from '../base/common-options.ts';
import type { Part } from '../base/part.ts';

/** Options of optimizers of matrices. */
export interface MatrixOptions extends CommonOptions {
  /** Rows are cut into so many equal blocks, each a matrix of its own: attention heads. Default: the whole matrix. */
  readonly heads: number | undefined;
  /** Blocks of given sizes: not available yet, throws ERR_UNSUPPORTED. Default: none. */
  readonly split:
    | {
        /** The axis that is cut: 0 rows, 1 columns. */
        axis: number;
        /** Sizes of the blocks, which add up to the axis. */
        sizes: readonly number[];
      }
    | undefined;
}

export function checkMatrix(where: string, { shape }: Tensor): void {
  if (shape.length < 2) {
    const got = `shape [${shape}]; use combine() to give vectors to another optimizer`;
    throw refusal(where, 'params', 'be matrices', got, 'ERR_SHAPE');
  }
}

/** The matrices that a weight is made of: how many, and their sides; convolutions of rank 4 and 5 are [O, the rest]. */
export function sidesOf(
  { shape }: Tensor,
  heads: number | undefined,
): { batch: number; rows: number; columns: number } {
  const [batch, rows, ...rest] = (
    shape.length === 3 ? shape : [heads ?? 1, shape[0]! / (heads ?? 1), ...shape.slice(1)]
  ) as [number, number, ...number[]];
  return { batch, rows, columns: rest.reduce((a, b) => a * b, 1) };
}

/** Takes matrices alone: rank 2, batches of rank 3, convolutions of rank 4 and 5 as [O, the rest]. */
export const matrices: Part<object> = { checkWeight: checkMatrix };

/** Matrices may be cut into blocks. */
export const blocks: Part<Pick<MatrixOptions, 'heads' | 'split'>> = {
  schema: {
    heads: { ...optional(whole(1, 1, 65536)), fixed: true },
    split: { default: undefined, wrong: () => undefined, fixed: true },
  },
  checkOptions: (where, { split }) => {
    if (split !== undefined)
      throw new OrthokitError(
        'ERR_UNSUPPORTED',
        `${where}: split is not available yet; heads cuts rows into equal blocks`,
      );
  },
  checkWeight: (where, { shape }, { heads }) => {
    if (heads !== undefined && (shape.length !== 2 || shape[0]! % heads !== 0))
      throw refusal(where, `heads ${heads}`, 'divide the rows of matrices', `[${shape}]`, 'ERR_SHAPE');
  },
  viewShape: ({ shape: [rows, columns] }, { heads }) =>
    heads === undefined ? undefined : [heads, rows! / heads, columns!],
};
