import { allOrNone, filled } from '../../core/all-or-none.ts';
import * as check from '../../core/check.ts';
import { refusal } from '../../core/errors.ts';
import { ops } from '../../core/native-ops.ts';
import { Owned } from '../../core/owned.ts';
import {
  count,
  flag,
  optional,
  positive,
  type Resolved,
  readOptions,
  required,
  type Schema,
  whole,
  word,
} from '../../core/schema.ts';
import { Tensor } from '../../core/tensor.ts';
import * as vectors from '../../core/vectors.ts';
import { type Applied, type Arg, add, linear, type Value } from '../../nn/index.ts';
import { applied, bytesOf, checkLinear, checkRank, frozen, plusProduct } from './layer.ts';
import { type LduFactors, lduOf } from './ldu.ts';
import { scaleColumns } from './scale-columns.ts';

/** Options of {@link LoLDULinear.fromWeight}. */
export interface LoLDULinearOptions {
  /** Numbers that are trained: whole, from 1 to the smaller side of the weight. It has no default. */
  readonly rank: number;
  /** The scale times the rank: above 0. Default: 1. */
  readonly alpha?: number | undefined;
  /**
   * The start of z, by the first pivots d: `'lu'`, d itself; `'uniform'`, within half of their mean; `'normal'`, of
   * their mean and deviation; `'mean'`, their mean; `'ones'`. Default: `'lu'`.
   */
  readonly init?: 'lu' | 'uniform' | 'normal' | 'mean' | 'ones' | undefined;
  /**
   * True: the layer begins at the weight whatever `init` is. False: as the reference, at it for `'lu'` alone. Default:
   * true.
   */
  readonly recentre?: boolean | undefined;
  /** `[out]`, frozen. Default: none. */
  readonly bias?: Tensor | undefined;
  /** Seed of `'uniform'` and `'normal'`, which alone take one: whole, 0 to 2^53. Default: 0. */
  readonly seed?: number | undefined;
}

type Init = NonNullable<LoLDULinearOptions['init']>;
const schema: Schema<Resolved<LoLDULinearOptions, 'bias' | 'seed'>> = {
  rank: required(count(1)),
  alpha: positive(1),
  init: word<Init>(['lu', 'uniform', 'normal', 'mean', 'ones'], 'lu'),
  recentre: flag(true),
  bias: check.tensorOption,
  seed: optional(whole(0, 0, 2 ** 53)),
};

/** All of a layer but its bias. */
interface Parts {
  readonly residual: Tensor;
  readonly left: Tensor;
  readonly right: Tensor;
  readonly z: Tensor;
  readonly scale: number;
  readonly zeroPivots: Int32Array;
}

/**
 * A linear layer of which only `rank` numbers z are trained: with W = P·L·diag(d)·U by partial pivoting, the first
 * columns of P·L and the first rows of U stay, and y = x·(R + scale·P·L·diag(z)·U)ᵀ + bias with a frozen rest R. It
 * stands in a model where a linear layer was; `nn.linear` calls it.
 *
 * A pivot of less than 1e-7 of the largest counts as 0: its row of U is that of the identity, and R has what it stood
 * for. The reference divides by it.
 *
 * Source: LoLDU, arXiv 2410.13618. There the rest is made with the pivots whatever z begins with: `recentre` false.
 *
 * @example
 * const layer = await LoLDULinear.fromWeight(weight, { rank: 64 });
 * const optimizer = new AdamW({ z: layer.z }, { lr: 1e-3 });
 */
export class LoLDULinear implements Applied {
  /** R, `[out, in]`, frozen: as large as the weight. */
  readonly residual: Tensor;
  /** `[out]`, frozen: the bytes of the caller's. */
  readonly bias: Tensor | undefined;
  /** scale times the first columns of P·L, `[out, rank]`, frozen. */
  readonly left: Tensor;
  /** The first rows of U, `[rank, in]`, its diagonal 1, frozen. */
  readonly right: Tensor;
  /** `[rank]`: the parameter. */
  readonly z: Tensor;
  /** alpha / rank. */
  readonly scale: number;
  /** The places, of the first `rank`, whose pivot counts as 0; ascending. */
  readonly zeroPivots: Int32Array;

  private constructor({ residual, left, right, z, scale, zeroPivots }: Parts, bias: Tensor | undefined) {
    [this.residual, this.left, this.right, this.bias] = allOrNone(
      () => frozen(residual),
      () => frozen(left),
      () => frozen(right),
      ...(bias ? [() => frozen(bias)] : []),
    ) as [Tensor, Tensor, Tensor, Tensor?];
    this.z = z;
    this.scale = scale;
    this.zeroPivots = zeroPivots;
  }

