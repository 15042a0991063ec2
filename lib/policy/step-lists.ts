import type { Device } from '../core/device.ts';
import { Tensor } from '../core/tensor.ts';

/**
 * Lists of the steps of trajectories, all of i32. `'place'`, `[count]`: the place of each step among the padded ones,
 * trajectory by trajectory; `'trajectory'`, `[count]`: that of each step; `'byTime'`, `[time · trajectories, 1]`: the
 * place of each padded step by time first, −1 beyond a length.
 */
type StepList = 'place' | 'trajectory' | 'byTime';

interface Kept {
  readonly device: Device;
  readonly time: number;
  /** As they were; the caller's own may change. */
  readonly lengths: Int32Array;
  readonly made: { [K in StepList]?: Tensor<'i32'> };
}

/** A batch is asked about many times, by several functions, and brings its lengths each time. */
const all = new WeakMap<object, Kept>();

function keptOf(device: Device, lengths: Int32Array | readonly number[], time: number): Kept {
  const known = all.get(lengths);
  const isSame = known?.device === device && known.time === time && known.lengths.every((x, i) => x === lengths[i]);
  if (known && isSame && known.lengths.length === lengths.length) return known;
  for (const list of Object.values(known?.made ?? {})) list.dispose();
  const kept: Kept = { device, time, lengths: Int32Array.from(lengths), made: {} };
  all.set(lengths, kept);
  return kept;
}

/** The numbers of a list, and its shape. */
function numbersOf(name: StepList, lengths: Int32Array, time: number): { numbers: Int32Array; shape: number[] } {
  const trajectories = lengths.length;
  if (name === 'byTime') {
    const numbers = new Int32Array(time * trajectories);
    for (let t = 0; t < time; ++t)
      for (let i = 0; i < trajectories; ++i) numbers[t * trajectories + i] = t < lengths[i]! ? i * time + t : -1;
    return { numbers, shape: [numbers.length, 1] };
  }
  const numbers = new Int32Array(lengths.reduce((sum, length) => sum + length, 0));
  let at = 0;
  for (let i = 0; i < trajectories; ++i)
    for (let t = 0; t < lengths[i]!; ++t) numbers[at++] = name === 'place' ? i * time + t : i;
  return { numbers, shape: [numbers.length] };
}

/**
 * A list of the steps of trajectories, which is made and uploaded once for the same lengths, and lives as long as the
 * array of the lengths: whoever asks does not dispose of it.
 *
 * @param lengths The steps of each trajectory, checked.
 * @param time Steps of a padded trajectory.
 */
export function stepList(
  name: StepList,
  device: Device,
  lengths: Int32Array | readonly number[],
  time: number,
): Tensor<'i32'> {
  const kept = keptOf(device, lengths, time);
  const made = kept.made[name];
  if (made) return made;
  const { numbers, shape } = numbersOf(name, kept.lengths, time);
  const list = Tensor.from(device, numbers, shape);
  kept.made[name] = list;
  return list;
}
