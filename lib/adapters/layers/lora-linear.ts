import { allOrNone } from '../../core/all-or-none.ts';
import * as check from '../../core/check.ts';
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
} from '../../core/schema.ts';
import { Tensor } from '../../core/tensor.ts';
import { type Applied, type Arg, linear, type Value } from '../../nn/index.ts';
import { applied, bytesOf, checkLinear, checkRank, frozen, plusProduct, uniform } from './layer.ts';

/** Options of {@link LoraLinear.fromWeight}. */
export interface LoraLinearOptions {
  /** Rows of `a`: whole, from 1 to the smaller side of the weight. It has no default. */
  readonly rank: number;
  /** The scale times the rank: above 0. Default: `rank`, a scale of 1. */
  readonly alpha?: number | undefined;
  /** True: the scale is alpha / √rank (rsLoRA), so that it suits high ranks. Default: false, alpha / rank. */
  readonly rslora?: boolean | undefined;
  /** `[out]`, frozen. Default: none. */
  readonly bias?: Tensor | undefined;
  /** Seed of `a`: whole, 0 to 2^53. It has no default. Layers want seeds of their own. */
  readonly seed: number;
}

/** All of a layer: what {@link LoraLinear.fromWeight} makes, or a file holds. */
interface Parts {
  readonly weight: Tensor;
  readonly bias: Tensor | undefined;
  readonly a: Tensor;
  readonly b: Tensor;
  readonly alpha: number;
  readonly rslora: boolean;
}

const schema: Schema<Resolved<LoraLinearOptions, 'alpha' | 'bias'>> = {
  rank: required(count(1)),
  alpha: optional(positive(1)),
  rslora: flag(false),
  bias: check.tensorOption,
  seed: required(whole(0, 0, 2 ** 53)),
};

/**
 * A linear layer with a frozen weight and a trained product of low rank: y = x·(W + scale·b·a)ᵀ + bias. At first b is
 * 0, so that nothing changes, and a uniform in ±1/√in, as peft draws it. It stands in a model where a linear layer was;
 * `nn.linear` calls it. `a` and `b` alone are trained: weight and bias are views of the caller's tensors.
 *
 * Source: Hu et al. 2021, arXiv 2106.09685; rsLoRA: arXiv 2312.03732.
 *
 * @example let seed = 0; nn.replaceLayers(model, '**.qkv', ({ weight, bias }) => LoraLinear.fromWeight(weight, { rank:
 * 8, bias, seed: seed++ }));
 */
export class LoraLinear implements Applied {
  /** `[out, in]`, frozen: the bytes of the caller's. */
  readonly weight: Tensor;
  /** `[out]`, frozen. */
  readonly bias: Tensor | undefined;
  /** `[rank, in]`. */
  readonly a: Tensor;
  /** `[out, rank]`. */
  readonly b: Tensor;
  /** The number `alpha` as given, or the rank. */
  readonly alpha: number;
  /** The choice `rslora`, as given. */
  readonly rslora: boolean;

  private constructor({ weight, bias, a, b, alpha, rslora }: Parts) {
    const [view, own] = allOrNone(() => frozen(weight), ...(bias ? [() => frozen(bias)] : [])) as [Tensor, Tensor?];
    this.weight = view;
    this.bias = own;
    this.a = a;
    this.b = b;
    this.alpha = alpha;
    this.rslora = rslora;
  }

  /**
   * A layer that does what the weight does, for now.
   *
   * @param weight `[out, in]`, floating; its dtype is that of the factors
   * @throws ERR_ARGUMENT for options, and a rank above the smaller side; ERR_SHAPE for what is no matrix, or empty;
   * ERR_DTYPE, ERR_DEVICE, ERR_DISPOSED; ERR_MEMORY
   */
  static fromWeight(weight: Tensor, options: LoraLinearOptions): LoraLinear {
    const where = 'LoraLinear.fromWeight';
    check.tensor(where, 'weight', weight);
    const { rank, alpha = rank, rslora, bias, seed } = readOptions(where, options, schema);
    checkLinear(where, weight, bias, check.floating);
    checkRank(where, rank, weight);
    const [outputs, inputs] = weight.shape as [number, number];
    using owned = new Owned<Tensor>();
    const a = owned.add(uniform(weight, [rank, inputs], 1 / Math.sqrt(inputs), { seed }));
    const b = owned.add(Tensor.zeros(weight.device, [outputs, rank], { dtype: weight.dtype }));
    const layer = new LoraLinear({ weight, bias, a, b, alpha, rslora });
    for (const tensor of [a, b]) owned.release(tensor);
    return layer;
  }

  /** @internal A layer of factors that exist, which become its own. */
  static of(parts: Parts): LoraLinear {
    return new LoraLinear(parts);
  }

  /** Rows of `a`. */
  get rank(): number {
    return this.a.shape[0]!;
  }

  /** The factor of b·a: alpha / rank, or alpha / √rank. */
  get scale(): number {
    return this.alpha / (this.rslora ? Math.sqrt(this.rank) : this.rank);
  }

  /** `[a, b]`. */
  get parameters(): readonly Tensor[] {
    return [this.a, this.b];
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
    const { weight, bias, a, b, scale } = this;
    return applied('LoraLinear.apply', this, x, weight.shape[1]!, (given) =>
      linear({ weight, ...(bias && { bias }), lora: { a, b, scale } }, given),
    );
  }

  /** W + scale·b·a, rounded once: a new tensor, the caller's. @throws ERR_DISPOSED, ERR_MEMORY */
  merge(): Tensor {
    check.alive('LoraLinear.merge', 'layer', this.a);
    return plusProduct(this.weight, this.scale, this.b, this.a);
  }

  /** Gives the factors back; weight and bias stay the caller's. */
  dispose(): void {
    for (const tensor of [this.weight, this.bias, this.a, this.b]) tensor?.dispose();
  }

  /** Disposes. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}
