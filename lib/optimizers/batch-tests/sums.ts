// Sums over the gradients of samples, on the device: two reads of them, and for single coordinates a third one.
import * as check from '../../core/check.ts';
import { refusal, shown } from '../../core/errors.ts';
import { ops } from '../../core/native-ops.ts';
import { isListOf, isRecord } from '../../core/options.ts';
import { Owned } from '../../core/owned.ts';
import type { SampleProducts } from '../../core/sample-products.ts';
import { isTensor, Tensor } from '../../core/tensor.ts';

/** Gradients of samples: floating `[samples, …]` each, one for each parameter. */
export type SampleGradients = readonly Tensor[] | ReadonlyMap<Tensor, Tensor>;

/**
 * A batch whose gradients were added up micro-batch by micro-batch, so that none of them is there: for the test `norm`.
 */
export interface AccumulatedGradients {
  /** ḡ, the mean over the batch: floating, one for each parameter, in a list or a map. */
  readonly mean: SampleGradients;
  /** Squared lengths |gᵢ|² of all samples, f64 `[k]`, a tensor a micro-batch as `perSample: 'products'` gives them. */
  readonly squares: readonly Tensor[];
  /**
   * The number of samples that each square is of: 1, or, where the squares are those of the means of micro-batches, as
   * workers have them, the samples of each. Then the variance is estimated from that of the means. Default 1.
   */
  readonly samples?: number | undefined;
}

/** Products of one vector: of all parameters together, or of one of them. */
export interface VectorProducts {
  /** |gᵢ|² of each sample. */
  readonly squares: Float64Array;
  /** ⟨gᵢ, ḡ⟩ of each sample. */
  readonly dots: Float64Array;
  /** |ḡ|². */
  readonly squaredNorm: number;
}

/** The numbers that are read. */
export interface Sums {
  readonly vectors: readonly VectorProducts[];
  /** Samples that each square is of, where only squares and the mean are known. */
  readonly accumulated?: number;
  /** The largest variance of a coordinate over the square of its mean, times b − 1; a mean of 0 does not count. */
  readonly coordinate?: number;
}

const where = 'AdaptiveBatch.observe';
const least = 2;
/** Below the square of any f32: a quotient of zeros becomes 0. */
const tiny = 2 ** -1022;
/** Columns of segmentReduce: x·x, x·y and y·y are the last three. */
const columns = 6;

function samplesOf(name: string, x: Tensor): number {
  const [samples = 0] = x.shape;
  if (samples < least) throw refusal(where, name, `have ${least} samples or more`, `[${x.shape}]`, 'ERR_SHAPE');
  return samples;
}

/** The tensors of a list or a map, all of equally many samples. */
function tensorsOf(perSample: unknown): readonly [Tensor, ...Tensor[]] {
  const list: unknown = perSample instanceof Map ? [...perSample.values()] : perSample;
  if (!Array.isArray(list) || list.length === 0)
    throw refusal(
      where,
      'perSample',
      'be tensors [samples, …], or their products',
      Array.isArray(list) ? 'none' : shown(list),
    );
  const [first] = list as readonly unknown[];
  check.tensor(where, 'perSample[0]', first, { dtypes: check.floating, filled: true });
  const samples = samplesOf('perSample[0]', first);
  for (const [i, x] of list.entries()) {
    const name = `perSample[${i}]`;
    check.tensor(where, name, x, { dtypes: check.floating, filled: true, device: first.device });
    if (x.shape[0] !== samples)
      throw refusal(where, name, `have ${samples} samples, as the first one`, `[${x.shape}]`, 'ERR_SHAPE');
  }
  return list as unknown as [Tensor, ...Tensor[]];
}

/** The largest (Σ gᵢ² − b ḡ²) / ḡ² of a coordinate, of the mean f64 `[1, d]` of x `[1, b, d]`, which is lost. */
function queueCoordinate(x: Tensor, mean: Tensor, out: Tensor, owned: Owned): void {
  const { device, shape } = mean;
  const [deviations, counts] = [0, 1].map(() => owned.add(new Tensor(device, shape, 'f64'))) as [Tensor, Tensor];
  ops.columnReduce(device, { x, out: deviations, reduction: 'sum_of_squares' });
  ops.multiply(device, { out: [mean], x: [mean], y: [mean] });
  ops.linearCombination(device, { out: [deviations], terms: [deviations, mean], coefficients: [1, -x.shape[1]!] });
  ops.map(device, { out: [counts], x: [mean], function: 'sign' });
  ops.multiply(device, { out: [deviations], x: [deviations], y: [counts] });
  ops.map(device, { out: [mean], x: [mean], function: 'clamp', parameters: [tiny, Infinity] });
  ops.divide(device, { out: [deviations], x: [deviations], y: [mean] });
  ops.rowReduce(device, { x: deviations, out, reduction: 'max' });
}

/** One vector of numbers `[samples, 6]`, as segmentReduce gives them for the rows and their mean. */
function vectorOf(numbers: Float64Array): VectorProducts {
  const column = (at: number) =>
    Float64Array.from({ length: numbers.length / columns }, (_, i) => numbers[columns * i + at]!);
  return { squares: column(3), dots: column(4), squaredNorm: numbers[5]! };
}

/** The rows of each tensor with their mean, and their products `[tensors · samples, 6]`. */
function queueProducts(tensors: readonly [Tensor, ...Tensor[]], owned: Owned) {
  const [
    {
      device,
      shape: [samples = 0],
    },
  ] = tensors;
  const [rows, means]: [Tensor[], Tensor[]] = [[], []];
  const parts = tensors.map((tensor) => {
    const width = tensor.size / samples;
    const x = owned.add(tensor.reshape([1, samples, width]));
    const mean = owned.add(new Tensor(device, [1, width], 'f64'));
    ops.columnReduce(device, { x, out: mean, reduction: 'mean' });
    const flat = owned.add(tensor.reshape([samples, width]));
    for (let i = 0; i < samples; ++i) {
      rows.push(owned.add(flat.rows(i, i + 1)));
      means.push(mean);
    }
    return { x, mean };
  });
  const products = owned.add(new Tensor(device, [rows.length, columns], 'f64'));
  ops.segmentReduce(device, { x: rows, y: means, out: products });
  return { parts, products };
}

