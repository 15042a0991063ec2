import { callback, checkFinite } from '../core/callbacks.ts';
import { epsilonOf } from '../core/dtypes.ts';
import { refusal } from '../core/errors.ts';
import { ops } from '../core/native-ops.ts';
import type { LinearOperator } from '../core/operator.ts';
import { Owned } from '../core/owned.ts';
import type { Task } from '../core/task.ts';
import { Tensor } from '../core/tensor.ts';
import * as vectors from '../core/vectors.ts';

/** Who is asked, and by which function, in messages. */
interface Names {
  readonly of: string;
  readonly call: string;
}

/**
 * Looks by three products whether ⟨A v, w⟩ = ⟨v, A w⟩ for all pairs of three random vectors, up to rounding.
 * @throws ERR_ARGUMENT where they differ
 */
export async function checkSymmetric(
  where: string,
  task: Task<never>,
  operator: LinearOperator,
  names: Names = { of: 'operator', call: 'operator.apply' },
): Promise<void> {
  const { device, dtype, shape } = operator;
  using owned = new Owned<Tensor>();
  const make = () => owned.add(new Tensor(device, [shape[0]], dtype));
  const { queue } = task;
  const pairs: (readonly [x: Tensor, image: Tensor])[] = [];
  for (let stream = 1; stream <= 3; ++stream) {
    const [x, image] = [make(), make()];
    ops.random(queue, { x: [x], seed: 0, stream, distribution: 'normal' });
    await callback(task, `${where}: ${names.call}`, [x, image], () => operator.apply(x, image));
    pairs.push([x, image]);
  }
  const out = owned.add(new Tensor(device, [12], 'f64'));
  const turns = pairs.map((one, i) => [one, pairs[(i + 1) % 3]!] as const);
  vectors.dots(queue, [...turns.flatMap(([[v, av], [w, aw]]) => [[av, w], [v, aw]] as const), ...pairs.flatMap(([x, image]) => [[x, x], [image, image]] as const)], out); // biome-ignore format: one line
  const numbers = await task.read(out);
  const sizes = Array.from(numbers.subarray(6), Math.sqrt);
  for (const i of [1, 3, 5]) checkFinite(`${where}: ${names.call}`, sizes[i]!);
  // By chance one of them is small.
  const share = Math.max(
    ...turns.map((_, i) => {
      const [v, w] = [2 * i, 2 * ((i + 1) % 3)];
      const most = sizes[v + 1]! * sizes[w]! + sizes[v]! * sizes[w + 1]!;
      return Math.abs(numbers[2 * i]! - numbers[2 * i + 1]!) / (most || 1);
    }),
  );
  // The share of an operator that couples few elements falls as 1/√n, as that of roundings of its elements does, whose
  // signs are random; those of long sums are about ε. In few dimensions chance evens nothing out.
  const root = Math.sqrt(shape[0]);
  if (share > epsilonOf(dtype) * Math.min(64 * root, 2 ** 13 / root))
    throw refusal(where, names.of, 'be symmetric', `⟨A v, w⟩ and ⟨v, A w⟩ that differ by ${share.toPrecision(2)}`);
}
