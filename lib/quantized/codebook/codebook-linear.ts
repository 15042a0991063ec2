import { allOrNone, filled } from '../../core/all-or-none.ts';
import * as check from '../../core/check.ts';
import { OrthokitError, refusal } from '../../core/errors.ts';
import { ops } from '../../core/native-ops.ts';
import {
  count,
  type Option,
  type Resolved,
  readOptions,
  required,
  type Schema,
  watchers,
  whole,
} from '../../core/schema.ts';
import type { TaskOptions } from '../../core/task.ts';
import { isTensor, Tensor } from '../../core/tensor.ts';
import { type Applied, type Arg, buffer, type Value } from '../../nn/index.ts';
import { isRunning } from '../../nn/tape/running.ts';
import { packedBytes } from '../layers/packed-codes.ts';
import { bitsFor } from './bits-for.ts';
import { clustered } from './clustered.ts';
import { codebookProduct } from './codebook-product.ts';
import type { CodebookParts, CodebookProgress } from './parts.ts';
import { finiteOutputs, type RefineOptions, type RefineResult, refined } from './refined.ts';

/** Codebooks that two bytes a row can name. */
const mostGroups = 65_536;

/** Options of {@link CodebookLinear.compress}. */
export interface CodebookLinearOptions extends TaskOptions<CodebookProgress> {
  /** Numbers of a codebook: whole, 2 to 256. It has no default. */
  readonly codes: number;
  /**
   * Codebooks: rows of the weight are ordered by their standard deviation and cut into so many blocks of as many rows,
   * or one more, each with a codebook of its own. Whole, from 1 to the rows, and at most 65,536. Default: 1.
   */
  readonly groups?: number | undefined;
  /**
   * Seed of the first borders of codebooks of many different numbers (`ops.kmeansRows`): whole, 0 to 2^53. Default: 0.
   */
  readonly seed?: number | undefined;
  /** `[out]`, f32, frozen. Default: none. */
  readonly bias?: Tensor | undefined;
}

const schema: Schema<Resolved<CodebookLinearOptions, 'bias' | 'signal' | 'onProgress'>> = {
  codes: required(whole(16, 2, 256)),
  groups: whole(1, 1, mostGroups),
  seed: whole(0, 0, 2 ** 53),
  bias: check.tensorOption,
  ...watchers<CodebookProgress>(),
};

const tensorPart: Option<Tensor> = required({
  default: undefined as unknown as Tensor,
  wrong: (x) => (isTensor(x) ? undefined : 'must be a Tensor'),
});
const partsSchema: Schema<Resolved<CodebookParts, 'bias'>> = {
  codes: tensorPart,
  codebooks: tensorPart,
  rowBooks: tensorPart,
  inputs: required(count(1)),
  bits: required(whole(4, 1, 8)),
  bias: check.tensorOption,
};

/** The weight of which a layer was made, the caller's, for {@link CodebookLinear.refine}. */
const weights = new WeakMap<CodebookLinear, Tensor>();
/** Layers on which {@link CodebookLinear.refine} runs. */
const refining = new WeakSet<CodebookLinear>();

/**
 * A linear layer whose weights are numbers of codebooks: a code of ⌈log₂ codes⌉ bits an element, and one codebook for
 * each group of rows that are alike. y = x·Wᵀ + bias, where W is never in memory. It stands in a model where a linear
 * layer was; `nn.linear` calls it, and differentiates to x and to the codebooks, which are its parameters.
 *
 * Source: JLCM (Yvinec, Dapogny, Bailly), jointly learnable codebooks and mappings. Its program is not public: the
 * order of rows by their standard deviation, and what {@link CodebookLinear.refine} does, are our reading of it.
 *
 * @example
 * const layer = await CodebookLinear.compress(weight, { codes: 16, groups: 4 });
 * const y = layer.apply(x);
 */
export class CodebookLinear implements Applied {
  /** Packed, u8 `[out, bytes of a row]`, frozen: docs/design/packed-codes.md. */
  readonly codes: Tensor;
  /** `[groups, codes]`, f32: the parameters. */
  readonly codebooks: Tensor;
  /** The codebook of each row: u8 `[out, 2]`, the lower byte first; frozen. */
  readonly rowBooks: Tensor;
  /** `[out]`, frozen: the bytes of the caller's. */
  readonly bias: Tensor | undefined;
  /** Columns of the weight. */
  readonly inputs: number;
  /** Bits of a code. */
  readonly bits: number;

  private constructor({ codes, codebooks, rowBooks, inputs, bits, bias }: CodebookParts) {
    this.codes = buffer(codes);
    this.codebooks = codebooks;
    this.rowBooks = buffer(rowBooks);
    this.bias = bias && buffer(bias.reshape(bias.shape));
    this.inputs = inputs;
    this.bits = bits;
  }

