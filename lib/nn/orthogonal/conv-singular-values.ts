import { refusal } from '../../core/errors.ts';
import { hostArray } from '../../core/host-data.ts';
import { ops } from '../../core/native-ops.ts';
import { Owned } from '../../core/owned.ts';
import { count, type Resolved, readOptions, required, type Schema, watchers } from '../../core/schema.ts';
import { sorted } from '../../core/sort.ts';
import { Task, type TaskOptions } from '../../core/task.ts';
import { Tensor } from '../../core/tensor.ts';
import { sidesOf } from '../../linalg/compute.ts';
import { svdOf } from '../../linalg/factorizations.ts';
import { type Circular, frequencies, inParts, matricesAt, partOf } from './frequencies.ts';
import { kernelSizes } from './kernel.ts';

/** Progress of {@link convSingularValues}. */
export interface ConvSingularValuesProgress {
  /** Frequencies whose matrices are done. */
  readonly done: number;
  /** All frequencies. */
  readonly total: number;
}

/** Options of {@link convSingularValues}. */
export interface ConvSingularValuesOptions extends TaskOptions<ConvSingularValuesProgress> {
  /** Side of the images: a multiple of the stride, from 2 k − 1 on. It has no default. */
  size: number;
  /** Rows, and columns, from one place of a kernel to the next: whole, from 1 on. Default: 1. */
  stride?: number | undefined;
}

const schema: Schema<Resolved<ConvSingularValuesOptions, 'signal' | 'onProgress'>> = {
  size: required(count(1)),
  stride: count(1),
  ...watchers<ConvSingularValuesProgress>(),
};

/**
 * The singular values of a convolution's matrix over circular images `[size, size, C]`, all (size / stride)² ·
 * min(O, C · stride²) of them, descending: of each frequency of the result, those of the O × C · stride² matrix of the
 * transforms of the kernels at all frequencies that the stride folds onto it. Exact but for rounding. The largest one
 * is the norm of the layer. Arithmetic is f32, of kernels of f64 f64.
 *
 * Source: Sedghi, Gupta and Long 2019, and for strides Senderovich, Bulatova, Obukhov and Rakhuba 2022.
 *
 * @param kernel `[O, k, k, C]`, as `nn.conv2d` has them.
 * @example
 * const values = await nn.convSingularValues(model.conv1.weight, { size: 28 });
 * console.log(values[0], values.at(-1));
 *
 * @throws ERR_ARGUMENT for what is no option, a size below 2 k − 1 or not a multiple of the stride, and for kernels
 * with NaN or infinity; ERR_SHAPE, ERR_DTYPE; the signal's reason when aborted
 */
export async function convSingularValues(kernel: Tensor, options: ConvSingularValuesOptions): Promise<Float64Array> {
  const where = 'nn.convSingularValues';
  const sizes = kernelSizes(where, 'kernel', kernel);
  const { stride, size, ...watching } = readOptions(where, options, schema);
  const { outputs, side, channels } = sizes;
  if (size < 2 * side - 1) throw refusal(where, 'size', `be at least 2 k − 1 = ${2 * side - 1}`, size);
  if (size % stride !== 0) throw refusal(where, 'size', `be a multiple of stride ${stride}`, size);
  const circular: Circular = { ...sizes, stride, size };
  const { device } = kernel;
  const dtype = kernel.dtype === 'f64' ? 'f64' : 'f32';
  using task = new Task(device, watching);
  using owned = new Owned<Tensor>();
  const exact = kernel.dtype === dtype ? kernel : owned.add(kernel.cast(dtype));
  const taps = owned.add(new Tensor(device, [side ** 2, outputs * channels], dtype));
  ops.rearrange(device, { x: exact, out: taps, axes: [1, 2, 0, 3] });
  const total = (size / stride) ** 2;
  const values: number[] = [];
  for (const some of inParts(frequencies(size / stride), partOf(circular))) {
    using matrices = matricesAt(device, taps as Tensor<'f32' | 'f64'>, circular, some);
    const sides = sidesOf(where, 'kernel', matrices);
    const { s } = await task.waitFor(svdOf({ where, name: 'kernel' }, matrices, sides, false));
    owned.add(s);
    const [pairs] = await task.readAll(s);
    owned.drop(s);
    // A complex matrix has each value once; as a real one of twice the sides, twice: the second is of the conjugate.
    const each = sides.smaller;
    for (const [i, { isAlone }] of some.entries())
      for (let j = 0; j < each; j += isAlone ? 2 : 1) values.push(pairs[i * each + j]!);
    task.report({ done: (values.length / Math.min(outputs, channels * stride ** 2)) | 0, total });
  }
  const ordered = await task.run(sorted(values, (a, b) => a >= b));
  const out = hostArray(where, 'f64', values.length);
  out.set(ordered);
  return out;
}
