// Factorizations, systems and iterative solvers.
import path from 'node:path';
import { data } from './bits.mjs';
import { checkCalls } from './calls.mjs';

const n = 6;

/** A symmetric matrix whose diagonal outweighs the rest. */
function definite() {
  const draws = data([n, n], 11);
  return draws.map((x, i) => (x + draws[(i % n) * n + Math.floor(i / n)]) / 2 + (i % (n + 1) === 0 ? n : 0));
}

/** Solvers, by functions that make and give back the vectors that a solver works on. */
function problems({ device, library, double }) {
  const { ops, Tensor } = library;
  const matrix = double(definite(), [n, n]);
  const product = (x, out) => {
    const b = x.reshape([n, 1]);
    try {
      const c = out.reshape([n, 1]);
      try {
        ops.gemm(device, { a: matrix, b, c });
      } finally {
        c.dispose();
      }
    } finally {
      b.dispose();
    }
  };
  const operator = { device, dtype: 'f64', shape: [n, n], apply: product, adjoint: product };
  /** Its bits once a call has changed it. */
  const changed = (call) => async () => {
    const x = double(data([n, 1], 15), [n]);
    try {
      await call(x);
      return { x: await x.read() };
    } finally {
      x.dispose();
    }
  };
  /** xᵀAx / 2. */
  const minimized = (solve) =>
    changed(async (x) => {
      const half = (gradient, out) => {
        ops.dots(device, { x: [x], y: [gradient], out });
        ops.linearCombination(device, { out: [out], terms: [out], coefficients: [0.5] });
      };
      const oracle = {
        params: [x],
        value(out) {
          const gradient = Tensor.zeros(device, [n], { dtype: 'f64' });
          try {
            product(x, gradient);
            half(gradient, out);
          } finally {
            gradient.dispose();
          }
        },
        gradient([gradient], value) {
          product(x, gradient);
          if (value) half(gradient, value);
        },
      };
      await solve(oracle);
    });
  return { matrix, operator, changed, minimized };
}

export async function checkAlgebra({ checker, device, folder, library }) {
  const linalg = await import(path.join(folder, 'lib', 'linalg', 'index.js'));
  const solvers = await import(path.join(folder, 'lib', 'solvers', 'index.js'));
  const double = (values, shape) => library.Tensor.from(device, Float64Array.from(values), shape);
  const { matrix, operator, changed, minimized } = problems({ device, library, double });
  const tall = double(data([9, 4], 12), [9, 4]);
  const [b, c] = [double(data([n, 1], 13), [n, 1]), double(data([9, 1], 14), [9, 1])];
  const right = double(data([n, 1], 13), [n]);
  const [plane, offset] = [double(data([2, n], 16), [2, n]), double(data([2, 1], 17), [2])];
  const inputs = [matrix, tall, b, c, right, plane, offset];
  const { project } = solvers;
  // Rounds of a loop ask for the same blocks.
  const few = { maxIterations: 3 };
  await checkCalls(
    { checker, library },
    {
      'linalg.cholesky': () => linalg.cholesky(matrix),
      'linalg.lu': () => linalg.lu(matrix),
      'linalg.qr': () => linalg.qr(tall),
      'linalg.eigh': () => linalg.eigh(matrix),
      'linalg.svd': () => linalg.svd(tall),
      'linalg.solve': () => linalg.solve(matrix, b),
      'linalg.lstsq': () => linalg.lstsq(tall, c),
      'linalg.polar': () => linalg.polar(tall),
      'linalg.randomizedSvd': () => linalg.randomizedSvd(tall, { rank: 2, seed: 1 }),
      'solvers.cg': () => solvers.cg(operator, right, few),
      'solvers.minres': () => solvers.minres(operator, right, few),
      'solvers.lanczos': () => solvers.lanczos(operator, { steps: 3 }),
      'solvers.slq': () => solvers.slq(operator, Math.log, { probes: 2, steps: 3 }),
      'solvers.checkAdjoint': () => solvers.checkAdjoint(operator),
      'solvers.lbfgs': minimized((oracle) => solvers.lbfgs(oracle, few)),
      'solvers.fista': minimized((oracle) => solvers.fista(oracle, ([x]) => project.ball(x, 1), few)),
      'solvers.checkGradient': minimized((oracle) => solvers.checkGradient(oracle)),
      'project.simplex': changed((x) => project.simplex(x, 1)),
      'project.l1Ball': changed((x) => project.l1Ball(x, 1)),
      'project.affine': changed((x) => project.affine(x, plane, offset)),
      'project.dykstra': changed((x) =>
        project.dykstra(x, [(one) => project.ball(one, 1), (one) => project.box(one, 0, 1)], few),
      ),
    },
    inputs,
  );
  for (const one of inputs) one.dispose();
}
