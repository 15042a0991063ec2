import { allOrNone, filled } from '../core/all-or-none.ts';
import * as check from '../core/check.ts';
import { OrthokitError, refusal } from '../core/errors.ts';
import { ops } from '../core/native-ops.ts';
import { count, kind, type Option, type Resolved, readOptions, required, type Schema, word } from '../core/schema.ts';
import { isTensor, Tensor } from '../core/tensor.ts';
import * as vectors from '../core/vectors.ts';
import { type Applied, type Arg, buffer, type Value } from '../nn/index.ts';
import { isRunning } from '../nn/tape/running.ts';
import { isArg, tensorOf } from '../nn/tape/value.ts';
import { packedBytes } from './layers/packed-codes.ts';
import { quantizedProduct, resized } from './layers/quantized-product.ts';

/** Bits of a code of a {@link QuantLinear}. */
export type QuantBits = 2 | 3 | 4 | 8;

/** Numbers that a {@link QuantLinear} multiplies: those of x, or they rounded to 8 bits. */
export type QuantActivations = 'f32' | 'i8';

/** Options of {@link QuantLinear.quantize}. */
export interface QuantizeOptions {
  /** Bits of a code: 2, 3, 4 or 8. Default: 4. */
  readonly bits?: QuantBits | undefined;
  /**
   * Neighbours in a row that share a scale; divides the width. Products are fastest for 32, 64 and multiples of 128.
   * Default: 64.
   */
  readonly group?: number | undefined;
  /** `[out]`, f32, frozen. Default: none. */
  readonly bias?: Tensor | undefined;
  /**
   * `'i8'`: x is rounded to 8 bits in each row and group, with the scale max |x| / 127, and on the CPU few rows, of 4
   * bits any number, are multiplied as integers. Gradients are those of the layer without this rounding. Default:
   * `'f32'`.
   */
  readonly activations?: QuantActivations | undefined;
}

/** Packed codes and their scales, such as a file has: {@link QuantLinear.from}. */
export interface QuantLinearParts {
  /** u8, `[out, bytes of a row]`, as docs/design/packed-codes.md says. */
  readonly codes: Tensor;
  /** f32, `[out, in / group]`. */
  readonly scales: Tensor;
  /** The width of the matrix, which `codes` may not tell. */
  readonly inputs: number;
  /** Bits of a code. */
  readonly bits: QuantBits;
  /** `[out]`, f32, frozen. Default: none. */
  readonly bias?: Tensor | undefined;
  /**
   * `'i8'`: x is rounded to 8 bits in each row and group, with the scale max |x| / 127, and on the CPU few rows, of 4
   * bits any number, are multiplied as integers. Gradients are those of the layer without this rounding. Default:
   * `'f32'`.
   */
  readonly activations?: QuantActivations | undefined;
}

/** Options of {@link QuantLinear.apply}. */
export interface QuantApplyOptions {
  /** f32 `[out, in / group]`, such as perturbed ones; in a call of `nn` also a value. Default: those of the layer. */
  readonly scales?: Arg | undefined;
}

const tensorOption: Option<Tensor> = {
  default: undefined as unknown as Tensor,
  wrong: (x) => (isTensor(x) ? undefined : 'must be a Tensor'),
};
const bitsOption: Option<QuantBits> = {
  default: 4,
  wrong: (x) => ([2, 3, 4, 8].includes(x) ? undefined : 'must be 2, 3, 4 or 8'),
};
const activations = word<QuantActivations>(['f32', 'i8'], 'f32');
const quantizeSchema: Schema<Resolved<QuantizeOptions, 'bias'>> = {
  bits: bitsOption,
  group: count(64),
  bias: check.tensorOption,
  activations,
};
const partsSchema: Schema<Resolved<QuantLinearParts, 'bias'>> = {
  codes: required(tensorOption),
  scales: required(tensorOption),
  inputs: required(count(1)),
  bits: required(bitsOption),
  bias: check.tensorOption,
  activations,
};
const applySchema: Schema<Resolved<QuantApplyOptions, 'scales'>> = {
  scales: kind(isArg, 'a tensor or a value'),
};

/**
 * A linear layer of 2, 3, 4 or 8 bits a weight: y = x·Wᵀ + bias with W[i, k] = code[i, k] · scales[i, ⌊k / group⌋]. The
 * codes stay; the scales are the parameter, f32 and live: what is written to them counts at the next product. It stands
 * in a model where a linear layer was; `nn.linear` calls it.
 *
 * Products read the packed codes as they are, and W is never in memory. They and the gradient of x take nothing
 * besides; the gradient of the scales takes two f32 matrices as large as W while it is computed, and {@link QZO} needs
 * none of them.
 *
 * @example
 * const layer = QuantLinear.quantize(weight, { bits: 4, group: 64 });
 * const y = layer.apply(x);
 */
