import { OrthokitError } from '../../core/errors.ts';
import { ops } from '../../core/native-ops.ts';
import { fraction, readOptions, type Schema } from '../../core/schema.ts';
import type { Tensor } from '../../core/tensor.ts';
import { defineSymmetric } from '../tape/define.ts';
import { type Arg, tensorOf, type Value } from '../tape/value.ts';

/** Options of {@link dropout}. */
export interface DropoutOptions {
  /** The share of elements that are dropped: in [0, 1). It has no default. */
  rate: number;
}

const schema: Schema<{ rate: number }> = { rate: fraction(0) };

const own = defineSymmetric('dropout', (f, x, rate: number) => {
  const { device, tape } = f;
  const out = f.buffer(x.shape, x.dtype);
  const { size } = tensorOf(x);
  const place = tape.draw(size);
  if (!place && tape.options.isRecording)
    throw new OrthokitError('ERR_ARGUMENT', 'dropout: seed of the call must be a number in a gradient, got none');
  if (!place || rate === 0) {
    const same = (y: Tensor, to: Tensor) => ops.copy(device, { x: [y], out: [to] });
    same(tensorOf(x), out);
    return { out, times: same };
  }
  // The same numbers again in place of a mask that is kept.
  const drop = (y: Tensor, to: Tensor) => ops.dropout(device, { x: y, out: to, rate, ...place });
  drop(tensorOf(x), out);
  return { out, times: drop, over: true };
});

/**
 * x with a share of its elements set to 0 and the others divided by 1 − rate, in a call that has a seed; x itself in
 * {@link forward} without one (Srivastava et al. 2014).
 * @throws ERR_ARGUMENT for another rate, and in a gradient without a seed
 */
export const dropout = (x: Arg, options: DropoutOptions): Value =>
  own(x, readOptions('nn.dropout', options, schema).rate);
