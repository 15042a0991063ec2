import { readOptions, type Schema, word } from '../../core/schema.ts';
import { defineOwn, type Product, ruleOf } from '../tape/define.ts';
import { type Arg, tensorOf, type Value } from '../tape/value.ts';

/** Options of {@link gelu}. */
export interface GeluOptions {
  /** `erf` is the definition; GPT-2 was trained with `tanh`, which is near it. Default: `erf`. */
  form?: 'erf' | 'tanh' | undefined;
}

const schema: Schema<{ form: 'erf' | 'tanh' }> = { form: word(['erf', 'tanh'], 'erf') };

/**
 * x Φ(x), Φ the normal distribution (Hendrycks and Gimpel 2016).
 * @throws ERR_ARGUMENT for what is no option
 */
export const gelu: (x: Arg, options?: GeluOptions) => Value = defineOwn('gelu', (f, x: Arg, options = {}) => {
  const { form } = readOptions('nn.gelu', options, schema);
  const input = tensorOf(x);
  const out = f.buffer(x.shape, x.dtype);
  f.ops.gelu({ x: input, out, form });
  const back: Product = (grad, to, beta) => f.ops.geluBackward({ grad, x: input, out: to, form, beta });
  return ruleOf(f, out, { x, back, over: true, adds: 'both' });
});
