// Solvers, curvature and constrained problems that take a signal, at sizes that take about a tenth of a second.
import {
  adaSketchNewton,
  cdmSolve,
  LearnedProximal,
  pnpAdmm,
  poissonOperator,
  ritzDataset,
} from '../../lib/constrained/index.ts';
import {
  gnsMinimize,
  MFac,
  MFacOptimizer,
  MFacStatic,
  obsPrune,
  type SurrogateModel,
  sgdSecondMomentRadius,
  slq,
  softmaxRegression,
  stabilityReport,
  TargetSurrogate,
} from '../../lib/curvature/index.ts';
import { type Device, ops, Tensor } from '../../lib/index.ts';
import { blockLanczos, cg, fista, lanczos, lbfgs, matrixOperator, minres } from '../../lib/solvers/index.ts';
import { logistic } from '../constrained/lagrangian/problems.ts';
import type { Abortable, Call } from './abort-calls.ts';

/** Every call of these families, and what they work on. */
export const curvatureCalls = (device: Device): readonly Abortable[] => [
  solves(device),
  curvatures(device),
  constraints(device),
];

/** Systems, eigenvalues and minima. */
function solves(device: Device): Abortable {
  const side = 200;
  const grid = poissonOperator(device, [side, side]);
  const b = Tensor.randn(device, [side * side], { seed: 6, dtype: 'f64' });
  const half = Tensor.randn(device, [900, 900], { seed: 7, dtype: 'f64' });
  const square = new Tensor(device, [900, 900], 'f64');
  ops.gemm(device, { a: half, b: half, c: square, transB: 'transposed' });
  const matrix = matrixOperator(square);
  const problem = () => {
    const data = Tensor.randn(device, [2000, 40], { seed: 8, dtype: 'f64' });
    const labels = Tensor.from(
      device,
      Int32Array.from({ length: 2000 }, (_, i) => (7 * i) % 10),
      [2000],
    );
    const params = [Tensor.zeros(device, [10, 40], { dtype: 'f64' })];
    return softmaxRegression(data, labels, { l2: 1e-6, params });
  };
  const [first, second] = [problem(), problem()];
  const reset = () => ops.fill(device, { x: [...first.params, ...second.params] });
  const itself = () => {};
  const solved = { tol: 0, maxIterations: 100 };
  return {
    calls: {
      cg: async (signal) => (await cg(grid, b, { ...solved, signal })).x.dispose(),
      minres: async (signal) => (await minres(grid, b, { ...solved, signal })).x.dispose(),
      'lanczos of a function': (signal) => lanczos(grid, { steps: 60, signal }),
      'lanczos of a matrix': (signal) => lanczos(matrix, { steps: 100, signal }),
      blockLanczos: (signal) => blockLanczos(grid, { steps: 60, block: 3, signal }),
      slq: (signal) => slq(grid, Math.abs, { steps: 10, probes: 10, signal }),
      lbfgs: async (signal) => {
        reset();
        await lbfgs(first, { tol: 1e-12, maxIterations: 100, signal });
        reset();
      },
      fista: async (signal) => {
        reset();
        await fista(second, itself, { tol: 1e-12, maxIterations: 100, signal });
        reset();
      },
    },
    inputs: [b, half, square],
    prepare: async () => reset(),
  };
}

