// Codes and codebooks that are learned together, against the outputs of the weight for calibration inputs.
import * as check from '../../core/check.ts';
import { OrthokitError, refusal } from '../../core/errors.ts';
import { ops } from '../../core/native-ops.ts';
import { Owned } from '../../core/owned.ts';
import {
  count,
  optional,
  positive,
  type Resolved,
  readOptions,
  type Schema,
  watchers,
  word,
} from '../../core/schema.ts';
import { Task, type TaskOptions } from '../../core/task.ts';
import { Tensor } from '../../core/tensor.ts';
import * as vectors from '../../core/vectors.ts';
import type { CodebookParts } from './parts.ts';

/** Progress of {@link CodebookLinear.refine}, told after each step. */
export interface RefineProgress {
  /** Steps done. */
  readonly iterations: number;
  /** The relative output error now. */
  readonly error: number;
}

/** Options of {@link CodebookLinear.refine}. */
export interface RefineOptions extends TaskOptions<RefineProgress> {
  /** Steps: whole, from 1 on. Default: 300. */
  readonly steps?: number | undefined;
  /** Rate of logits at first, above 0; not of the mapping `'frozen'`. Default: 0.01. */
  readonly lr?: number | undefined;
  /** Rate of codebooks at first, above 0, as a share of the weight's root mean square. Default: 0.001. */
  readonly codebookLr?: number | undefined;
  /**
   * The pull on a number of the codebook at a distance d of the element's own: `'proximal'`, 1 / |d|, of the two next
   * ones alone; `'default'`, |d|, of all, as the chain rule says, by which elements jump to the ends of their
   * codebook; `'frozen'`: codes stay, codebooks move. Default: `'proximal'`.
   */
  readonly mapping?: 'proximal' | 'default' | 'frozen' | undefined;
  /**
   * The layer has the `'best'` of all steps, the one before the first included, or the `'last'`. Default: `'best'`, and
   * `'last'` for the mapping `'default'`, which is there to be compared with.
   */
  readonly keep?: 'best' | 'last' | undefined;
  /** The weight, `[out, in]`, floating. Default: that of which the layer was made. */
  readonly weight?: Tensor | undefined;
}

/** The result of {@link CodebookLinear.refine}. */
export interface RefineResult {
  /** The relative output error before. */
  readonly before: number;
  /** The relative output error of what the layer has now. */
  readonly after: number;
  /** Steps done. */
  readonly iterations: number;
  /** `'diverged'`: an error was not finite, and the steps ended there; the layer has the best before it. */
  readonly status: 'max-iterations' | 'diverged';
  /** Numbers of codebooks that no element has. They keep their values. */
  readonly deadCodes: number;
}

const schema: Schema<Resolved<RefineOptions, 'lr' | 'keep' | 'weight' | 'signal' | 'onProgress'>> = {
  steps: count(300),
  lr: optional(positive(0.01)),
  codebookLr: positive(0.001),
  mapping: word(['proximal', 'default', 'frozen'], 'proximal'),
  keep: optional(word(['best', 'last'], 'best')),
  weight: check.tensorOption,
  ...watchers<RefineProgress>(),
};

export const finiteOutputs = 'give outputs of the weight that are finite and not all 0';

const beta1 = 0.9;
const beta2 = 0.999;

/** Nothing where all outputs are 0: the layer stays as it is then. */
export async function refined(
  where: string,
  layer: CodebookParts,
  x: Tensor,
  options: RefineOptions,
  original: Tensor | undefined,
): Promise<RefineResult | undefined> {
  check.alive(where, 'layer', layer.codebooks);
  const { inputs, codes, codebooks } = layer;
  const { device } = codes;
  check.tensor(where, 'x', x, { dtypes: ['f32'], shape: [undefined, inputs], device, filled: true });
  const given = readOptions(where, options, schema);
  const { mapping, keep = mapping === 'default' ? 'last' : 'best' } = given;
  if (mapping === 'frozen' && given.lr !== undefined)
    throw refusal(where, 'lr', "be left out for the mapping 'frozen', which has no logits", given.lr);
  const weight = given.weight ?? original;
  if (!weight || (weight === original && !given.weight && weight.disposed))
    throw new OrthokitError('ERR_STATE', `${where}: weight must be given, or that of the layer be alive, got neither`);
  const shape = [codes.shape[0]!, inputs];
  check.tensor(where, 'weight', weight, { dtypes: check.floating, shape, device });

  using task = new Task<RefineProgress>(device, given);
  using owned = new Owned<Tensor>();
  const learning = new Learning(task, owned, layer, { weight, x, mapping });
  const scale = await learning.scale(where);
  if (scale === undefined) return undefined;
  const { steps, lr = 0.01, codebookLr } = given;
  let before = Number.NaN;
  let best = Number.POSITIVE_INFINITY;
  let error = Number.NaN;
  let done = 0;
  for (; ; ++done) {
    error = await learning.error();
    if (done === 0) before = best = error;
    if (!Number.isFinite(error)) break;
    if (done === 0 || error < best) {
      best = error;
      learning.remember();
    }
    if (done > 0) task.report({ iterations: done, error });
    if (done === steps) break;
    const fall = 1 - done / steps;
    learning.step(done + 1, fall * lr, fall * codebookLr * scale);
  }
  const status = Number.isFinite(error) ? 'max-iterations' : 'diverged';
  const after = keep === 'best' || status === 'diverged' ? best : error;
  if (after !== error) learning.recall();
  const deadCodes = await learning.deadCodes();
  check.alive(where, 'layer', layer.codebooks);
  ops.copy(device, { x: [learning.codes, learning.codebooks], out: [codes, codebooks] });
  return { before, after, iterations: done, status, deadCodes };
}