  /**
   * A layer that does what the weight does, for now. The weight counts as it is at the call, and is not kept.
   *
   * @param weight `[out, in]`, f32 or f64
   * @throws ERR_ARGUMENT for options, a rank above the smaller side, a seed without draws, NaN and infinity; ERR_SHAPE
   * for what is no matrix, or empty; ERR_DTYPE, ERR_DEVICE, ERR_DISPOSED; ERR_MEMORY
   */
  static async fromWeight(weight: Tensor, options: LoLDULinearOptions): Promise<LoLDULinear> {
    const where = 'LoLDULinear.fromWeight';
    check.tensor(where, 'weight', weight);
    const { rank, alpha, init, recentre, bias, seed } = readOptions(where, options, schema);
    checkLinear(where, weight, bias, check.arithmetic);
    checkRank(where, rank, weight);
    const draws = init === 'uniform' || init === 'normal';
    if (seed !== undefined && !draws)
      throw refusal(where, 'seed', `be left out for init '${init}', which draws nothing`, seed);
    const { device } = weight;
    const scale = alpha / rank;
    using owned = new Owned<Tensor>();
    const now = owned.add(weight.copy());
    const kept = bias && owned.add(bias.reshape(bias.shape));
    const { left, right, pivots, zeroPivots } = await lduOf({ where, name: 'weight' }, now, rank, owned);
    vectors.scale(device, scale, left);
    const ofPivots = owned.add(Tensor.from(device, [...pivots], [rank], { dtype: weight.dtype }));
    const z = owned.add(startOf(init, ofPivots, pivots, seed ?? 0));
    const first = owned.add(right.copy());
    ops.scaleAxis(device, { x: right, scale: recentre ? z : ofPivots, out: first, axis: 0 });
    const residual = owned.add(plusProduct(now, -1, left, first));
    const layer = new LoLDULinear({ residual, left, right, z, scale, zeroPivots }, kept);
    owned.release(z);
    return layer;
  }

  /** Numbers that are trained. */
  get rank(): number {
    return this.z.shape[0]!;
  }

  /** `[z]`. */
  get parameters(): readonly Tensor[] {
    return [this.z];
  }

  /** Bytes of all tensors. */
  get byteLength(): number {
    return bytesOf(this.residual, this.bias, this.left, this.right, this.z);
  }

  /**
   * The layer of x `[…, in]`: inside of a call of `nn` a value, outside of one a new tensor, the caller's.
   * @throws ERR_SHAPE, ERR_DTYPE, ERR_DEVICE, ERR_DISPOSED
   */
  apply(x: Tensor): Tensor;
  apply(x: Arg): Value;
  apply(x: Arg): Tensor & Value {
    const { residual, bias, left, right, z } = this;
    return applied('LoLDULinear.apply', this, x, right.shape[1]!, (given) => {
      const inner = scaleColumns(linear({ weight: right }, given), z);
      return add(linear({ weight: residual, ...(bias && { bias }) }, given), linear({ weight: left }, inner));
    });
  }

  /**
   * The gradient of z by x `[rows, in]` and the gradient of y, `[rows, out]`: scale · Σ (x·Uᵀ) ⊙ (gy·P·L) over rows. A
   * new tensor, the caller's. `nn` makes the same by itself.
   * @throws ERR_ARGUMENT, ERR_SHAPE, ERR_DTYPE, ERR_DEVICE, ERR_DISPOSED
   */
  gradZ(x: Tensor, gy: Tensor): Tensor {
    const where = 'LoLDULinear.gradZ';
    const { left, right, z, rank } = this;
    const { device } = z;
    const dtypes = [z.dtype as 'f32'];
    check.tensor(where, 'x', x, { dtypes, shape: [undefined, right.shape[1]], device });
    const [rows] = x.shape as [number];
    check.tensor(where, 'gy', gy, { dtypes, shape: [rows, left.shape[0]], device });
    check.alive(where, 'layer', z);
    using inner = new Tensor(device, [rows, rank], z.dtype);
    using outer = new Tensor(device, [rows, rank], z.dtype);
    ops.gemm(device, { a: x, b: right, c: inner, transB: 'transposed' });
    ops.gemm(device, { a: gy, b: left, c: outer });
    ops.multiply(device, { x: [inner], y: [outer], out: [inner] });
    return filled(new Tensor(device, [rank], z.dtype), (out) => ops.columnSum(device, { x: inner, out }));
  }

  /** R + scale·P·L·diag(z)·U: a new tensor, the caller's. @throws ERR_DISPOSED, ERR_MEMORY */
  merge(): Tensor {
    const { residual, left, right, z } = this;
    check.alive('LoLDULinear.merge', 'layer', z);
    using rows = new Tensor(z.device, right.shape, z.dtype);
    ops.scaleAxis(z.device, { x: right, scale: z, out: rows, axis: 0 });
    return plusProduct(residual, 1, left, rows);
  }

  /** Gives the memory of the layer back; the bias stays the caller's. */
  dispose(): void {
    for (const tensor of [this.residual, this.bias, this.left, this.right, this.z]) tensor?.dispose();
  }

  /** Disposes. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** The start of z. */
function startOf(init: Init, ofPivots: Tensor, pivots: LduFactors['pivots'], seed: number): Tensor {
  const { device, dtype, shape } = ofPivots;
  const rank = pivots.length;
  const mean = pivots.reduce((sum, value) => sum + value, 0) / rank;
  const of = dtype as 'f32';
  if (init === 'lu') return ofPivots.copy();
  if (init === 'mean' || init === 'ones') return Tensor.full(device, shape, init === 'mean' ? mean : 1, { dtype: of });
  // As torch's std, which is of no use for one number.
  const squares = pivots.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  const deviation = Math.sqrt(squares / Math.max(1, rank - 1));
  using drawn = init === 'normal' ? Tensor.randn(device, shape, { seed, dtype: of }) : Tensor.rand(device, shape, { seed, dtype: of }); // biome-ignore format: one line
  using shift = Tensor.full(device, shape, init === 'normal' ? mean : -mean / 2, { dtype: of });
  return filled(new Tensor(device, shape, dtype), (out) =>
    vectors.combine(device, out, [init === 'normal' ? deviation : mean, drawn], [1, shift]),
  );
}
