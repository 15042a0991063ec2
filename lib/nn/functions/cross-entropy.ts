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
    const gradient = (of: Tensor, grad: Tensor, scale: number) =>
      ops.softmaxCrossEntropyBackward(device, { logits: of, labels: flat, grad, scale });
    return {
      out,
      inputs: [logits],
      over: 'mean',
      backward: (scale, to) => to.set(logits, (grad) => gradient(x, f.rows(grad), scale)),
      // p (v − Σ p v) / counted in rows that count: the way back of the softmax, times a share of each row.
      curvature: (d, to) => {
        const v = d(logits);
        if (!v) return;
        const [rows, classes] = x.shape as [number, number];
        const [p, share] = [f.scratch(x.shape, x.dtype), f.scratch(x.shape, x.dtype)];
        const largest = f.scratch([rows], x.dtype);
        // Of equal logits the gradient is 1 / (classes · counted) beside the label, and 0 in rows that do not count.
        ops.fill(device, { x: [share], value: 0 });
        gradient(share, p, classes * classes);
        ops.rowReduce(device, { x: p, out: largest, reduction: 'max' });
        ops.rowLogsumexpBackward(device, { grad: largest, x: share, out: share });
        ops.rowSoftmax(device, { x, out: p });
        to.set(logits, (grad) => {
          const out = f.rows(grad);
          ops.rowSoftmaxBackward(device, { grad: f.rows(v), y: p, out });
          ops.multiply(device, { x: [out], y: [share], out: [out] });
        });
      },
    };
  },
);
