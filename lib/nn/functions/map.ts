import { oneOf, refusal, shown } from '../../core/errors.ts';
import { ops } from '../../core/native-ops.ts';
import { defineSymmetric, type Symmetric } from '../tape/define.ts';
import { type Arg, tensorOf, type Value } from '../tape/value.ts';

const words: readonly MapWord[] = ['relu', 'tanh', 'sigmoid', 'silu', 'softplus', 'exp', 'log'];

/** A function that {@link map} knows. */
export type MapWord = 'relu' | 'tanh' | 'sigmoid' | 'silu' | 'softplus' | 'exp' | 'log';

const mapped = (name: string) =>
  defineSymmetric(name, (f, x, word: MapWord) => {
    const { device } = f;
    if (!words.includes(word)) throw refusal(name, 'word', `be ${oneOf(words)}`, shown(word));
    const input = tensorOf(x);
    const out = f.buffer(x.shape, x.dtype);
    ops.map(device, { x: [input], out: [out], function: word });
    const times: Symmetric['times'] = (v, to, beta) =>
      ops.mapBackward(device, { grad: [v], x: [input], out: [to], function: word, beta });
    return { out, times, over: true, adds: true };
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
