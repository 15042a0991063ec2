import { refusal } from '../../core/errors.ts';
import { isListOf, isRecord } from '../../core/options.ts';
import { flag, type Option, optional, whole, word } from '../../core/schema.ts';
import type { Tensor } from '../../core/tensor.ts';
import type { CommonOptions } from '../base/common-options.ts';
import { Cut } from '../base/cut.ts';
import type { Part } from '../base/part.ts';

/** A cut of matrices into blocks; see {@link MatrixOptions.split}. */
export interface Split {
  /** 0 cuts outputs, the rows of a matrix `[out, in]`; 1 cuts inputs, its columns. */
  readonly axis: 0 | 1;
  /** Sizes of the blocks in order, which add up to the axis. */
  readonly sizes: readonly number[];
}

/** The order in which a weight stores its matrices; see {@link MatrixOptions.layout}. */
export type MatrixLayout = 'out_in' | 'in_out';

/** Options of optimizers of matrices. What state depends on is settled when the optimizer is made: all of these. */
export interface MatrixOptions extends CommonOptions {
  /** Rows are cut into so many equal blocks, each a matrix of its own: attention heads. Default: the whole matrix. */
  readonly heads: number | undefined;
  /**
   * Matrices are cut into blocks of these sizes, each stepped as a weight of its own, shape scale included: Q, K and V,
   * or gate and up of SwiGLU, in one weight. `{ axis: 0 }` of one matrix works in place; other blocks are copied for a
   * step. Not beside `heads`. Default: none.
   */
  readonly split: Split | undefined;
  /**
   * `true`: a weight is one matrix, the output axis against all others · `false`: a batch of matrices, all axes before
   * the last two. Default: false for rank 3, such as experts `[e, out, in]`; true for rank 4 and 5, convolutions
   * `[out, …]`.
   */
  readonly flatten: boolean | undefined;
  /**
   * `out_in`: outputs are the rows of a matrix, or the first axis of a flattened weight, as in PyTorch · `in_out`: its
   * columns, or the last axis, as in JAX and TensorFlow; what depends on sides, such as the shape scale, sees it
   * transposed, by copies for a step. Default `out_in`.
   */
  readonly layout: MatrixLayout;
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

const isSize = (x: unknown): x is number => Number.isSafeInteger(x) && (x as number) > 0;

const split: Option<Split> = {
  default: { axis: 0, sizes: [] },
  wrong: (x: unknown) => {
    const isCut = isRecord(x) && (x['axis'] === 0 || x['axis'] === 1) && isListOf(x['sizes'], isSize);
    return isCut && Object.keys(x).length === 2 && (x['sizes'] as unknown[]).length > 0
      ? undefined
      : 'must be { axis, sizes }: 0 or 1, and a list of whole numbers from 1 on';
  },
  fixed: true,
};

const product = (sizes: readonly number[]): number => sizes.reduce((a, b) => a * b, 1);

/** The cut of a weight, where a method does not see it whole and as it is stored. */
function cutOf(
  where: string,
  { shape }: Tensor,
  { split: cut, flatten, layout }: Pick<MatrixOptions, 'split' | 'flatten' | 'layout'>,
): Cut | undefined {
  const rank = shape.length;
  if (rank < 2 && cut) throw refusal(where, 'split', 'be of matrices', `a weight of shape [${shape}]`, 'ERR_SHAPE');
  const isBatch = rank > 2 && !(flatten ?? rank > 3);
  const isTurned = layout === 'in_out';
  // Rank 3 is a batch for kernels, and rank 4 and 5 a matrix.
  if (rank < 2 || (!cut && !isTurned && isBatch === (rank === 3))) return undefined;
  const at = isBatch ? rank - 2 : 0;
  const axis = isBatch || isTurned ? rank - 1 : 1;
  const [batch, rows, columns] = [shape.slice(0, at), shape.slice(at, axis), shape.slice(axis)].map(product);
  const sides = isTurned ? [columns!, rows!] : [rows!, columns!];
  const { axis: along, sizes } = cut ?? { axis: 0, sizes: [sides[0]!] };
  const sum = sizes.reduce((a, b) => a + b, 0);
  if (sum !== sides[along])
    throw refusal(
      where,
      'split.sizes',
      `add up to ${sides[along]}, axis ${along} of the matrices of shape [${shape}]`,
      sum,
      'ERR_SHAPE',
    );
  return new Cut({ batch: batch!, rows: rows!, columns: columns!, isTurned, isBatch, axis: along, sizes });
}

/** Matrices may be cut into blocks, and stored in several ways. */
export const blocks: Part<Pick<MatrixOptions, 'heads' | 'split' | 'flatten' | 'layout'>> = {
  schema: {
    heads: { ...optional(whole(1, 1, 65536)), fixed: true },
    split: optional(split),
    flatten: { ...optional(flag(false)), fixed: true },
    layout: word<MatrixLayout>(['out_in', 'in_out'], 'out_in', true),
  },
  checkOptions: (where, { heads, split: cut }) => {
    if (heads !== undefined && cut) throw refusal(where, 'split', 'be left out beside heads', `heads ${heads}`);
  },
  checkWeight: (where, { shape }, { heads }) => {
    if (heads !== undefined && (shape.length !== 2 || shape[0]! % heads !== 0))
      throw refusal(where, `heads ${heads}`, 'divide the rows of matrices', `[${shape}]`, 'ERR_SHAPE');
  },
  cut: cutOf,
  viewShape: ({ shape: [rows, columns] }, { heads }) =>
    heads === undefined ? undefined : [heads, rows! / heads, columns!],
};
