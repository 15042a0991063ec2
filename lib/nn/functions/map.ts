import { oneOf, refusal, shown } from '../../core/errors.ts';
import { type Arg, defineSymmetric, type Value } from '../tape/define.ts';

const words: readonly MapWord[] = ['relu', 'tanh', 'sigmoid', 'silu', 'softplus', 'exp', 'log'];

/** A function that {@link map} knows. */
export type MapWord = 'relu' | 'tanh' | 'sigmoid' | 'silu' | 'softplus' | 'exp' | 'log';

const mapped = (name: string) =>
  defineSymmetric(name, true, (f, x, out, word: MapWord) => {
    if (!words.includes(word)) throw refusal(name, 'word', `be ${oneOf(words)}`, shown(word));
    f.ops.map({ x: [x], out: [out], function: word });
    return (grad, to, beta) => f.ops.mapBackward({ grad: [grad], x: [x], out: [to], function: word, beta });
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
