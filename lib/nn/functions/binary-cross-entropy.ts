import type { Tensor } from '../../core/tensor.ts';
import { type Arg, defineLoss, lossOf, tensorOf, type Value } from '../tape/define.ts';
import type { DeviceOps } from '../tape/device-ops.ts';

/**
 * The mean of −t ln σ(z) − (1 − t) ln(1 − σ(z)), z the logits and t targets in [0, 1] of their shape, σ the sigmoid.
 * It is made of |z| and e^−|z|, so that neither large logits nor sure ones lose digits.
 * @throws ERR_SHAPE, ERR_DTYPE
 */
export const binaryCrossEntropy: (logits: Arg, targets: Tensor) => Value = defineLoss(
  'binaryCrossEntropy',
  (f, logits: Arg, targets: Tensor) => {
    const z = tensorOf(logits);
    const n = Math.max(1, z.size);
    const map = (x: Tensor, out: Tensor, word: Parameters<DeviceOps['map']>[0]['function']) =>
      f.ops.map({ x: [x], out: [out], function: word });
    const out = f.buffer([1], 'f64');
    const [tail, hinge, part] = [0, 1, 2].map(() => f.scratch(z.shape, z.dtype)) as [Tensor, Tensor, Tensor];
    map(z, tail, 'abs');
    f.combine(tail, [tail], [-1]);
    map(tail, tail, 'softplus');
    map(z, hinge, 'relu');
    f.ops.multiply({ x: [z], y: [targets], out: [part] });
    f.combine(hinge, [hinge, part], [1, -1]);
    f.combine(tail, [tail, hinge], [1, 1]);
    f.ops.rowReduce({ x: f.view(tail, [1, z.size]), out });
    f.combine(out, [out], [1 / n]);
    return lossOf(out, {
      x: logits,
      over: 'mean',
      back: (grad, scale) => {
        map(z, grad, 'sigmoid');
        f.combine(grad, [grad, targets], [scale / n, -scale / n]);
      },
      curvature: (v, grad) => {
        map(z, grad, 'softplus_second_derivative');
        f.ops.multiply({ x: [grad], y: [v], out: [grad] });
        f.combine(grad, [grad], [1 / n]);
      },
    });
  },
  ['logits', 'targets'],
);
