import { oneOf, refusal, shown } from '../../core/errors.ts';
import { ops } from '../../core/native-ops.ts';
import type { Tensor } from '../../core/tensor.ts';
import { defineSymmetric } from '../tape/define.ts';
import type { TapeFrame } from '../tape/frame.ts';
import { type Arg, tensorOf, type Value } from '../tape/value.ts';

/** A function of each element, with its derivative from x and y = f(x), times the gradient that comes in. */
type Slope = (f: TapeFrame, grad: Tensor, x: Tensor, y: Tensor, out: Tensor) => void;

const times = (f: TapeFrame, x: Tensor, y: Tensor, out: Tensor) =>
  ops.multiply(f.device, { x: [x], y: [y], out: [out] });

/** out = grad · (1 − y²) or grad · y (1 − y). */
const ofResult =
  (isTanh: boolean): Slope =>
  (f, grad, _x, y, out) => {
    const part = f.scratch(y.shape, y.dtype);
    times(f, y, y, part);
    if (isTanh) {
      times(f, grad, part, part);
      ops.linearCombination(f.device, { out: [out], terms: [grad, part], coefficients: [1, -1] });
      return;
    }
    ops.linearCombination(f.device, { out: [part], terms: [y, part], coefficients: [1, -1] });
    times(f, grad, part, out);
  };

const slopes: Record<MapWord, Slope> = {
  relu: ({ device }, grad, _x, y, out) => ops.reluBackward(device, { grad, x: y, out }),
  tanh: ofResult(true),
  sigmoid: ofResult(false),
  softplus: (f, grad, x, _y, out) => {
    const slope = f.scratch(x.shape, x.dtype);
    ops.map(f.device, { x: [x], out: [slope], function: 'sigmoid' });
    times(f, grad, slope, out);
  },
  silu: (f, grad, x, _y, out) => {
    const [slope, part] = [f.scratch(x.shape, x.dtype), f.scratch(x.shape, x.dtype)];
    ops.map(f.device, { x: [x], out: [slope], function: 'sigmoid' });
    // σ + x σ (1 − σ), by the one word for σ (1 − σ).
    ops.map(f.device, { x: [x], out: [part], function: 'softplus_second_derivative' });
    times(f, x, part, part);
    ops.linearCombination(f.device, { out: [slope], terms: [slope, part], coefficients: [1, 1] });
    times(f, grad, slope, out);
  },
  exp: (f, grad, _x, y, out) => times(f, grad, y, out),
  log: (f, grad, x, _y, out) => ops.divide(f.device, { x: [grad], y: [x], out: [out] }),
};

/** A function that {@link map} knows. */
export type MapWord = 'relu' | 'tanh' | 'sigmoid' | 'silu' | 'softplus' | 'exp' | 'log';

const mapped = (name: string) =>
  defineSymmetric(name, (f, x, word: MapWord) => {
    const slope = Object.hasOwn(slopes, word) ? slopes[word] : undefined;
    if (!slope) throw refusal(name, 'word', `be ${oneOf(Object.keys(slopes))}`, shown(word));
    const input = tensorOf(x);
    const out = f.buffer(x.shape, x.dtype);
    ops.map(f.device, { x: [input], out: [out], function: word === 'silu' ? 'sigmoid' : word });
    if (word === 'silu') times(f, input, out, out);
    return { out, times: (v, to) => slope(f, v, input, out, to) };
  });
const rectified = mapped('relu');

/**
 * f(x), element by element, by a word; `silu` is x σ(x), σ the sigmoid. @throws ERR_ARGUMENT for another word
 *
 * @example
 * const gate = nn.map(nn.linear(layer, x), 'sigmoid');
 */
export const map: (x: Arg, word: MapWord) => Value = mapped('map');

/** max(x, 0). */
export const relu = (x: Arg): Value => rectified(x, 'relu');
