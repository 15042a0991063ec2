import { ops } from '../../core/native-ops.ts';
import { readOptions, type Schema, word } from '../../core/schema.ts';
import { defineSymmetric, type Symmetric } from '../tape/define.ts';
import { type Arg, tensorOf, type Value } from '../tape/value.ts';

/** Options of {@link gelu}. */
export interface GeluOptions {
  /** `erf` is the definition; GPT-2 was trained with `tanh`, which is near it. Default: `erf`. */
  form?: 'erf' | 'tanh' | undefined;
}

const schema: Schema<{ form: 'erf' | 'tanh' }> = { form: word(['erf', 'tanh'], 'erf') };

const own = defineSymmetric('gelu', (f, x, form: 'erf' | 'tanh') => {
  const { device } = f;
  const input = tensorOf(x);
  const out = f.buffer(x.shape, x.dtype);
  ops.gelu(device, { x: input, out, form });
  const times: Symmetric['times'] = (grad, to, beta) =>
    ops.geluBackward(device, { grad, x: input, out: to, form, beta });
  return { out, times, over: true, adds: true };
});

/**
 * x Φ(x), Φ the normal distribution (Hendrycks and Gimpel 2016).
 * @throws ERR_ARGUMENT for what is no option
 */
export const gelu = (x: Arg, options: GeluOptions = {}): Value => own(x, readOptions('nn.gelu', options, schema).form);
