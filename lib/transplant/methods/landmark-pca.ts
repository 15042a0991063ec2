import { ops } from '../../core/native-ops.ts';
import { Owned } from '../../core/owned.ts';
import { Tensor } from '../../core/tensor.ts';
import { polar } from '../../linalg/index.ts';
import { gather } from '../tables/table.ts';
import { gatherUnordered } from './gather.ts';
import { center, negated, product } from './linear.ts';
import type { PrepareMethod } from './method.ts';

/** Iterations of the subspace of the larger side. */
const iterations = 12;

/** Of matrices of thousands of rows, which have full rank. */
const polarFactor = (x: Tensor): Promise<Tensor> => polar(x, { method: 'newton-schulz' });

/**
 * Shared tokens as landmarks: both sides are centred and projected onto their q = min(d_donor, d_base) principal
 * directions, and the rotation between the projections (orthogonal Procrustes) carries new tokens over. Any basis of a
 * principal subspace will do, since the rotation makes up for it; where a side keeps all its directions, none is
 * needed.
 */
export const landmarkPca: PrepareMethod = async ({ task, donor, bases, anchors }) => {
  const { device } = task;
  using owned = new Owned<Tensor>();
  using donorRows = await gather(device, donor, anchors.donor);
  const donorMean = owned.add(center(donorRows));
  const back = owned.add(negated(donorMean));
  const maps: { map: Tensor; mean: Tensor }[] = [];
  for (const { table } of bases) {
    using baseRows = await gatherUnordered(device, table, anchors.base);
    const mean = owned.add(center(baseRows));
    maps.push({ map: owned.add(await mapBetween(donorRows, baseRows)), mean });
  }
  const kept = owned.move();
  return {
    async approximate(targets) {
      const count = targets.shape[0]!;
      using centred = Tensor.zeros(device, targets.shape);
      ops.addBias(device, { x: targets, bias: back, out: centred });
      const rows = maps.map(({ map, mean }) => {
        const row = Tensor.zeros(device, [count, map.shape[1]!]);
        ops.gemm(device, { a: centred, b: map, c: row });
        ops.addBias(device, { x: row, bias: mean, out: row });
        return row;
      });
      return { rows };
    },
    dispose: () => kept.dispose(),
  };
};

/** The matrix that carries centred rows of `from` into the space of `to`: P_from · R · P_toᵀ. */
async function mapBetween(from: Tensor, to: Tensor): Promise<Tensor> {
  const [, a = 0] = from.shape;
  const [, b = 0] = to.shape;
  const q = Math.min(a, b);
  using pFrom = a > q ? await principalSubspace(from, q) : undefined;
  using pTo = b > q ? await principalSubspace(to, q) : undefined;
  using zFrom = pFrom ? product(from, pFrom) : undefined;
  using zTo = pTo ? product(to, pTo) : undefined;
  using cross = product(zFrom ?? from, zTo ?? to, { transA: true });
  using exact = cross.cast('f64');
  using rotation = await polarFactor(exact);
  const map = rotation.cast('f32');
  if (!pFrom && !pTo) return map;
  using own = map;
  using left = pFrom ? product(pFrom, own) : own.copy();
  return pTo ? product(left, pTo, { transB: true }) : left.copy();
}

/** Orthonormal columns that span the q principal directions of centred rows. */
async function principalSubspace(rows: Tensor, q: number): Promise<Tensor> {
  const { device } = rows;
  const [, d = 0] = rows.shape;
  using covariance = Tensor.zeros(device, [d, d]);
  ops.symmetricProduct(device, { a: rows, c: covariance, trans: 'transposed' });
  using exact = covariance.cast('f64');
  let basis: Tensor = Tensor.randn(device, [d, q], { seed: 0, dtype: 'f64' });
  for (let i = 0; i < iterations; ++i) {
    using before = basis;
    using image = product(exact, before);
    basis = await polarFactor(image);
    await device.synchronize();
  }
  using last = basis;
  return last.cast('f32');
}
