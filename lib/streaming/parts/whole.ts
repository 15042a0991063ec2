// Whole sequences at once: what stands at each tap of a kernel, as rows.
import { ops } from '../../core/native-ops.ts';
import { Owned } from '../../core/owned.ts';
import { Tensor } from '../../core/tensor.ts';
import { placesOf, type Reach } from './reach.ts';

/** The axes of `x` in another order, as a new tensor of the given shape. */
export function rearranged(
  x: Tensor,
  axes: readonly number[],
  shape: readonly number[] = axes.map((axis) => x.shape[axis]!),
): Tensor {
  using owned = new Owned<Tensor>();
  const out = owned.add(new Tensor(x.device, shape, x.dtype));
  ops.rearrange(x.device, { x, out, axes: [...axes] });
  return owned.release(out);
}

/** `[streams, channels, time]` as `[time, streams, channels]`. */
export const byTime = (x: Tensor): Tensor => rearranged(x, [2, 0, 1]);
/** The other way. */
export const byStream = (x: Tensor): Tensor => rearranged(x, [1, 2, 0]);

/**
 * The inputs of every output of a kernel, `[outputs, taps, streams · channels]`, from `[streams, channels, time]`;
 * zeros stand before the first place and behind the last.
 */
export function windows(x: Tensor, taps: number, dilation: number, reach: Reach): Tensor {
  const [streams, channels, time] = x.shape as [number, number, number];
  using owned = new Owned<Tensor>();
  const outputs = placesOf(reach, time);
  // A row of zeros more.
  const rows = owned.add(Tensor.zeros(x.device, [time + 1, streams * channels], { dtype: x.dtype as 'f32' }));
  const sequence = owned.add(rows.rows(0, time));
  ops.rearrange(x.device, { x, out: sequence, axes: [2, 0, 1] });
  const places = new Int32Array(outputs * taps);
  for (let i = 0; i < outputs; ++i)
    for (let tap = 0; tap < taps; ++tap) {
      const place = i * reach.stride + tap * dilation - reach.padding;
      places[i * taps + tap] = place >= 0 && place < time ? place : time;
    }
  const index = owned.add(Tensor.from(x.device, places, [outputs, taps]));
  const out = owned.add(new Tensor(x.device, [outputs, taps, streams * channels], x.dtype));
  ops.gatherRows(x.device, { x: rows, index, out });
  return owned.release(out);
}
