import { OrthokitError } from '../../core/errors.ts';
import { fraction, readOptions, type Schema } from '../../core/schema.ts';
import { type Arg, defineOwn, linearMap, ruleOf, tensorOf, type Value } from '../tape/define.ts';

/** Options of {@link dropout}. */
export interface DropoutOptions {
  /** The share of elements that are dropped: in [0, 1). It has no default. */
  rate: number;
}

const schema: Schema<{ rate: number }> = { rate: fraction(0) };

/**
 * x with a share of its elements set to 0 and the others divided by 1 − rate, in a call that has a seed; x itself in
 * {@link forward} without one (Srivastava et al. 2014).
 * @throws ERR_ARGUMENT for another rate, and in a gradient without a seed
 */
export const dropout: (x: Arg, options: DropoutOptions) => Value = defineOwn(
  'dropout',
  (f, x: Arg, options) => {
    const { rate } = readOptions('nn.dropout', options, schema);
    const out = f.buffer(x.shape, x.dtype);
    const place = f.tape.draw(tensorOf(x).size);
    if (!place && f.tape.options.isRecording)
      throw new OrthokitError('ERR_ARGUMENT', 'dropout: seed of the call must be a number in a gradient, got none');
    // The same numbers again in place of a mask that is kept.
    if (place && rate > 0) {
      const { seed, stream, offset } = place;
      return linearMap(f, out, x, (v, to) => f.ops.dropout({ x: v, out: to, rate, seed, stream, offset }), { over: true }); // biome-ignore format: one line
    }
    f.ops.copy({ x: [tensorOf(x)], out: [out] });
    return ruleOf(f, out, { x, back: 'same' });
  },
  ['x'],
);
