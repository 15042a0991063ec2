import * as check from '../../core/check.ts';
import { refusal } from '../../core/errors.ts';
import { ops } from '../../core/native-ops.ts';
import { Owned } from '../../core/owned.ts';
import { count, finite, type Resolved, readOptions, type Schema } from '../../core/schema.ts';
import { Tensor } from '../../core/tensor.ts';
import { type ConvOrthMode, kernelSizes, modeOf } from './kernel.ts';

/** Options of {@link convOrthLoss}. */
export interface ConvOrthLossOptions {
  /** Rows, and columns, from one place of a kernel to the next: whole, from 1 on. Default: 1. */
  stride?: number | undefined;
  /** Factor of the loss and its gradient: finite. Default: 1. */
  weight?: number | undefined;
  /** Written: the gradient, of the kernels' shape, dtype and device. Default: none is computed. */
  gradOut?: Tensor | undefined;
}

/** The distance of a convolution from an orthogonal one. */
export interface ConvOrthLoss {
  /** weight · L; by rounding it may be a little below 0 where `mode` is `'column'`. */
  readonly loss: number;
  /** The side of the convolution's matrix that L is about. */
  readonly mode: ConvOrthMode;
}

const schema: Schema<Resolved<ConvOrthLossOptions, 'gradOut'>> = {
  stride: count(1),
  weight: finite(1),
  gradOut: check.tensorOption,
};

/**
 * L_orth, which is 0 exactly where a convolution is orthogonal, and its gradient: |R − I|² of all inner products R of
 * kernels with kernels that are moved by multiples of the stride, less O − C · stride² where that is positive, so that
 * kernels are too many for orthonormal rows and its columns count. For circular images of side N, at least 2 k − 1 and
 * a multiple of the stride, (N / stride)² L is |A Aᵀ − I|² of the convolution's matrix A, or |Aᵀ A − I|² of its
 * columns. The cost does not depend on images. Sums of f16 and bf16 are f32.
 *
 * Source: Wang, Chen, Chakraborty and Yu 2020, equation 9; Achour, Malgouyres and Mamalet 2022, theorem 4.2.
 *
 * @param kernel `[O, k, k, C]`, as `nn.conv2d` has them.
 * @example
 * const { loss, mode } = await nn.convOrthLoss(model.conv1.weight, { stride: 2 });
 *
 * @throws ERR_SHAPE for kernels without elements or not as wide as high, and for another shape of `gradOut`; ERR_DTYPE;
 * ERR_DEVICE; ERR_ARGUMENT for what is no option, and for kernels with NaN or infinity, of which `gradOut` is then no
 * gradient
 */
export async function convOrthLoss(kernel: Tensor, options: ConvOrthLossOptions = {}): Promise<ConvOrthLoss> {
  const where = 'nn.convOrthLoss';
  const sizes = kernelSizes(where, 'kernel', kernel);
  const { stride, weight, gradOut } = readOptions(where, options, schema);
  const { device, dtype, shape } = kernel;
  if (gradOut) check.tensor(where, 'gradOut', gradOut, { dtypes: [dtype], shape, device });
  if (gradOut === kernel) throw refusal(where, 'gradOut', 'be another tensor than kernel', 'kernel');
  using owned = new Owned<Tensor>();
  const numbers = owned.add(new Tensor(device, [2], 'f64'));
  const [loss, guard] = [owned.add(numbers.rows(0, 1)), owned.add(numbers.rows(1, 2))];
  ops.checkFinite(device, { x: [kernel], guard });
  ops.convOrthLoss(device, { kernel, loss, gradKernel: gradOut, stride, weight });
  const [value, bad] = await numbers.read();
  if (bad !== 0) throw refusal(where, 'kernel', 'be finite', 'NaN or infinity');
  return { loss: value!, mode: modeOf(sizes, stride) };
}
