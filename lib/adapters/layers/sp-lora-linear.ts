import * as check from '../../core/check.ts';
import { refusal, shown } from '../../core/errors.ts';
import { ops } from '../../core/native-ops.ts';
import { Owned } from '../../core/owned.ts';
import { count, kind, type Resolved, readOptions, required, type Schema, whole } from '../../core/schema.ts';
import { Tensor } from '../../core/tensor.ts';
import { type Applied, type Arg, linear, type Value } from '../../nn/index.ts';
import { applied, bytesOf, checkLinear, checkRank, frozen, plusProduct, uniform } from './layer.ts';

/** Options of {@link SpLoraLinear.fromWeight}. */
export interface SpLoraLinearOptions {
  /** Rows of `a`: whole, from 1 to the smaller side of the weight. It has no default. */
  readonly rank: number;
  /** `[out]`, the start of a bias that is trained. Default: none. */
  readonly bias?: Tensor | undefined;
  /** Seed of `a` and `b`: whole, 0 to 2^53. It has no default. Layers want seeds of their own. */
  readonly seed: number;
}

/** Channels that {@link SpLoraLinear.prune} keeps. */
export interface KeptChannels {
  /** Ascending places of the outputs that are left. Default: all. */
  readonly keepOut?: readonly number[] | Int32Array | undefined;
  /** Ascending places of the inputs that are left. Default: all. */
  readonly keepIn?: readonly number[] | Int32Array | undefined;
}

const schema: Schema<Resolved<SpLoraLinearOptions, 'bias'>> = {
  rank: required(count(1)),
  bias: check.tensorOption,
  seed: required(whole(0, 0, 2 ** 53)),
};
const places = kind<readonly number[] | Int32Array>(
  (x) => Array.isArray(x) || x instanceof Int32Array,
  'a list of whole numbers or an Int32Array',
);
const keptSchema: Schema<Resolved<KeptChannels, keyof KeptChannels>> = { keepOut: places, keepIn: places };

/** Bound of b's elements at first, on both sides of 0: small, so that the layer begins near the weight. */
const smallBound = 1e-4;

/**
 * A linear layer with a frozen weight and a trained product of low rank, whose inputs and outputs can be pruned while
 * it is trained: y = x·(W + b·a)ᵀ + bias. A pruned layer is small: it has the rows and columns that are left, of the
 * weight and of the factors. It stands in a model where a linear layer was; `nn.linear` calls it. At first a is uniform
 * in ±1/√in, and b in ±1e-4.
 *
 * Source: Hedegaard et al. 2022, arXiv 2211.10155, its SPLoRA; which channels to prune is the caller's affair.
 *
 * @example
 * const layer = SpLoraLinear.fromWeight(weight, { rank: 16, seed: 1 });
 * layer.prune({ keepOut: [0, 2, 3] });
 */
export class SpLoraLinear implements Applied {
  /** `[out, in]`, frozen: the bytes of the caller's, until the layer is pruned. */
  weight: Tensor;
  /** `[out]`, trained. */
  bias: Tensor | undefined;
  /** `[rank, in]`, trained. */
  a: Tensor;
  /** `[out, rank]`, trained. */
  b: Tensor;

  private constructor(weight: Tensor, bias: Tensor | undefined, a: Tensor, b: Tensor) {
    this.weight = frozen(weight);
    this.bias = bias;
    this.a = a;
    this.b = b;
  }

  /**
   * A layer that begins near the weight.
   *
   * @param weight `[out, in]`, f32 or f64
   * @throws ERR_ARGUMENT for options, and a rank above the smaller side; ERR_SHAPE for what is no matrix, or empty;
   * ERR_DTYPE, ERR_DEVICE, ERR_DISPOSED; ERR_MEMORY
   */
  static fromWeight(weight: Tensor, options: SpLoraLinearOptions): SpLoraLinear {
    const where = 'SpLoraLinear.fromWeight';
    check.tensor(where, 'weight', weight);
    const { rank, bias, seed } = readOptions(where, options, schema);
    checkLinear(where, weight, bias, check.arithmetic);
    checkRank(where, rank, weight);
    const [outputs, inputs] = weight.shape as [number, number];
    using owned = new Owned<Tensor>();
    const a = owned.add(uniform(weight, [rank, inputs], 1 / Math.sqrt(inputs), { seed }));
    const b = owned.add(uniform(weight, [outputs, rank], smallBound, { seed, stream: 1 }));
    const own = bias && owned.add(bias.copy());
    const layer = new SpLoraLinear(weight, own, a, b);
    for (const tensor of [a, b, own]) if (tensor) owned.release(tensor);
    return layer;
  }

  /** Rows of `a`. */
  get rank(): number {
    return this.a.shape[0]!;
  }

