import { ops } from '../../core/native-ops.ts';
import type { Tensor } from '../../core/tensor.ts';
import { defineLoss } from '../tape/define.ts';
import type { Arg, Value } from '../tape/value.ts';

/**
 * The mean of −ln softmax(logits) at the labels, over the labels from 0 on: logits `[…, classes]`, labels i32 `[…]`. A
 * loss without a label that counts is 0, and so is its gradient.
 * @throws ERR_SHAPE, ERR_DTYPE
 */
export const crossEntropy: (logits: Arg, labels: Tensor) => Value = defineLoss(
  'crossEntropy',
  (f, logits: Arg, labels: Tensor) => {
    const { device } = f;
    const x = f.rows(logits);
    const flat = f.view(labels, [labels.size]);
    const out = f.buffer([1], 'f64');
    ops.softmaxCrossEntropy(device, { logits: x, labels: flat, loss: out });
    const gradient = (grad: Tensor, scale: number) =>
      ops.softmaxCrossEntropyBackward(device, { logits: x, labels: flat, grad: f.rows(grad), scale });
    return {
      out,
      inputs: [logits],
      backward: (scale, to) => to.set(logits, (grad) => gradient(grad, scale)),
      // p (v − Σ p v) / counted: the way back of the softmax, in rows that count.
      curvature: (v, to) => {
        const p = f.scratch(x.shape, x.dtype);
        ops.rowSoftmax(device, { x, out: p });
        const o = f.rows(to);
        ops.rowSoftmaxBackward(device, { grad: f.rows(v), y: p, out: o });
        ops.linearCombination(device, { out: [o], terms: [o], coefficients: [1 / x.shape[0]!] });
      },
    };
  },
);
