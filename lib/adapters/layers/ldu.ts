// The factors of P·L·diag(D)·U of a matrix that an adapter keeps.
import { allOrNone, filled } from '../../core/all-or-none.ts';
import { ops } from '../../core/native-ops.ts';
import type { Owned } from '../../core/owned.ts';
import { Tensor } from '../../core/tensor.ts';
import * as vectors from '../../core/vectors.ts';
import { sidesOf } from '../../linalg/compute.ts';
import { type Argument, luOf } from '../../linalg/factorizations.ts';

/** A pivot of less than this share of the largest counts as 0. */
const zeroShare = 1e-7;

/** The first columns of P·L, the first rows of U, its diagonal 1, and the first pivots. */
export interface LduFactors {
  /** `[out, rank]`: of each column the largest element is 1. */
  readonly left: Tensor;
  /** `[rank, in]`. */
  readonly right: Tensor;
  /** `rank` of them; 0 where {@link LduFactors.zeroPivots} says so. */
  readonly pivots: Float64Array;
  /** Places of pivots that count as 0, whose row of U is that of the identity; ascending. */
  readonly zeroPivots: Int32Array;
}

/** Factors of a finite matrix, f32 or f64, by partial pivoting; they belong to `owned`. */
export async function lduOf(
  argument: Argument,
  weight: Tensor,
  rank: number,
  owned: Owned<Tensor>,
): Promise<LduFactors> {
  const { device, dtype } = weight;
  const [outputs, inputs] = weight.shape as [number, number];
  const made = (shape: readonly number[]): Tensor => owned.add(new Tensor(device, shape, dtype));
  const factored = await luOf(argument, weight, sidesOf(argument.where, argument.name, weight));
  using triangles = factored.lu;
  using order = factored.pivots;
  const { pivots, zeroPivots, inverses } = await pivotsOf(triangles, rank);

  const right = made([rank, inputs]);
  using rows = triangles.rows(0, rank);
  using scale = Tensor.from(device, dtype === 'f64' ? inverses : Float32Array.from(inverses), [rank]);
  using ofRight = new UnitTriangle(right);
  ops.multiply(device, { x: [rows], y: [ofRight.above], out: [right] });
  ops.scaleAxis(device, { x: right, scale, out: right, axis: 0 });
  ofRight.addDiagonal(right);

  // Columns of L as rows: what is below the diagonal of [out, rank] is above that of [rank, out].
  using turned = new Tensor(device, [inputs, outputs], dtype);
  ops.transpose(device, { x: triangles, out: turned });
  using columns = turned.rows(0, rank);
  using ofLeft = new UnitTriangle(columns);
  ops.multiply(device, { x: [columns], y: [ofLeft.above], out: [columns] });
  ofLeft.addDiagonal(columns);
  using upright = new Tensor(device, [outputs, rank], dtype);
  ops.transpose(device, { x: columns, out: upright });
  const left = made([outputs, rank]);
  ops.scatterRows(device, { out: left, index: order, x: upright, mode: 'set' });
  return { left, right, pivots, zeroPivots };
}

/** The first pivots of a factored matrix, those that count as 0, and the others' inverses, 0 in their places. */
async function pivotsOf(
  triangles: Tensor,
  rank: number,
): Promise<Pick<LduFactors, 'pivots' | 'zeroPivots'> & { inverses: Float64Array }> {
  const { device, dtype } = triangles;
  const [rows, columns] = triangles.shape as [number, number];
  const count = Math.min(rows, columns);
  using diagonal = new Tensor(device, [count, 1], dtype);
  const span = Math.max(1, Math.floor(2 ** 30 / columns));
  for (let from = 0; from < count; from += span) {
    const to = Math.min(count, from + span);
    using part = triangles.rows(from, to);
    using flat = part.reshape([part.size, 1]);
    using index = vectors.index(device, to - from, (i) => i * columns + from + i);
    using out = diagonal.rows(from, to);
    ops.gatherRows(device, { x: flat, index, out });
  }
  const all = (await diagonal.read()) as Float64Array;
  const most = all.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0);
  const pivots = Float64Array.from(all.subarray(0, rank), (value) => (Math.abs(value) > zeroShare * most ? value : 0));
  const zeroPivots = Int32Array.from([...pivots.keys()].filter((i) => pivots[i] === 0));
  return { pivots, zeroPivots, inverses: pivots.map((value) => (value === 0 ? 0 : 1 / value)) };
}

/** A triangle of matrices `[n, m]`, n up to m: 1 above the diagonal and 0 elsewhere, and 1 on it. */
class UnitTriangle {
  readonly above: Tensor;
  /** 1 on the diagonal, too. */
  readonly #upper: Tensor;

  constructor({ device, dtype, shape }: Tensor) {
    const [rows, columns] = shape as [number, number];
    const line = (count: number, of: (i: number) => readonly [number, number]): Tensor => {
      const data = Array.from({ length: count }, (_, i) => of(i)).flat();
      return Tensor.from(device, data, [count, 2], { dtype: dtype as 'f32' });
    };
    // j − i and j − i + 1, whole numbers, held within 0 and 1.
    const step = (shift: number): Tensor => {
      using left = line(rows, (i) => [1, shift - i]);
      using right = line(columns, (j) => [j, 1]);
      return filled(new Tensor(device, shape, dtype), (out) => {
        ops.gemm(device, { a: left, b: right, c: out, transB: 'transposed' });
        ops.map(device, { x: [out], out: [out], function: 'clamp', parameters: [0, 1] });
      });
    };
    [this.above, this.#upper] = allOrNone(
      () => step(0),
      () => step(1),
    );
  }

  /** x += 1 on the diagonal. */
  addDiagonal(x: Tensor): void {
    vectors.combine(x.device, x, [1, x], [1, this.#upper], [-1, this.above]);
  }

  [Symbol.dispose](): void {
    this.above.dispose();
    this.#upper.dispose();
  }
}
