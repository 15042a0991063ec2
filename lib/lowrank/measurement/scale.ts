import { refusal } from '../../core/errors.ts';
import { ops } from '../../core/native-ops.ts';
import { Owned } from '../../core/owned.ts';
import { RandomStream } from '../../core/random.ts';
import type { Task } from '../../core/task.ts';
import { Tensor } from '../../core/tensor.ts';
import * as vectors from '../../core/vectors.ts';
import type { FactorMeasurement, MeasurementOperator } from './operator.ts';

const powerSteps = 12;
const streamOfScales = 1;

const drawn = (measurement: MeasurementOperator, side: number, random: RandomStream, owned: Owned<Tensor>): Tensor => {
  const { device, dtype } = measurement;
  return owned.add(random.normal(device, [side, 1], { dtype: dtype as 'f32' | 'f64' }));
};

/** x / |x|, and |x| to `out`. */
function normalize(task: Task<never>, x: Tensor, out: Tensor): void {
  vectors.norm(task.queue, x, out);
  using inverse = vectors.scalar(x.device);
  ops.map(task.queue, { x: [out], out: [inverse], function: 'power', parameters: [-1] });
  vectors.scale(task.queue, inverse, x);
}

/** An estimate of the largest singular value of E = Σ yᵢ Aᵢ, or of (E + Eᵀ)/2, from below; 0 of 0. */
export async function spectralNorm(
  task: Task<never>,
  way: FactorMeasurement,
  measurement: MeasurementOperator,
  y: Tensor,
  isSymmetric: boolean,
  seed: number,
): Promise<number> {
  using owned = new Owned<Tensor>();
  const random = new RandomStream(seed, { stream: streamOfScales });
  const [rows, columns] = measurement.sides;
  const { device, dtype } = measurement;
  const right = drawn(measurement, columns, random, owned);
  const left = drawn(measurement, rows, random, owned);
  const [byLeft, byRight] = [rows, columns].map((side) => owned.add(new Tensor(device, [side, 1], dtype))) as [Tensor, Tensor]; // biome-ignore format: one line
  const size = owned.add(vectors.scalar(device));
  for (let i = 0; i < powerSteps; ++i) {
    normalize(task, right, size);
    if (isSymmetric) {
      await way.adjoint(y, right, right, byLeft, byRight);
      vectors.combine(task.queue, right, [0.5, byLeft], [0.5, byRight]);
      continue;
    }
    // The first half of E needs no left factor, the second no right one.
    await way.adjoint(y, left, right, byLeft, byRight);
    vectors.copy(task.queue, byLeft, left);
    normalize(task, left, size);
    await way.adjoint(y, left, right, byLeft, byRight);
    vectors.copy(task.queue, byRight, right);
  }
  vectors.norm(task.queue, right, size);
  const [norm] = await task.read(size);
  if (norm === Infinity)
    throw refusal('MatrixSensing.run', 'y', 'have sums with the measurement that are finite', norm);
  // The direction of a zero is NaN.
  return Number.isNaN(norm!) ? 0 : norm!;
}

/** Root mean square of the elements of the Aᵢ, estimated: how measurements grow with the size of what they measure. */
export async function elementSize(
  task: Task<never>,
  way: FactorMeasurement,
  measurement: MeasurementOperator,
  seed: number,
): Promise<number> {
  using owned = new Owned<Tensor>();
  const random = new RandomStream(seed, { stream: streamOfScales });
  const [left, right] = measurement.sides.map((side) => drawn(measurement, side, random, owned)) as [Tensor, Tensor];
  const out = owned.add(new Tensor(measurement.device, [measurement.shape[0]], measurement.dtype));
  await way.apply(left, right, out);
  const squares = owned.add(new Tensor(measurement.device, [3], 'f64'));
  vectors.dots(task.queue, [[out, out], [left, left], [right, right]], squares); // biome-ignore format: one line
  const [measured, a, b] = (await task.read(squares)) as unknown as [number, number, number];
  return Math.sqrt(measured / measurement.shape[0] / (a * b));
}
