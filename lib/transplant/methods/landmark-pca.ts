import { ops } from '../../core/native-ops.ts';
import { Owned } from '../../core/owned.ts';
import type { Task } from '../../core/task.ts';
import { Tensor } from '../../core/tensor.ts';
import { polarByProducts } from '../../linalg/polar.ts';
import { gather } from '../tables/table.ts';
import { gatherUnordered } from './gather.ts';
import { center, negated, product } from './linear.ts';
import type { PrepareMethod } from './method.ts';

/** Iterations of the subspace of the larger side. */
const iterations = 12;

/**
 * Shared tokens as landmarks: both sides are centred and projected onto their q = min(d_donor, d_base) principal
 * directions, and the rotation between the projections (orthogonal Procrustes) carries new tokens over. Any basis of a
 * principal subspace will do, since the rotation makes up for it; where a side keeps all its directions, none is
 * needed.
 */
export const landmarkPca: PrepareMethod = async ({ task, donor, bases, anchors }) => {
  const { device, queue } = task;
  using owned = new Owned<Tensor>();
  using donorRows = await gather(task, donor, anchors.donor);
  const donorMean = owned.add(center(queue, donorRows));
  const back = owned.add(negated(queue, donorMean));
  const maps: { map: Tensor; mean: Tensor }[] = [];
  for (const { table } of bases) {
    using baseRows = await gatherUnordered(task, table, anchors.base);
    const mean = owned.add(center(queue, baseRows));
    maps.push({ map: owned.add(await mapBetween(task, donorRows, baseRows)), mean });
  }
  const kept = owned.move();
  return {
    async approximate(targets) {
      const count = targets.shape[0]!;
      using centred = Tensor.zeros(device, targets.shape);
      ops.addBias(queue, { x: targets, bias: back, out: centred });
      const rows = maps.map(({ map, mean }) => {
        const row = Tensor.zeros(device, [count, map.shape[1]!]);
        ops.gemm(queue, { a: centred, b: map, c: row });
        ops.addBias(queue, { x: row, bias: mean, out: row });
        return row;
      });
      return { rows };
    },
    dispose: () => kept.dispose(),
  };
};

/** The matrix that carries centred rows of `from` into the space of `to`: P_from · R · P_toᵀ. */
async function mapBetween(task: Task, from: Tensor, to: Tensor): Promise<Tensor> {
  const { queue } = task;
  const [, a = 0] = from.shape;
  const [, b = 0] = to.shape;
  const q = Math.min(a, b);
  using pFrom = a > q ? await principalSubspace(task, from, q) : undefined;
  using pTo = b > q ? await principalSubspace(task, to, q) : undefined;
  using zFrom = pFrom ? product(queue, from, pFrom) : undefined;
  using zTo = pTo ? product(queue, to, pTo) : undefined;
  using cross = product(queue, zFrom ?? from, zTo ?? to, { transA: true });
  using exact = cross.cast('f64');
  using rotation = polarByProducts(queue, exact);
  const map = rotation.cast('f32');
  if (!pFrom && !pTo) return map;
  using own = map;
  using left = pFrom ? product(queue, pFrom, own) : own.copy();
  return pTo ? product(queue, left, pTo, { transB: true }) : left.copy();
}

/** Orthonormal columns that span the q principal directions of centred rows. */
async function principalSubspace(task: Task, rows: Tensor, q: number): Promise<Tensor> {
  const { device, queue } = task;
  const [, d = 0] = rows.shape;
  using covariance = Tensor.zeros(device, [d, d]);
  ops.symmetricProduct(queue, { a: rows, c: covariance, trans: 'transposed' });
  using exact = covariance.cast('f64');
  using owned = new Owned<Tensor>();
  let basis: Tensor = owned.add(Tensor.randn(device, [d, q], { seed: 0, dtype: 'f64' }));
  for (let i = 0; i < iterations; ++i) {
    using image = product(queue, exact, basis);
    owned.drop(basis);
    basis = owned.add(polarByProducts(queue, image));
    await task.synchronize();
  }
  return basis.cast('f32');
}
