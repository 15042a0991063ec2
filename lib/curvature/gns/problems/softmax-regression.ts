import * as check from '../../../core/check.ts';
import { refusal } from '../../../core/errors.ts';
import { ops } from '../../../core/native-ops.ts';
import { Owned } from '../../../core/owned.ts';
import { notNegative, type Resolved, readOptions, type Schema } from '../../../core/schema.ts';
import { Tensor } from '../../../core/tensor.ts';
import * as vectors from '../../../core/vectors.ts';
import type { GnsOracle } from '../oracle.ts';
import { paramsOption } from './linear.ts';

/** Options of {@link softmaxRegression}. */
export interface SoftmaxRegressionOptions {
  /** The weights: a list of one tensor `[classes, d]`. It has no default. */
  params: readonly Tensor[];
  /** Weight of the squared weights: finite, not negative. Default: 0. */
  l2?: number | undefined;
}

const schema: Schema<Resolved<SoftmaxRegressionOptions>> = { params: paramsOption, l2: notNegative(0) };

/**
 * Multinomial logistic regression: the mean cross entropy of softmax(x·Wᵀ) and `l2` / 2 · |W|², with products with its
 * Hessian, which is its Gauss–Newton matrix, for {@link gnsMinimize} and methods that take an oracle.
 *
 * @param x `[n, d]`, f32 or f64; it is not copied.
 * @param labels i32 `[n]`: classes from 0 on; a sample with a negative one is left out. They are not copied, and are
 * looked at before the first answer: one that is no class makes every function of the oracle throw ERR_ARGUMENT.
 * @example
 * const oracle = softmaxRegression(x, labels, { l2: 1e-4, params: [weights] });
 *
 * @throws ERR_ARGUMENT, ERR_SHAPE, ERR_DTYPE, ERR_DEVICE for options and tensors that do not fit; ERR_DISPOSED
 */
export function softmaxRegression(x: Tensor, labels: Tensor, options: SoftmaxRegressionOptions): GnsOracle {
  const where = 'softmaxRegression';
  const { params, l2 } = readOptions(where, options, schema);
  const w = params[0]!;
  check.tensor(where, 'x', x, { rank: 2, filled: true, dtypes: check.arithmetic });
  const { device, dtype } = x;
  const [n, d] = x.shape as [number, number];
  check.tensor(where, 'labels', labels, { shape: [n], dtypes: ['i32'], device });
  check.tensor(where, 'params[0]', w, { shape: [undefined, d], filled: true, dtypes: [dtype], device });
  const classes = w.shape[0]!;
  /** x·vᵀ */
  const images = (v: Tensor, owned: Owned<Tensor>): Tensor => {
    const out = owned.add(new Tensor(device, [n, classes], dtype));
    ops.gemm(device, { a: x, b: v, c: out, transB: 'transposed' });
    return out;
  };
  const back = (z: Tensor, v: Tensor, out: Tensor): void => {
    ops.gemm(device, { a: z, b: x, c: out, transA: 'transposed' });
    if (l2 > 0) vectors.axpy(device, l2, v, out);
  };
  const loss = (logits: Tensor, out: Tensor, owned: Owned<Tensor>): void => {
    ops.softmaxCrossEntropy(device, { logits, labels, loss: out });
    if (l2 === 0) return;
    const square = owned.add(vectors.scalar(device));
    vectors.dot(device, w, w, square);
    vectors.axpy(device, l2 / 2, square, out);
  };
  const product = ([v]: readonly Tensor[], [out]: readonly Tensor[]): void => {
    using owned = new Owned<Tensor>();
    const direction = images(v!, owned);
    ops.softmaxCrossEntropyBackward(device, { logits: images(w, owned), labels, direction, grad: direction });
    back(direction, v!, out!);
  };
  let checked: Promise<void> | undefined;
  let isGood = false;
  const look = async (): Promise<void> => {
    const wrong = (await labels.read()).find((label) => label >= classes);
    if (wrong !== undefined) throw refusal(where, 'labels', `be below the ${classes} classes`, wrong);
    isGood = true;
  };
  /** The same function, which waits for the look at the labels once. */
  const behind =
    <A extends readonly unknown[]>(run: (...args: A) => void) =>
    (...args: A): void | Promise<void> => {
      if (isGood) return run(...args);
      checked ??= look();
      return checked.then(() => run(...args));
    };
  return {
    params: [w],
    value: behind((out: Tensor) => {
      using owned = new Owned<Tensor>();
      loss(images(w, owned), out, owned);
    }),
    gradient: behind(([grad]: readonly Tensor[], number?: Tensor) => {
      using owned = new Owned<Tensor>();
      const logits = images(w, owned);
      if (number) loss(logits, number, owned);
      ops.softmaxCrossEntropyBackward(device, { logits, labels, grad: logits });
      back(logits, w, grad!);
    }),
    hessianProduct: behind(product),
    gaussNewtonProduct: behind(product),
    curvature: { kind: 'product' },
  };
}
