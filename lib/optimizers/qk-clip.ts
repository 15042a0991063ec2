import * as check from '../core/check.ts';
import { refusal } from '../core/errors.ts';
import { ops } from '../core/native-ops.ts';
import { count, type Given, optional, positive, readOptions, type Schema } from '../core/schema.ts';
import { Tensor } from '../core/tensor.ts';

/** Options of {@link qkClip}; all may be left out. */
export interface QkClipOptions {
  /** The largest logit that is left alone. Default 100. */
  threshold: number;
  /** Heads of the keys, a divisor of those of the queries, which share them. Default: as many as `maxLogits` has. */
  keyHeads: number | undefined;
}

const schema: Schema<QkClipOptions> = { threshold: positive(100), keyHeads: optional(count(1)) };

/**
 * QK-clip (MuonClip, Kimi K2 2025), after a step: heads of attention whose largest logit S exceeds the threshold τ get
 * smaller weights, in place. With γ = min(1, τ / S), the rows of a head in `query`, `[heads · d, n]`, and in `key` are
 * multiplied by √γ; where heads share keys, those of `query` by γ, and `key` stays. `maxLogits`, `[heads]` in f32 or
 * f64, holds the S: over batch and places, scaled as softmax sees them. Heads at most τ keep their bits; a NaN makes
 * its head NaN. Queued; returns at once.
 *
 * @example
 * qkClip(query, key, maxLogits, { threshold: 100 });
 * @throws ERR_SHAPE, ERR_DTYPE, ERR_DEVICE, ERR_ARGUMENT, ERR_DISPOSED, ERR_MEMORY
 */
export function qkClip(query: Tensor, key: Tensor, maxLogits: Tensor, options: Given<QkClipOptions> = {}): void {
  const where = 'qkClip';
  check.tensor(where, 'query', query, { rank: 2, dtypes: check.floating });
  const { device } = query;
  check.tensor(where, 'key', key, { rank: 2, dtypes: check.floating, device });
  check.tensor(where, 'maxLogits', maxLogits, { rank: 1, dtypes: ['f32', 'f64'], device });
  const { threshold, keyHeads } = readOptions(where, options, schema);
  const heads = maxLogits.size;
  const own = keyHeads ?? heads;
  if (heads === 0 || heads % own !== 0)
    throw refusal(where, 'keyHeads', `divide the ${heads} heads of maxLogits`, own, 'ERR_ARGUMENT');
  for (const [name, weight, of] of [
    ['query', query, heads],
    ['key', key, own],
  ] as const)
    if (weight.shape[0]! % of !== 0)
      throw refusal(where, name, `have equally many rows for each of ${of} heads`, `[${weight.shape}]`, 'ERR_SHAPE');

  const { shape, dtype } = maxLogits;
  using factor = Tensor.full(device, shape, threshold, { dtype });
  using clipped = new Tensor(device, shape, dtype);
  const largest = dtype === 'f32' ? 3.4028234663852886e38 : Number.MAX_VALUE;
  ops.map(device, { x: [maxLogits], out: [clipped], function: 'clamp', parameters: [threshold, largest] });
  ops.divide(device, { x: [factor], y: [clipped], out: [factor] });
  const isShared = own !== heads;
  if (!isShared) ops.map(device, { x: [factor], out: [factor], function: 'sqrt' });
  for (const weight of isShared ? [query] : [query, key]) {
    using scale = factor.cast(weight.dtype);
    using rows = weight.reshape([heads, weight.size / heads]);
    ops.scaleAxis(device, { x: rows, scale, out: rows, axis: 0 });
  }
}
