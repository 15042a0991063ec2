import { oneOf, refusal, shown } from '../../core/errors.ts';
import { defineOwn, type Product, ruleOf } from '../tape/define.ts';
import { type Arg, tensorOf, type Value } from '../tape/value.ts';

const words: readonly MapWord[] = ['relu', 'tanh', 'sigmoid', 'silu', 'softplus', 'exp', 'log'];

/** A function that {@link map} knows. */
export type MapWord = 'relu' | 'tanh' | 'sigmoid' | 'silu' | 'softplus' | 'exp' | 'log';

const mapped = (name: string) =>
  defineOwn(name, (f, x: Arg, word: MapWord) => {
    if (!words.includes(word)) throw refusal(name, 'word', `be ${oneOf(words)}`, shown(word));
    const input = tensorOf(x);
    const out = f.buffer(x.shape, x.dtype);
    f.ops.map({ x: [input], out: [out], function: word });
    const back: Product = (grad, to, beta) =>
      f.ops.mapBackward({ grad: [grad], x: [input], out: [to], function: word, beta });
    return ruleOf(f, out, { x, back, over: true, adds: 'both' });
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