/** Sums by gradients: all parameters as one vector, or each by itself (`perTensor`). */
async function sumsOfGradients(perSample: SampleGradients, perTensor: boolean, coordinate: boolean): Promise<Sums> {
  using owned = new Owned();
  const tensors = tensorsOf(perSample);
  const [
    {
      device,
      shape: [samples = 0],
    },
  ] = tensors;
  const { parts, products } = queueProducts(tensors, owned);
  const width = samples * columns;
  let sums = products;
  if (!perTensor) {
    sums = owned.add(new Tensor(device, [width], 'f64'));
    ops.columnReduce(device, { x: owned.add(products.reshape([tensors.length, width])), out: sums });
  }
  const largest = owned.add(new Tensor(device, [tensors.length], 'f64'));
  if (coordinate)
    for (const [i, { x, mean }] of parts.entries()) queueCoordinate(x, mean, owned.add(largest.rows(i, i + 1)), owned);
  const [numbers, ratios] = await Promise.all([sums.read(), coordinate ? largest.read() : undefined]);
  const vectors = Array.from({ length: numbers.length / width }, (_, p) =>
    vectorOf(numbers.subarray(p * width, (p + 1) * width)),
  );
  return { vectors, ...(ratios && { coordinate: Math.max(...ratios) }) };
}

/** Sums by products that are there: ḡ is the mean, so that |ḡ|² is that of the products with it. */
async function sumsOfProducts({ squares, dots }: SampleProducts): Promise<Sums> {
  check.tensor(where, 'perSample.squares', squares, { dtypes: ['f64'], rank: 1 });
  const samples = samplesOf('perSample.squares', squares);
  check.tensor(where, 'perSample.dots', dots, { dtypes: ['f64'], shape: [samples], device: squares.device });
  const [each, withMean] = await Promise.all([squares.read(), dots.read()]);
  const squaredNorm = withMean.reduce((sum, x) => sum + x, 0) / samples;
  return { vectors: [{ squares: each, dots: withMean, squaredNorm }] };
}

/** The squared length of tensors together, and squares that are known. */
async function sumsOfAccumulated(given: AccumulatedGradients): Promise<Sums> {
  const { mean, squares, samples = 1 } = given;
  const unread = Object.keys(given).find((name) => !['mean', 'squares', 'samples'].includes(name));
  if (unread !== undefined) throw refusal(where, `perSample.${unread}`, 'be left out beside a mean', 'it');
  const list: unknown = mean instanceof Map ? [...mean.values()] : mean;
  if (!isListOf(list, isTensor) || list.length === 0)
    throw refusal(where, 'perSample.mean', 'be tensors', Array.isArray(list) ? 'none' : shown(list));
  if (!isListOf(squares, isTensor) || squares.length === 0)
    throw refusal(where, 'perSample.squares', 'be tensors', Array.isArray(squares) ? 'none' : shown(squares));
  if (!(Number.isSafeInteger(samples) && samples >= 1))
    throw refusal(where, 'perSample.samples', 'be a whole number from 1 on', shown(samples));
  const [{ device }] = list as readonly [Tensor, ...Tensor[]];
  for (const [i, x] of list.entries())
    check.tensor(where, `perSample.mean[${i}]`, x, { dtypes: check.floating, filled: true, device });
  for (const [i, x] of squares.entries())
    check.tensor(where, `perSample.squares[${i}]`, x, { dtypes: ['f64'], rank: 1, device });
  const count = squares.reduce((sum, x) => sum + x.size, 0);
  if (count < least) throw refusal(where, 'perSample.squares', `have ${least} elements or more`, count, 'ERR_SHAPE');
  using owned = new Owned();
  const norms = owned.add(new Tensor(device, [list.length], 'f64'));
  for (const [i, x] of list.entries())
    ops.rowReduce(device, {
      ...{ x: owned.add(x.reshape([1, x.size])), out: owned.add(norms.rows(i, i + 1)) },
      reduction: 'sum_of_squares',
    });
  const [own, ...each] = await Promise.all([norms.read(), ...squares.map((x) => (x as Tensor<'f64'>).read())]);
  const all = Float64Array.from(each.flatMap((values) => [...values]));
  const squaredNorm = own.reduce((sum, x) => sum + x, 0);
  return { vectors: [{ squares: all, dots: new Float64Array(all.length), squaredNorm }], accumulated: samples };
}

export const isAccumulated = (perSample: unknown): perSample is AccumulatedGradients =>
  isProducts(perSample) && 'mean' in perSample;

export const isProducts = (perSample: unknown): perSample is SampleProducts | AccumulatedGradients =>
  isRecord(perSample) && !(perSample instanceof Map) && !isTensor(perSample);

/** @throws ERR_ARGUMENT, ERR_DTYPE, ERR_SHAPE, ERR_DEVICE, ERR_DISPOSED for what are no gradients of samples */
export const sumsOf = (
  perSample: SampleGradients | SampleProducts | AccumulatedGradients,
  perTensor: boolean,
  coordinate: boolean,
): Promise<Sums> =>
  isAccumulated(perSample)
    ? sumsOfAccumulated(perSample)
    : isProducts(perSample)
      ? sumsOfProducts(perSample)
      : sumsOfGradients(perSample, perTensor, coordinate);