export class QuantLinear implements Applied {
  /** Packed codes, u8 `[out, bytes of a row]`, frozen. */
  readonly codes: Tensor;
  /** `[out, in / group]`, f32: the parameter. */
  readonly scales: Tensor;
  /** `[out]`, frozen: the bytes of the caller's. */
  readonly bias: Tensor | undefined;
  /** Bits of a code. */
  readonly bits: QuantBits;
  /** The width of the matrix. */
  readonly inputs: number;
  /** Numbers that are multiplied: those of x, or they rounded to 8 bits. */
  readonly activations: QuantActivations;

  private constructor(
    codes: Tensor,
    scales: Tensor,
    { bias, bits, inputs, activations }: Resolved<Omit<QuantLinearParts, 'codes' | 'scales'>, 'bias'>,
  ) {
    this.codes = codes;
    this.scales = scales;
    this.bias = bias && buffer(bias.reshape(bias.shape));
    this.bits = bits;
    this.inputs = inputs;
    this.activations = activations;
  }

  /**
   * Rounds a matrix to codes: scale = max |w| / L of each group, L = 2^(bits−1) − 1, and codes −L … L to nearest,
   * halves to even. A group of zeros has the scale 0, and comes back as zeros. One with NaN or infinity has the scale
   * NaN, and what it is multiplied with is NaN: nothing is waited for, so nothing is thrown, but by
   * {@link QuantLinear.checkFinite}. The matrix is not kept.
   *
   * @param weight `[out, in]`: f32, f64, f16 or bf16
   * @throws ERR_ARGUMENT for options; ERR_SHAPE for what is no matrix, or empty, and for a group that does not divide
   * its width; ERR_DTYPE, ERR_DEVICE, ERR_DISPOSED; ERR_MEMORY
   */
  static quantize(weight: Tensor, options: QuantizeOptions = {}): QuantLinear {
    const where = 'QuantLinear.quantize';
    check.tensor(where, 'weight', weight, { rank: 2, dtypes: check.floating, filled: true });
    const { bits, group, bias, activations } = readOptions(where, options, quantizeSchema);
    const { device } = weight;
    const [outputs, inputs] = weight.shape as [number, number];
    if (inputs % group !== 0) throw refusal(where, 'group', `divide the width, ${inputs}`, group, 'ERR_SHAPE');
    if (bias !== undefined) check.tensor(where, 'bias', bias, { dtypes: ['f32'], shape: [outputs], device });
    const [codes, scales] = allOrNone(
      () => new Tensor(device, [outputs, packedBytes(inputs, bits)], 'u8'),
      () => new Tensor(device, [outputs, inputs / group], 'f32'),
    );
    try {
      ops.quantizeGroups(device, { x: weight, codes, scales, bits });
      return new QuantLinear(codes, scales, { bias, bits, inputs, activations });
    } catch (error) {
      codes.dispose();
      scales.dispose();
      throw error;
    }
  }

  /**
   * A layer of codes and scales that are there already, such as from a file: of their bytes, which stay the caller's.
   * @throws ERR_ARGUMENT; ERR_SHAPE for codes whose rows do not have the bytes of `inputs` codes, such as from a file
   * that was cut, and for scales that do not divide a row; ERR_DTYPE, ERR_DEVICE, ERR_DISPOSED
   */
  static from(parts: QuantLinearParts): QuantLinear {
    const where = 'QuantLinear.from';
    const { codes, scales, inputs, bits, bias, activations } = readOptions(where, parts, partsSchema);
    check.tensor(where, 'codes', codes, { rank: 2, dtypes: ['u8'] });
    const { device } = codes;
    const bytes = packedBytes(inputs, bits);
    if (codes.shape[1] !== bytes)
      throw refusal(where, 'codes', `have rows of ${bytes} bytes, of ${inputs} codes`, `[${codes.shape}]`, 'ERR_SHAPE');
    const [outputs] = codes.shape as [number];
    check.tensor(where, 'scales', scales, { dtypes: ['f32'], shape: [outputs, undefined], device, filled: true });
    const groups = scales.shape[1]!;
    if (inputs % groups !== 0)
      throw refusal(where, 'scales', `have a row that divides ${inputs}`, `[${scales.shape}]`, 'ERR_SHAPE');
    if (bias !== undefined) check.tensor(where, 'bias', bias, { dtypes: ['f32'], shape: [outputs], device });
    const [own, live] = allOrNone(
      () => codes.reshape(codes.shape),
      () => scales.reshape(scales.shape),
    );
    try {
      return new QuantLinear(own, live, { bias, bits, inputs, activations });
    } catch (error) {
      own.dispose();
      live.dispose();
      throw error;
    }
  }

