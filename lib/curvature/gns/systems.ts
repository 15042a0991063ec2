// Steps s = −(H + λ I)⁻¹ g by each kind of approximation H, in f64; flat vectors [d, 1].
import { callback, checkFinite } from '../../core/callbacks.ts';
import * as check from '../../core/check.ts';
import { epsilonOf } from '../../core/dtypes.ts';
import { OrthokitError, refusal, shown } from '../../core/errors.ts';
import { ops } from '../../core/native-ops.ts';
import { Owned } from '../../core/owned.ts';
import type { Task } from '../../core/task.ts';
import { isTensor, Tensor } from '../../core/tensor.ts';
import * as vectors from '../../core/vectors.ts';
import { type CgResult, cg } from '../../solvers/cg.ts';
import { checkSymmetric } from '../../solvers/symmetry.ts';
import { flat } from '../flat.ts';
import type { GnsCurvature, GnsOracle } from './oracle.ts';

/** Systems of an approximation of the Hessian. */
export interface Shifted {
  /** Looks at the approximation at the parameters as they are. */
  begin(): Promise<void>;
  /** out = −(H + λ I)⁻¹ g; false where that cannot be had. */
  solve(lambda: number, g: Tensor, out: Tensor): Promise<boolean>;
}

type Of<K extends GnsCurvature['kind']> = Extract<GnsCurvature, { kind: K }>;

/** The mini-batch that products are of, and the choice to compare halves of matrices. */
export interface SystemChoice {
  readonly sample?: number | undefined;
  readonly checkSymmetry: boolean;
}

/** Takes what belongs to the whole run into `owned`. */
export function systemOf(
  where: string,
  task: Task<never>,
  oracle: GnsOracle,
  owned: Owned<Tensor>,
  choice: SystemChoice,
): Shifted {
  const { curvature } = oracle;
  if (curvature === undefined) return along(task);
  if (curvature.kind === 'dense') return dense(where, task, oracle, curvature, owned, choice);
  if (curvature.kind === 'lowrank') return lowrank(where, task, oracle, curvature, owned);
  return products(where, task, oracle, choice);
}

/** H = 0. */
const along = (task: Task<never>): Shifted => ({
  begin: async () => {},
  async solve(lambda, g, out) {
    vectors.scale(task.queue, -1 / lambda, g, out);
    return true;
  },
});

const sizeOf = ({ params }: GnsOracle): number => params.reduce((sum, { size }) => sum + size, 0);

/** Factors a matrix whose diagonal λ is added to, and solves: false unless it is positive definite. */
async function byCholesky(
  task: Task<never>,
  matrix: Tensor,
  shift: number,
  rhs: Tensor,
  out: Tensor,
): Promise<boolean> {
  using owned = new Owned<Tensor>();
  const { queue, device } = task;
  const [n] = matrix.shape as [number];
  const shifted = owned.add(new Tensor(device, [n, n], 'f64'));
  ops.copy(queue, { x: [matrix], out: [shifted] });
  const index = owned.add(vectors.index(device, n, (i) => i * (n + 1)));
  const ridge = owned.add(Tensor.full(device, [n, 1], shift, { dtype: 'f64' }));
  ops.scatterRows(queue, { out: owned.add(shifted.reshape([n * n, 1])), index, x: ridge, mode: 'add' });
  const factor = owned.add(new Tensor(device, [n, n], 'f64'));
  const info = owned.add(new Tensor(device, [1], 'i32'));
  ops.cholesky(queue, { gram: shifted, factor, info });
  if ((await task.read(info))[0] !== 0) return false;
  ops.choleskySolve(queue, { factor, rhs, out });
  return true;
}

/** @throws ERR_ARGUMENT where the halves of a matrix differ by more than rounding of products of matrices */
async function checkHalves(where: string, task: Task<never>, matrix: Tensor, epsilon: number): Promise<void> {
  using owned = new Owned<Tensor>();
  const { queue, device } = task;
  const other = owned.add(new Tensor(device, matrix.shape, 'f64'));
  const sums = owned.add(new Tensor(device, [2], 'f64'));
  ops.transpose(queue, { x: matrix, out: other });
  vectors.axpy(queue, -1, matrix, other);
  vectors.dots(queue, [[matrix, matrix], [other, other]], sums); // biome-ignore format: one line
  const [size, skew] = (await task.read(sums)) as unknown as [number, number];
  if (skew > (2 ** 10 * epsilon) ** 2 * size)
    throw refusal(where, 'oracle.curvature.matrix', 'give a symmetric matrix', `halves that differ by ${Math.sqrt(skew / size).toPrecision(2)}`); // biome-ignore format: one line
}

function dense(
  where: string,
  task: Task<never>,
  oracle: GnsOracle,
  curvature: Of<'dense'>,
  owned: Owned<Tensor>,
  { checkSymmetry }: SystemChoice,
): Shifted {
  // biome-ignore format: one line
  const size = sizeOf(oracle);
  const { device } = task;
  const matrix = owned.add(new Tensor(device, [size, size], 'f64'));
  const { dtype } = oracle.params[0]!;
  const given = dtype === 'f64' ? matrix : owned.add(new Tensor(device, [size, size], dtype));
  let isChecked = false;
  return {
    async begin() {
      isChecked = false;
      await callback(task, `${where}: oracle.curvature.matrix`, [given, ...oracle.params], () =>
        curvature.matrix(given),
      );
      if (given !== matrix) ops.cast(task.queue, { x: [given], out: [matrix] });
      if (checkSymmetry) await checkHalves(where, task, matrix, epsilonOf(dtype));
    },
    async solve(lambda, g, out) {
      if (await byCholesky(task, matrix, lambda, g, out)) {
        vectors.scale(task.queue, -1, out);
        return true;
      }
      // It is not positive definite, or holds what no matrix does.
      if (!isChecked) {
        const all = await task.read(matrix);
        for (let i = 0; i < size; ++i)
          for (let j = 0; j <= i; ++j) checkFinite(`${where}: oracle.curvature.matrix`, all[i * size + j]!);
      }
      isChecked = true;
      return false;
    },
  };
}

