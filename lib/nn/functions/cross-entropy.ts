import { ops } from '../../core/native-ops.ts';
import type { Tensor } from '../../core/tensor.ts';
import { defineLoss } from '../tape/define.ts';
import type { Arg, Value } from '../tape/value.ts';
import { checkSamples } from '../tape/way.ts';

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
    const [rows, classes] = x.shape as [number, number];
    /** scale / counted for rows that count, else 0; through a matrix like the logits. */
    const shares = (part: Tensor, scale: number): Tensor => {
      const out = f.scratch([rows], x.dtype);
      // Of equal logits the gradient is 1 / (classes · counted) beside the label.
      ops.fill(device, { x: [part], value: 0 });
      gradient(part, part, classes * scale);
      ops.rowReduce(device, { x: part, out, reduction: 'max' });
      return out;
    };
    return {
      out,
      inputs: [logits],
      over: 'sum',
      backward: (scale, to) =>
        to.set(logits, (grad) => {
          const { samples } = to;
          if (samples === undefined) return gradient(x, f.rows(grad), scale);
          // The mean of each sample alone: times counted over the count of the sample.
          checkSamples(logits, samples);
          const each = (t: Tensor) => f.view(t, [samples, 1, x.size / samples]);
          const [all, share] = [f.scratch(x.shape, x.dtype), f.scratch([samples], x.dtype)];
          ops.rowReduce(device, { x: f.view(shares(all, 1), [samples, rows / samples]), out: share });
          ops.map(device, { x: [share], out: [share], function: 'clamp', parameters: [1e-30, 1] });
          ops.map(device, { x: [share], out: [share], function: 'power', parameters: [-1] });
          gradient(x, all, scale);
          ops.gemm(device, { a: f.view(share, [samples, 1, 1]), b: each(all), c: each(grad) });
        }),
      // p (v − Σ p v) / counted in rows that count: the way back of the softmax, times a share of each row.
      curvature: (d, to) => {
        const v = d(logits);
        if (!v) return;
        const [p, share] = [f.scratch(x.shape, x.dtype), f.scratch(x.shape, x.dtype)];
        const largest = shares(p, classes);
        ops.fill(device, { x: [share], value: 0 });
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
