import { filled } from '../core/all-or-none.ts';
import * as check from '../core/check.ts';
import { ops } from '../core/native-ops.ts';
import { Owned } from '../core/owned.ts';
import { positive, type Resolved, readOptions, type Schema, word } from '../core/schema.ts';
import { Tensor } from '../core/tensor.ts';
import * as vectors from '../core/vectors.ts';
import { stepList } from './step-lists.ts';
import { checkLengths } from './trajectories.ts';

/** Options of {@link rewardToGo}. */
export interface RewardToGoOptions {
  /** γ, in (0, 1]. Default: 0.99. */
  discount?: number | undefined;
  /**
   * `'objective'` weighs the reward of step h by γʰ, of which policy gradients are exact; `'reset'` by γʰ⁻ᵗ, as a value
   * function of the state of step t has it. Default: `'objective'`.
   */
  mode?: 'objective' | 'reset' | undefined;
}

const schema: Schema<Resolved<RewardToGoOptions>> = {
  discount: positive(0.99, 1),
  mode: word<'objective' | 'reset'>(['objective', 'reset'], 'objective'),
};

/**
 * The discounted rewards from each step of a trajectory on, Σ_{h ≥ t} γʰ r_h or Σ_{h ≥ t} γʰ⁻ᵗ r_h, as a new tensor
 * like the rewards; 0 beyond a trajectory's length, whatever the rewards hold there. Queued: log₂ of the time sums of
 * two. The list of places that lengths stand for is uploaded once, and lives as long as their array.
 *
 * @param rewards [trajectories, time], f32 or f64.
 * @param lengths The steps of each trajectory: whole, from 0 to time.
 * @example
 * const weights = rewardToGo(rewards, lengths, { discount: 0.99 });
 *
 * @throws ERR_ARGUMENT for options and lengths out of range; ERR_SHAPE, ERR_DTYPE, ERR_DISPOSED, ERR_MEMORY
 */
export function rewardToGo(
  rewards: Tensor,
  lengths: Int32Array | readonly number[],
  options: RewardToGoOptions = {},
): Tensor {
  const where = 'rewardToGo';
  check.tensor(where, 'rewards', rewards, { rank: 2, dtypes: check.arithmetic });
  const { device, dtype, shape } = rewards;
  const [count, time] = shape as [number, number];
  const all = checkLengths(where, lengths, count, time);
  const { discount, mode } = readOptions(where, options, schema);
  using owned = new Owned<Tensor>();
  const make = () => owned.add(new Tensor(device, [time, count], dtype));
  // By time first, so that a step later is a row further on; what is beyond a length has no row to come from.
  let [sums, other] = [make(), make()];
  ops.combineRows(device, {
    x: owned.add(rewards.reshape([count * time, 1])),
    indices: stepList('byTime', device, all, time),
    coefficients: owned.add(Tensor.full(device, [time * count, 1], 1, { dtype })),
    out: owned.add(sums.reshape([time * count, 1])),
  });
  // Sums of 1, 2, 4, … rewards.
  for (let length = 1; length < time; length *= 2) {
    const rows = (x: Tensor, from: number, to: number) => owned.add(x.rows(from, to));
    const [reached, rest] = [time - length, length];
    vectors.combine(
      device,
      rows(other, 0, reached),
      [1, rows(sums, 0, reached)],
      [discount ** length, rows(sums, length, time)],
    );
    vectors.copy(device, rows(sums, time - rest, time), rows(other, time - rest, time));
    [sums, other] = [other, sums];
  }
  if (mode === 'objective') {
    const factors = Float64Array.from({ length: time }, (_, t) => discount ** t);
    const scale = owned.add(Tensor.from(device, dtype === 'f64' ? factors : Float32Array.from(factors), [time]));
    ops.scaleAxis(device, { x: sums, scale, out: sums, axis: 0 });
  }
  return filled(new Tensor(device, shape, dtype), (out) => ops.transpose(device, { x: sums, out }));
}