/** Solves by Woodbury's identity: s = −(g − Fᵀ (λ/scale I + F Fᵀ)⁻¹ F g) / λ. */
function lowrank(
  where: string,
  task: Task<never>,
  oracle: GnsOracle,
  curvature: Of<'lowrank'>,
  run: Owned<Tensor>,
): Shifted {
  // biome-ignore format: one line
  const size = sizeOf(oracle);
  const { dtype } = oracle.params[0]!;
  const { queue, device } = task;
  let wide: Tensor | undefined;
  let gram: Tensor | undefined;
  let scale = 0;
  return {
    async begin() {
      for (const old of [wide, gram]) if (old) run.drop(old);
      let factor: unknown;
      await callback(task, `${where}: oracle.curvature.factor`, oracle.params, async () => {
        factor = await curvature.factor();
      });
      if (!isTensor(factor)) throw refusal(where, 'oracle.curvature.factor', 'give a Tensor', shown(factor));
      const demands = { shape: [undefined, size], dtypes: [dtype], device, filled: true } as const;
      check.tensor(where, 'what oracle.curvature.factor gives', factor, demands);
      const [m] = factor.shape as [number];
      wide = run.add(new Tensor(device, [m, size], 'f64'));
      gram = run.add(new Tensor(device, [m, m], 'f64'));
      ops.cast(queue, { x: [factor], out: [wide] });
      ops.gemm(queue, { a: wide, b: wide, c: gram, transB: 'transposed' });
      scale = isTensor(curvature.scale) ? Number((await task.read(curvature.scale))[0]) : curvature.scale;
      if (!(scale >= 0 && scale < Infinity))
        throw refusal(where, 'oracle.curvature.scale', 'be finite and not negative', shown(scale));
    },
    async solve(lambda, g, out) {
      using owned = new Owned<Tensor>();
      const [m] = wide!.shape as [number];
      const [images, y] = [owned.add(new Tensor(device, [m, 1], 'f64')), owned.add(new Tensor(device, [m, 1], 'f64'))];
      vectors.scale(queue, -1 / lambda, g, out);
      if (scale === 0) return true;
      ops.gemm(queue, { a: wide!, b: g, c: images });
      if (!(await byCholesky(task, gram!, lambda / scale, images, y))) {
        const square = owned.add(vectors.scalar(device));
        vectors.dot(queue, wide!, wide!, square);
        checkFinite(`${where}: oracle.curvature.factor`, (await task.read(square))[0]!);
        return false;
      }
      ops.gemm(queue, { a: wide!, b: y, c: out, transA: 'transposed', alpha: 1 / lambda, beta: 1 });
      return true;
    },
  };
}

function products(
  where: string,
  task: Task<never>,
  oracle: GnsOracle,
  { sample, checkSymmetry }: SystemChoice,
): Shifted {
  const operator = flat(oracle, 'gauss-newton', sample);
  const { device, queue } = task;
  const { dtype, shape } = operator;
  const [size] = shape;
  let isUnsure = checkSymmetry;
  const apply = (x: Tensor, out: Tensor): Promise<void> =>
    callback(task, `${where}: oracle.gaussNewtonProduct`, [x, out, ...oracle.params], () => operator.apply(x, out));
  return {
    async begin() {
      if (!isUnsure) return;
      const name = 'oracle.gaussNewtonProduct';
      await checkSymmetric(where, task, operator, { of: name, call: name });
      isUnsure = false;
    },
    async solve(lambda, g, out) {
      using owned = new Owned<Tensor>();
      const b = owned.add(new Tensor(device, [size], dtype));
      ops.cast(queue, { x: [owned.add(g.reshape([size]))], out: [b] });
      const number = owned.add(vectors.scalar(device));
      vectors.norm(queue, b, number);
      const tol = Math.min(0.1, Math.sqrt((await task.read(number))[0]!));
      const checkProduct = async (): Promise<void> => {
        const product = owned.add(new Tensor(device, [size], dtype));
        await apply(b, product);
        vectors.dot(queue, product, product, number);
        checkFinite(`${where}: oracle.gaussNewtonProduct`, (await task.read(number))[0]!);
      };
      const shifted = {
        ...operator,
        async apply(x: Tensor, product: Tensor): Promise<void> {
          await apply(x, product);
          vectors.axpy(queue, lambda, x, product);
        },
      };
      let end: CgResult;
      try {
        end = await cg(shifted, b, { tol, ...(task.signal && { signal: task.signal }) });
      } catch (error) {
        task.check();
        // An error of the oracle, or numbers that it gives, have their own name here.
        const { cause } = error as Error;
        if (cause instanceof OrthokitError) throw cause;
        await checkProduct();
        throw error;
      }
      owned.add(end.x);
      ops.cast(queue, { x: [end.x], out: [owned.add(out.reshape([size]))] });
      vectors.scale(queue, -1, out);
      if (end.status !== 'breakdown') return true;
      await checkProduct();
      return false;
    },
  };
}