function curvatures(device: Device): Abortable {
  const size = 200_000;
  const params = [Tensor.zeros(device, [size])];
  const grads = [Tensor.randn(device, [size], { seed: 9 })];
  const window = new MFac(params, { window: 64, damp: 1e-3 });
  const optimizer = new MFacOptimizer(params, { window: 64, damp: 1e-3 });
  const all = Tensor.randn(device, [64, size], { seed: 10 });
  const few = Tensor.randn(device, [64, 50_000], { seed: 11 });
  const w = Tensor.randn(device, [50_000], { seed: 12 });
  const jacobian = Tensor.randn(device, [400, 48], { seed: 13, dtype: 'f64' });
  const wide = Tensor.randn(device, [700, 3000], { seed: 14, dtype: 'f64' });
  const side = 200;
  const grid = poissonOperator(device, [side, side]);
  const weights = [Tensor.zeros(device, [10, 60], { dtype: 'f64' })];
  const data = Tensor.randn(device, [3000, 60], { seed: 15, dtype: 'f64' });
  const labels = Tensor.from(
    device,
    Int32Array.from({ length: 3000 }, (_, i) => (7 * i) % 10),
    [3000],
  );
  const oracle = softmaxRegression(data, labels, { l2: 1e-8, params: weights });
  const x = Tensor.randn(device, [4000, 60], { seed: 16, dtype: 'f64' });
  const own = Tensor.zeros(device, [60], { dtype: 'f64' });
  const product = (from: Tensor, to: Tensor, transA: 'none' | 'transposed') =>
    ops.gemm(device, { a: x, b: from.reshape([from.size, 1]), c: to.reshape([to.size, 1]), transA });
  const model: SurrogateModel = {
    params: [own],
    targets: [4000],
    forward: (z) => product(own, z, 'none'),
    vjp: (u, [grad]) => product(u, grad!, 'transposed'),
  };
  const ones = Tensor.full(device, [4000], 1, { dtype: 'f64' });
  const surrogate = new TargetSurrogate({ targetStep: 1, inner: 100 });
  const fixed = MFacStatic.fromGradients(few, { damp: 1e-3 });
  const reset = () => ops.fill(device, { x: [...weights, own, ...params] });
  return {
    calls: {
      'MFac.push': (signal) => window.push(grads, { signal }),
      'MFacOptimizer.step': async (signal) => {
        await optimizer.step(grads, { signal });
        reset();
      },
      'MFacStatic.fromGradients': async (signal) =>
        (await MFacStatic.fromGradients(all, { damp: 1e-3, signal })).dispose(),
      'MFacStatic.diagonal': async (signal) => (await (await fixed).diagonal({ signal })).dispose(),
      obsPrune: async (signal) => (await obsPrune(w, await fixed, { drop: 25_000, signal })).weights.dispose(),
      gnsMinimize: async (signal) => {
        reset();
        await gnsMinimize(oracle, { gradTol: 1e-12, maxIterations: 20, signal });
        reset();
      },
      'TargetSurrogate.step': async (signal) => {
        reset();
        const target = (z: Tensor, gradOut: Tensor) => {
          ops.linearCombination(device, { out: [gradOut], terms: [z, ones], coefficients: [1, -1] });
          return 4000;
        };
        await surrogate.step(model, target, { signal });
        reset();
      },
      'stabilityReport of an operator': (signal) =>
        stabilityReport({ operator: grid }, { lr: 0.1, probes: 200, signal }),
      'stabilityReport of a Jacobian': (signal) => stabilityReport({ jacobian: wide }, { lr: 0.1, signal }),
      sgdSecondMomentRadius: (signal) => sgdSecondMomentRadius(jacobian, { lr: 1e-3, signal }),
    },
    inputs: [...grads, all, few, w, jacobian, wide, data, labels, x],
    prepare: async () => {
      await fixed;
      reset();
    },
  };
}

function constraints(device: Device): Abortable {
  const side = 150;
  const grid = poissonOperator(device, [side, side]);
  const b = Tensor.randn(device, [side * side], { seed: 17, dtype: 'f64' });
  const itself = (r: Tensor, out: Tensor) => ops.copy(device, { x: [r], out: [out] });
  const problem = logistic(200, 40);
  const [x0, lambda0] = [new Float64Array(40).fill(1), new Float64Array(5).fill(1)];
  const lpn = new LearnedProximal(device, { dim: 16, hidden: 64, layers: 2, seed: 1, alpha: 0.1, dtype: 'f64' });
  const signals = Tensor.randn(device, [200, 16], { seed: 18, dtype: 'f64' });
  const rows = Tensor.randn(device, [200, 400], { seed: 19, dtype: 'f64' });
  const measured = Tensor.randn(device, [200], { seed: 20, dtype: 'f64' });
  const operator = matrixOperator(rows);
  const prox = (x: Tensor, out: Tensor) =>
    ops.map(device, { x: [x], out: [out], function: 'soft_threshold', parameters: [0.1] });
  const newton =
    (sketch: 'direct' | 'block' | 'gaussian' | 'kaczmarz', tol: number): Call =>
    (signal) =>
      adaSketchNewton(problem, x0, lambda0, { sketch, tol, maxInner: 20_000, maxIterations: 30, device, signal });
  return {
    calls: {
      'adaSketchNewton by a factorization': newton('direct', 1e-12),
      'adaSketchNewton by blocks': newton('block', 1e-3),
      'adaSketchNewton by single vectors': newton('gaussian', 1),
      'adaSketchNewton by rows': newton('kaczmarz', 1),
      cdmSolve: async (signal) =>
        (await cdmSolve(grid, b, itself, { tol: 1e-14, maxIterations: 300, signal })).x.dispose(),
      ritzDataset: async (signal) => (await ritzDataset(grid, { vectors: 60, samples: 30, signal })).dispose(),
      'LearnedProximal.invert': async (signal) => (await lpn.invert(signals, { tol: 1e-12, signal })).y.dispose(),
      'LearnedProximal.prior': (signal) => lpn.prior(signals, { tol: 1e-12, signal }),
      pnpAdmm: async (signal) =>
        (await pnpAdmm({ operator, y: measured, prox }, { rho: 0.1, iterations: 8, tol: 0, signal })).x.dispose(),
    },
    inputs: [b, signals, rows, measured, ...lpn.params],
    prepare: async () => {},
  };
}