  /** `[a, b]`, and the bias. */
  get parameters(): readonly Tensor[] {
    return [this.a, this.b, ...(this.bias ? [this.bias] : [])];
  }

  /** Numbers that are trained: rank · (in + out), and the bias. */
  get parameterCount(): number {
    return this.parameters.reduce((sum, { size }) => sum + size, 0);
  }

  /** Bytes of weight, bias and factors. */
  get byteLength(): number {
    return bytesOf(this.weight, this.bias, this.a, this.b);
  }

  /**
   * The layer of x `[…, in]`: inside of a call of `nn` a value, outside of one a new tensor, the caller's.
   * @throws ERR_SHAPE, ERR_DTYPE, ERR_DEVICE, ERR_DISPOSED
   */
  apply(x: Tensor): Tensor;
  apply(x: Arg): Value;
  apply(x: Arg): Tensor & Value {
    const { weight, bias, a, b } = this;
    return applied('SpLoraLinear.apply', this, x, weight.shape[1]!, (given) =>
      linear({ weight, ...(bias && { bias }), lora: { a, b, scale: 1 } }, given),
    );
  }

  /** W + b·a, rounded once: a new tensor, the caller's. @throws ERR_DISPOSED, ERR_MEMORY */
  merge(): Tensor {
    check.alive('SpLoraLinear.merge', 'layer', this.a);
    return plusProduct(this.weight, 1, this.b, this.a);
  }

  /**
   * Leaves some outputs and inputs, in place: places count in what is left now. All tensors of the layer are new ones
   * after that, and those before are disposed: an optimizer of them wants to be made anew. The caller's weight stays.
   *
   * @throws ERR_ARGUMENT for places that are not whole, ascending and there, none of a side, and unless a side is
   * named; ERR_DISPOSED; ERR_MEMORY
   */
  prune(kept: KeptChannels): void {
    const where = 'SpLoraLinear.prune';
    const { keepOut, keepIn } = readOptions(where, kept, keptSchema);
    if (keepOut === undefined && keepIn === undefined) throw refusal(where, 'keepOut or keepIn', 'be given', 'neither');
    check.alive(where, 'layer', this.a);
    const { device } = this.a;
    const [outputs, inputs] = this.weight.shape as [number, number];
    using indices = new Owned<Tensor>();
    const indexOf = (name: string, keep: readonly number[] | Int32Array | undefined, size: number) => {
      if (keep === undefined) return undefined;
      checkPlaces(where, name, keep, size);
      return indices.add(Tensor.from(device, Int32Array.from(keep), [keep.length]));
    };
    const rows = indexOf('keepOut', keepOut, outputs);
    const columns = indexOf('keepIn', keepIn, inputs);
    using made = new Owned<Tensor>();
    const weight = made.add(sliced(this.weight, rows, columns));
    const a = made.add(sliced(this.a, undefined, columns));
    const b = made.add(sliced(this.b, rows, undefined));
    const bias = this.bias && made.add(sliced(this.bias, rows, undefined));
    const view = frozen(weight);
    for (const tensor of [a, b, bias]) if (tensor) made.release(tensor);
    this.dispose();
    this.weight = view;
    this.bias = bias;
    this.a = a;
    this.b = b;
  }

  /** Gives bias and factors back; the weight stays the caller's. */
  dispose(): void {
    for (const tensor of [this.weight, this.bias, this.a, this.b]) tensor?.dispose();
  }

  /** Disposes. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** @throws ERR_ARGUMENT unless places are whole, ascend and are there, and some are */
function checkPlaces(where: string, name: string, keep: readonly number[] | Int32Array, size: number): void {
  if (keep.length === 0) throw refusal(where, name, 'name a place to keep', 'none');
  let last = -1;
  for (let i = 0; i < keep.length; ++i) {
    const place: unknown = keep[i];
    const isPlace = Number.isInteger(place) && (place as number) > last && (place as number) < size;
    if (!isPlace) throw refusal(where, `${name}[${i}]`, `be whole, above ${last} and below ${size}`, shown(place));
    last = place as number;
  }
}

/** The rows and columns of a matrix, or elements of a vector, at some places: a new tensor. */
function sliced(x: Tensor, rows: Tensor | undefined, columns: Tensor | undefined): Tensor {
  const { device, dtype } = x;
  using owned = new Owned<Tensor>();
  let now = x;
  const gather = (index: Tensor): void => {
    const out = owned.add(new Tensor(device, [index.size, ...now.shape.slice(1)], dtype));
    ops.gatherRows(device, { x: now, index, out });
    now = out;
  };
  const turn = (): void => {
    const out = owned.add(new Tensor(device, [...now.shape].reverse(), dtype));
    ops.transpose(device, { x: now, out });
    now = out;
  };
  if (rows) gather(rows);
  if (columns) {
    turn();
    gather(columns);
    turn();
  }
  return now === x ? x.copy() : owned.release(now);
}