  /** A layer to which the tensors go, but for the bias; they are given back where it cannot be made. */
  static #of(parts: CodebookParts): CodebookLinear {
    try {
      return new CodebookLinear(parts);
    } catch (error) {
      for (const tensor of [parts.codes, parts.codebooks, parts.rowBooks]) tensor.dispose();
      throw error;
    }
  }

  /**
   * The weight by k-means of its numbers, a codebook a group of rows. It counts as it is at the call. The layer knows
   * the tensor for {@link CodebookLinear.refine}, until that is disposed: then its memory is free.
   *
   * Memory, besides the layer: the weight in f32 up to four times.
   *
   * @param weight `[out, in]`, floating
   * @throws ERR_ARGUMENT for options, more groups than rows, NaN and infinity; ERR_SHAPE for what is no matrix, or
   * empty; ERR_DTYPE, ERR_DEVICE, ERR_DISPOSED; ERR_MEMORY; the signal's reason when aborted
   */
  static async compress(weight: Tensor, options: CodebookLinearOptions): Promise<CodebookLinear> {
    const where = 'CodebookLinear.compress';
    check.tensor(where, 'weight', weight, { rank: 2, dtypes: check.floating, filled: true });
    const given = readOptions(where, options, schema);
    const { bias, groups } = given;
    const { device, shape } = weight;
    if (groups > shape[0]!) throw refusal(where, 'groups', `be at most ${shape[0]}, the rows of the weight`, groups);
    if (bias) check.tensor(where, 'bias', bias, { dtypes: ['f32'], shape: [shape[0]], device });
    using own = bias?.reshape(bias.shape);
    const parts = await clustered({ op: where, tensor: 'weight' }, weight, { ...given, bits: bitsFor(given.codes) });
    const layer = CodebookLinear.#of({ ...parts, bias: own });
    weights.set(layer, weight);
    return layer;
  }

  /**
   * A layer of codes and codebooks that are there already, such as from a file: it has their bytes, and the tensors
   * stay the caller's. Codes that their codebook does not have show in products as NaN, and to
   * {@link CodebookLinear.codeCounts}.
   * @throws ERR_ARGUMENT; ERR_SHAPE for codes whose rows do not have the bytes of `inputs` codes, such as from a file
   * that was cut, and for parts that do not fit each other; ERR_DTYPE, ERR_DEVICE, ERR_DISPOSED
   */
  static from(parts: CodebookParts): CodebookLinear {
    const where = 'CodebookLinear.from';
    const given = readOptions(where, parts, partsSchema);
    const { codes, codebooks, rowBooks, inputs, bits, bias } = given;
    check.tensor(where, 'codes', codes, { rank: 2, dtypes: ['u8'], filled: true });
    const { device } = codes;
    const bytes = packedBytes(inputs, bits);
    if (codes.shape[1] !== bytes)
      throw refusal(where, 'codes', `have rows of ${bytes} bytes, of ${inputs} codes`, `[${codes.shape}]`, 'ERR_SHAPE');
    const [outputs] = codes.shape as [number];
    check.tensor(where, 'codebooks', codebooks, { rank: 2, dtypes: ['f32'], device, filled: true });
    if (codebooks.shape[1]! > 2 ** bits)
      throw refusal(where, 'codebooks', `have rows of at most ${2 ** bits}`, `[${codebooks.shape}]`, 'ERR_SHAPE');
    check.tensor(where, 'rowBooks', rowBooks, { dtypes: ['u8'], shape: [outputs, 2], device });
    if (bias !== undefined) check.tensor(where, 'bias', bias, { dtypes: ['f32'], shape: [outputs], device });
    const views = allOrNone(
      () => codes.reshape(codes.shape),
      () => codebooks.reshape(codebooks.shape),
      () => rowBooks.reshape(rowBooks.shape),
    );
    return CodebookLinear.#of({ ...given, codes: views[0], codebooks: views[1], rowBooks: views[2] });
  }

  /** Codebooks. */
  get groups(): number {
    return this.codebooks.shape[0]!;
  }

  /** `[codebooks]`. */
  get parameters(): readonly Tensor[] {
    return [this.codebooks];
  }

  /** Bytes of codes, codebooks, the codebook's number of each row, and bias. */
  get byteLength(): number {
    const { codes, codebooks, rowBooks, bias } = this;
    return codes.byteLength + codebooks.byteLength + rowBooks.byteLength + (bias?.byteLength ?? 0);
  }

  /**
   * The layer of x `[…, in]`, f32: inside of a call of `nn` a value, outside of one a new tensor, the caller's.
   * @throws ERR_SHAPE, ERR_DTYPE, ERR_DEVICE, ERR_DISPOSED
   */
  apply(x: Tensor): Tensor;
  apply(x: Arg): Value;
  apply(x: Arg): Tensor & Value {
    const { codes, codebooks, rowBooks, bias, inputs, bits } = this;
    if (isRunning()) return codebookProduct(x, codebooks, bias, { codes, rowBooks, bits }) as Tensor & Value;
    const where = 'CodebookLinear.apply';
    check.tensor(where, 'x', x, { dtypes: ['f32'], device: codebooks.device });
    if (x.shape.at(-1) !== inputs)
      throw refusal(where, 'x', `have a last axis of ${inputs}`, `[${x.shape}]`, 'ERR_SHAPE');
    check.alive(where, 'layer', codebooks);
    const outputs = codes.shape[0]!;
    using rows = x.reshape([x.size / inputs, inputs]);
    const made = new Tensor(x.device, [...x.shape.slice(0, -1), outputs], 'f32');
    return filled(made, (y) => {
      using out = y.reshape([x.size / inputs, outputs]);
      ops.codebookGemm(x.device, { x: rows, codes, codebooks, rowBooks, bias, out, bits });
    }) as Tensor & Value;
  }

  /** W, f32 `[out, in]`: a new tensor, the caller's. @throws ERR_DISPOSED, ERR_MEMORY */
  dequantize(): Tensor {
    const { codes, codebooks, rowBooks, inputs, bits } = this;
    check.alive('CodebookLinear.dequantize', 'layer', codebooks);
    return filled(new Tensor(codes.device, [codes.shape[0]!, inputs], 'f32'), (out) =>
      ops.decodeCodes(codes.device, { codes, codebooks, rowBooks, out, bits }),
    );
  }

  /** The same: the weight of a linear layer that does what this one does. @throws ERR_DISPOSED, ERR_MEMORY */
  merge(): Tensor {
    return this.dequantize();
  }

  /**
   * Number of elements that have each number of each codebook, `[groups · codes]` in rows of a codebook: 0 for a number
   * that none has.
   * @throws ERR_STATE for codes that their codebook does not have; ERR_DISPOSED, ERR_MEMORY
   */
  async codeCounts(): Promise<Float64Array> {
    const where = 'CodebookLinear.codeCounts';
    const { codes, codebooks, rowBooks, inputs, bits } = this;
    const { device } = codes;
    check.alive(where, 'layer', codebooks);
    const [sums, outside] = allOrNone(
      () => new Tensor(device, codebooks.shape, 'f64'),
      () => new Tensor(device, [1], 'f64'),
    );
    using own = sums;
    using beyond = outside;
    ops.codeSums(device, { codes, rowBooks, sums: own, outside: beyond, bits, columns: inputs });
    const [counts, [wrong]] = await Promise.all([own.read(), beyond.read()]);
    if (wrong! > 0)
      throw new OrthokitError('ERR_STATE', `${where}: codes must be of their codebook, got ${wrong} that are not`);
    return counts as Float64Array;
  }

  /**
   * Moves codes and codebooks so that outputs for inputs like x come nearer to those of the weight: a step has the
   * gradient of the relative output error, tr((Q − W)·S·(Q − W)ᵀ) / tr(W·S·Wᵀ) with S = xᵀ·x / rows, by Q; codebooks
   * follow that of their numbers, and each element moves to the number whose logit is the largest, both by Adam with
   * rates that fall to 0 in a line. Nothing changes unless the call succeeds.
   *
   * Memory while it runs: in f32 three matrices `[out, in]` and one `[in, in]`, and for logits seven more `[out, in]`,
   * for the mapping `'default'` 2 · codes + 1; the codes twice.
   *
   * @param x `[rows, in]`, f32: inputs of the layer, from calibration. With fewer than about 4 · in rows the error of
   * other inputs may grow while that of these falls.
   * @throws ERR_ARGUMENT for options, NaN and infinity, and x or a weight of zeros alone; ERR_STATE without a weight
   * that is alive, and while another call on the layer runs; ERR_SHAPE, ERR_DTYPE, ERR_DEVICE, ERR_DISPOSED,
   * ERR_MEMORY; the signal's reason when aborted
   */
  async refine(x: Tensor, options: RefineOptions = {}): Promise<RefineResult> {
    const where = 'CodebookLinear.refine';
    if (refining.has(this))
      throw new OrthokitError(
        'ERR_STATE',
        `${where}: must be called once the last call on the layer has ended, got a second call`,
      );
    refining.add(this);
    try {
      const result = await refined(where, this, x, options, weights.get(this));
      if (!result) throw refusal(where, 'x', finiteOutputs, 'an energy of 0');
      return result;
    } finally {
      refining.delete(this);
    }
  }

  /** Gives the memory of the layer back; the bias stays the caller's. */
  dispose(): void {
    for (const tensor of [this.codes, this.codebooks, this.rowBooks, this.bias]) tensor?.dispose();
  }

  /** Disposes. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** The bytes of a layer of such a weight without a bias, before it is made. */
export const codebookBytes = (rows: number, columns: number, codes: number, groups: number): number =>
  rows * packedBytes(columns, bitsFor(codes)) + 4 * groups * codes + 2 * rows;