interface Given {
  readonly weight: Tensor;
  readonly x: Tensor;
  readonly mapping: 'proximal' | 'default' | 'frozen';
}

/** Copies of codes and codebooks that are learned, and all that a step needs. */
class Learning {
  readonly codes: Tensor;
  readonly codebooks: Tensor;
  readonly #task: Task<RefineProgress>;
  readonly #layer: CodebookParts;
  readonly #mapping: Given['mapping'];
  readonly #best: readonly [codes: Tensor, codebooks: Tensor];
  readonly #weight: Tensor;
  /** Second moments of the inputs; then 2 / (their energy in the outputs of the weight) times those. */
  readonly #moments: Tensor;
  readonly #difference: Tensor;
  readonly #gradient: Tensor;
  readonly #books: {
    readonly gradient: Tensor;
    readonly momentum: Tensor;
    readonly squares: Tensor;
    readonly move: Tensor;
  };
  readonly #logits: { readonly logits: Tensor; readonly momentum: Tensor; readonly squares: Tensor } | undefined;
  readonly #error: Tensor;
  #energy = Number.NaN;

  constructor(task: Task<RefineProgress>, owned: Owned<Tensor>, layer: CodebookParts, { weight, x, mapping }: Given) {
    const { device, queue } = task;
    const shape = [layer.codes.shape[0]!, layer.inputs] as const;
    const made = (sizes: readonly number[]): Tensor => owned.add(new Tensor(device, sizes, 'f32'));
    const zeros = (sizes: readonly number[]): Tensor => owned.add(Tensor.zeros(device, sizes));
    this.#task = task;
    this.#layer = layer;
    this.#mapping = mapping;
    this.codes = owned.add(layer.codes.copy());
    this.codebooks = owned.add(layer.codebooks.copy());
    this.#best = [owned.add(layer.codes.copy()), owned.add(layer.codebooks.copy())];
    this.#weight = owned.add(weight.dtype === 'f32' ? weight.copy() : weight.cast('f32'));
    this.#moments = made([layer.inputs, layer.inputs]);
    ops.gemm(queue, { a: x, b: x, c: this.#moments, transA: 'transposed', alpha: 1 / x.shape[0]! });
    this.#difference = made(shape);
    this.#gradient = made(shape);
    const books = layer.codebooks.shape;
    this.#books = { gradient: made(books), momentum: zeros(books), squares: zeros(books), move: made(books) };
    this.#error = owned.add(new Tensor(device, [2], 'f64'));
    if (mapping === 'frozen') return;
    const count = mapping === 'default' ? books[1]! : 3;
    this.#logits = {
      logits: zeros([count, ...shape]),
      momentum: zeros([count, ...shape]),
      squares: zeros(shape),
    };
    this.#begin(count);
  }

  /** Logits at first: 1 for the element's code. */
  #begin(count: number): void {
    const { logits } = this.#logits!;
    const { codes, bits, inputs, rowBooks } = this.#layer;
    const { device, queue } = this.#task;
    if (this.#mapping === 'proximal') {
      using own = logits.rows(1, 2);
      ops.fill(queue, { x: [own], value: 1 });
      return;
    }
    // An element has code k where a codebook of zeros, but for a 1 in place k, decodes it to 1.
    using marks = Tensor.zeros(device, this.codebooks.shape);
    const [groups] = this.codebooks.shape as [number];
    for (let k = 0; k < count; ++k) {
      const data = new Float32Array(groups * count);
      for (let b = 0; b < groups; ++b) data[b * count + k] = 1;
      marks.write(data);
      using plane = logits.rows(k, k + 1);
      using out = plane.reshape([codes.shape[0]!, inputs]);
      ops.decodeCodes(queue, { codes, codebooks: marks, rowBooks, out, bits });
    }
  }

  /** The root mean square of the weight, or nothing where outputs are 0. @throws ERR_ARGUMENT for NaN and infinity */
  async scale(where: string): Promise<number | undefined> {
    const { queue } = this.#task;
    ops.gemm(queue, { a: this.#weight, b: this.#moments, c: this.#gradient });
    vectors.dots(
      queue,
      [
        [this.#weight, this.#gradient],
        [this.#weight, this.#weight],
      ],
      this.#error,
    );
    const [[energy, squares]] = await this.#task.readAll(this.#error);
    if (!Number.isFinite(squares!)) throw refusal(where, 'weight', 'be finite in f32', 'NaN or infinity');
    if (!Number.isFinite(energy!)) throw refusal(where, 'x', finiteOutputs, `an energy of ${energy}`);
    if (energy! <= 0) return undefined;
    this.#energy = energy!;
    return Math.sqrt(squares! / this.#weight.size);
  }

  /** The relative output error of codes and codebooks as they are; its gradient is there then. */
  async error(): Promise<number> {
    const { queue } = this.#task;
    const { rowBooks, bits } = this.#layer;
    const { codes, codebooks } = this;
    const [difference, gradient] = [this.#difference, this.#gradient];
    ops.decodeCodes(queue, { codes, codebooks, rowBooks, out: difference, bits });
    vectors.axpy(queue, -1, this.#weight, difference);
    ops.gemm(queue, { a: difference, b: this.#moments, c: gradient });
    using out = this.#error.rows(0, 1);
    vectors.dots(queue, [[difference, gradient]], out);
    const [[error]] = await this.#task.readAll(out);
    // A sum of rounded products may be a little below 0 where there is no error.
    return Math.max(0, error! / this.#energy);
  }

  /** The step of this number, from 1 on. */
  step(number: number, lr: number, codebookLr: number): void {
    const { queue } = this.#task;
    const { rowBooks, bits, inputs } = this.#layer;
    const { codes, codebooks } = this;
    const { gradient, momentum, squares, move } = this.#books;
    const slope = 2 / this.#energy;
    const correction1 = 1 - beta1 ** number;
    const correction2 = 1 - beta2 ** number;
    const grad = this.#gradient;
    vectors.combine(queue, grad, [slope, grad]);
    ops.codeSums(queue, { codes, rowBooks, x: grad, sums: gradient, bits, columns: inputs });
    if (this.#logits)
      ops.refineCodes(queue, {
        ...this.#logits,
        ...{ grad, codebooks, rowBooks, codes, bits, lr, beta1, beta2, correction1, correction2 },
        ...(this.#mapping === 'default' ? { pull: 'default', reach: 'all' } : {}),
      });
    vectors.combine(queue, momentum, [beta1, momentum], [1 - beta1, gradient]);
    ops.multiply(queue, { x: [gradient], y: [gradient], out: [gradient] });
    vectors.combine(queue, squares, [beta2, squares], [1 - beta2, gradient]);
    // A number that no element has stays: its momentum is 0, and so is what it is divided by.
    vectors.combine(queue, move, [1 / correction2, squares]);
    ops.map(queue, { x: [move], out: [move], function: 'sqrt' });
    ops.map(queue, { x: [move], out: [move], function: 'clamp', parameters: [1e-30, 3e38] });
    ops.divide(queue, { x: [momentum], y: [move], out: [move] });
    vectors.axpy(queue, -codebookLr / correction1, move, codebooks);
  }

  remember(): void {
    ops.copy(this.#task.queue, { x: [this.codes, this.codebooks], out: this.#best });
  }

  recall(): void {
    ops.copy(this.#task.queue, { x: this.#best, out: [this.codes, this.codebooks] });
  }

  async deadCodes(): Promise<number> {
    const { queue } = this.#task;
    const { rowBooks, bits, inputs } = this.#layer;
    const sums = this.#books.gradient;
    ops.codeSums(queue, { codes: this.codes, rowBooks, sums, bits, columns: inputs });
    const [counts] = await this.#task.readAll(sums);
    return (counts as Float32Array).filter((members) => members === 0).length;
  }
}
