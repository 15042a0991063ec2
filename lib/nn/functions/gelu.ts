import { readOptions, type Schema, word } from '../../core/schema.ts';
import { type Arg, defineSymmetric, type Value } from '../tape/define.ts';

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
export const gelu: (x: Arg, options?: GeluOptions) => Value = defineSymmetric(
  'gelu',
  true,
  (f, x, out, options = {}) => {
    const { form } = readOptions('nn.gelu', options, schema);
    f.ops.gelu({ x, out, form });
    return (grad, to, beta) => f.ops.geluBackward({ grad, x, out: to, form, beta });
  },
);
