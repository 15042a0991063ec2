import { OrthokitError } from '../core/errors.ts';
import { optional, type Schema, whole } from '../core/schema.ts';
import type { Tensor } from '../core/tensor.ts';
import type { CommonOptions } from './common-options.ts';
import { Optimizer } from './optimizer.ts';
import { moment, type Slot } from './state.ts';

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

export const matrixSchema: Schema<Omit<MatrixOptions, keyof CommonOptions>> = {
  heads: { ...optional(whole(1, 1, 65536)), fixed: true },
  split: { default: undefined, wrong: () => undefined, fixed: true },
};

/** An optimizer of matrices: rank 2, batches of rank 3, convolutions of rank 4 and 5 as [O, the rest]. */
export abstract class MatrixOptimizer<O extends MatrixOptions> extends Optimizer<O, 'momenta'> {
  protected override slots(weight: Tensor, options: O): Record<'momenta', Slot> {
    return { momenta: moment(weight, options) };
  }

  protected takesVectors(_options: O): boolean {
    return false;
  }

  protected override checkWeight(where: string, weight: Tensor, options: O): void {
    const { shape } = weight;
    if (shape.length < 2 && !this.takesVectors(options))
      throw new OrthokitError(
        'ERR_SHAPE',
        `${where}: params must be matrices, got shape [${shape}]; use combine() to give vectors to another optimizer`,
      );
    const { heads } = options;
    if (heads !== undefined && (shape.length !== 2 || (shape[0] ?? 0) % heads !== 0))
      throw new OrthokitError('ERR_SHAPE', `${where}: heads ${heads} must divide the rows of matrices, got [${shape}]`);
  }

  protected override checkOptions(where: string, { split }: O): void {
    if (split !== undefined)
      throw new OrthokitError(
        'ERR_UNSUPPORTED',
        `${where}: split is not available yet; heads cuts rows into equal blocks`,
      );
  }

  protected override viewShape({ shape }: Tensor, { heads }: O): readonly number[] | undefined {
    const [rows = 1, columns = 1] = shape;
    return heads === undefined ? undefined : [heads, rows / heads, columns];
  }
}
