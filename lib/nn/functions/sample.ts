import { OrthokitError } from '../../core/errors.ts';
import { count, notNegative, type Resolved, readOptions, required, type Schema, whole } from '../../core/schema.ts';
import { type Arg, defineOwn, ruleOf, tensorOf, type Value } from '../tape/define.ts';

/** Options of {@link sample}. */
export interface SampleOptions {
  /** Logits are divided by it; 0 takes the largest. Not negative. Default: 1. */
  temperature?: number | undefined;
  /** The number of the most likely that take part; 0: all. Default: 0. */
  topK?: number | undefined;
  /** Seed of the random numbers: a whole number. It has no default. */
  seed: number;
  /** The place in their sequence, such as the number of draws so far: each has its own numbers. It has no default. */
  position: number;
}

const place = required(whole(0, 0, Number.MAX_SAFE_INTEGER));
const schema: Schema<Resolved<SampleOptions>> = {
  temperature: notNegative(1),
  topK: count(0, 0),
  seed: place,
  position: place,
};

/**
 * One draw a row by softmax(logits / temperature), on the device: logits `[…, classes]` give i32 `[…]`. For
 * {@link forward} only.
 *
 * @example
 * const next = nn.sample(logits, { temperature: 0.8, topK: 40, seed: 1, position: step });
 *
 * @throws ERR_ARGUMENT for what is no option; ERR_UNSUPPORTED in a gradient; ERR_SHAPE, ERR_DTYPE
 */
export const sample: (logits: Arg, options: SampleOptions) => Value = defineOwn(
  'sample',
  (f, logits: Arg, options) => {
    const { topK, position, ...others } = readOptions('nn.sample', options, schema);
    if (f.tape.options.isRecording)
      throw new OrthokitError('ERR_UNSUPPORTED', 'nn.sample: a draw must stand in nn.forward, got a gradient');
    const rows = logits.shape.slice(0, -1);
    const out = f.buffer(rows, 'i32');
    const index = f.view(out, [...rows, 1]);
    f.ops.rowTopK({ x: tensorOf(logits), index, among: topK, noise: 'gumbel', stream: position, ...others });
    return ruleOf(f, out);
  },
  ['logits'],
);