  /** Neighbours in a row that share a scale. */
  get group(): number {
    return this.inputs / this.scales.shape[1]!;
  }

  /** `[scales]`. */
  get parameters(): readonly Tensor[] {
    return [this.scales];
  }

  /** Bytes of codes, scales and bias. */
  get byteLength(): number {
    return this.codes.byteLength + this.scales.byteLength + (this.bias?.byteLength ?? 0);
  }

  /**
   * The layer of x `[…, in]`, f32: inside of a call of `nn` a value, outside of one a new tensor, the caller's.
   * @throws ERR_ARGUMENT, ERR_SHAPE, ERR_DTYPE, ERR_DEVICE, ERR_DISPOSED
   */
  apply(x: Tensor, options?: QuantApplyOptions): Tensor;
  apply(x: Arg, options?: QuantApplyOptions): Value;
  apply(x: Arg, options: QuantApplyOptions = {}): Tensor & Value {
    const where = 'QuantLinear.apply';
    const { scales = this.scales } = readOptions(where, options, applySchema);
    const { codes, bias, bits, inputs, activations } = this;
    const [outputs] = codes.shape as [number];
    const { device } = codes;
    check.alive(where, 'the layer', codes);
    const given = isTensor(x) ? x : tensorOf(x);
    check.tensor(where, 'x', given, { dtypes: ['f32'], device });
    if (given.shape.at(-1) !== inputs)
      throw refusal(where, 'x', `have a last axis of ${inputs}`, `[${given.shape}]`, 'ERR_SHAPE');
    const own = isTensor(scales) ? scales : tensorOf(scales);
    check.tensor(where, 'scales', own, { dtypes: ['f32'], shape: tensorOf(this.scales).shape, device });
    if (isRunning()) return quantizedProduct(x, scales, bias, { codes, bits, inputs, activations }) as Tensor & Value;
    const rows = given.size / inputs;
    return filled(new Tensor(device, resized(given.shape, outputs), 'f32'), (out) => {
      using a = given.reshape([rows, inputs]);
      using c = out.reshape([rows, outputs]);
      ops.quantizedGemm(device, { a, codes, scales: own, c, bias, bits, transB: 'transposed', activations });
    }) as Tensor & Value;
  }

  /**
   * Waits for the scales, which are finite unless a group of the matrix had NaN, infinity or numbers beyond f32.
   * @throws ERR_STATE where one is not; ERR_DISPOSED, ERR_MEMORY
   */
  async checkFinite(): Promise<void> {
    const where = 'QuantLinear.checkFinite';
    const { scales } = this;
    check.alive(where, 'the layer', scales);
    using guard = vectors.scalar(scales.device);
    ops.checkFinite(scales.device, { x: [scales], guard });
    const [wrong] = await guard.read();
    if (wrong! > 0) throw new OrthokitError('ERR_STATE', `${where}: scales must be finite, got NaN or infinity`);
  }

  /** W as numbers, f32 `[out, in]`: a new tensor, the caller's. @throws ERR_DISPOSED, ERR_MEMORY */
  dequantize(): Tensor {
    const { codes, scales, bits, inputs } = this;
    check.alive('QuantLinear.dequantize', 'the layer', codes);
    return filled(new Tensor(codes.device, [codes.shape[0]!, inputs], 'f32'), (out) => {
      ops.dequantizeGroups(codes.device, { codes, scales, out, bits });
    });
  }

  /**
   * {@link QuantLinear.dequantize}, as layers that stand in for a linear one have it. @throws ERR_DISPOSED, ERR_MEMORY
   */
  merge(): Tensor {
    return this.dequantize();
  }

  /** Gives the memory of the layer back; what it was given, such as a bias, stays the caller's. */
  dispose(): void {
    for (const tensor of [this.codes, this.scales, this.bias]) tensor?.dispose();
  }

  /** Disposes: `using layer = QuantLinear.quantize(weight)`. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}
