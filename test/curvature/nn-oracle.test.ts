// Devices: cpu, cuda
// Values: a linear model in closed form, whose Hessian is known, and methods that must agree.
import { afterAll, describe, expect, it } from 'vitest';
import { cdmSolve } from '../../lib/constrained/index.ts';
import {
  directionalSharpness,
  flat,
  gnsMinimize,
  LanczosLrLearner,
  MFacOptimizer,
  MFacStatic,
  obsPrune,
  type SurrogateModel,
  sharpnessProfile,
  slq,
  stabilityReport,
  TargetSurrogate,
} from '../../lib/curvature/index.ts';
import { Device, ops, Tensor } from '../../lib/index.ts';
import * as nn from '../../lib/nn/index.ts';
import { cg, fista, lanczos, lbfgs, minres, project } from '../../lib/solvers/index.ts';
import { normal } from '../support/data.ts';
import { devices } from '../support/devices.ts';
import { dot, relative, rowsOf, solverOf } from './dense.ts';

describe.each(devices)('every method takes the oracle of a network on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  const [samples, inputs] = [12, 4];
  const [data, aims] = [normal(samples * inputs, 1), normal(samples, 2)];
  const rows = rowsOf(data, inputs);
  const x = Tensor.from(device, data, [samples, inputs]);
  const y = Tensor.from(device, aims, [samples, 1]);
  type Model = { weight: Tensor };
  const model = (): Model => ({ weight: Tensor.zeros(device, [1, inputs], { dtype: 'f64' }) });
  const predicted = (m: nn.Traced<Model>, of: Tensor) => nn.linear({ weight: m.weight }, of);
  const loss = (m: nn.Traced<Model>, of: Tensor, to: Tensor) => nn.squaredError(predicted(m, of), to);
  const made = () => nn.oracle(loss, model(), () => [x, y]);

  /** The loss is |x w − y|² / n: its Hessian is 2 xᵀx / n, its minimum that of least squares. */
  const square = Array.from({ length: inputs }, (_, i) => Float64Array.from({ length: inputs }, (_, j) => (2 / samples) * rows.reduce((sum, row) => sum + row[i]! * row[j]!, 0))); // biome-ignore format: one line
  const side = Float64Array.from({ length: inputs }, (_, j) => (2 / samples) * rows.reduce((sum, row, i) => sum + row[j]! * aims[i]!, 0)); // biome-ignore format: one line
  const best = solverOf(square)(side);
  const trace = square.reduce((sum, row, i) => sum + row[i]!, 0);
  const read = async (tensor: Tensor) => (await tensor.read()) as Float64Array;
  const b = Tensor.from(device, side, [inputs]);

  it('minimizes it', async () => {
    for (const run of ['gns', 'lbfgs', 'fista'] as const) {
      using oracle = made();
      const options = { maxIterations: 500 };
      const end = await {
        gns: () => gnsMinimize({ ...oracle, curvature: { kind: 'product' } }, { gradTol: 1e-9 }),
        lbfgs: () => lbfgs(oracle, { tol: 1e-9 }),
        fista: () => fista(oracle, ([w]) => project.ball(w!, 1e3), { ...options, tol: kind === 'cuda' ? 1e-5 : 1e-9 }),
      }[run]();
      expect(end.status, run).toBe('converged');
      expect(relative(await read(oracle.params[0]!), best), run).toBeLessThan(kind === 'cuda' ? 1e-3 : 1e-6);
    }
  });

  it('solves with its products', async () => {
    using oracle = made();
    for (const curvature of ['hessian', 'gauss-newton'] as const) {
      const operator = flat(oracle, curvature);
      // Products with the Hessian are differences of gradients, and symmetric but for the error of those.
      const checkSymmetry = curvature === 'gauss-newton';
      const itself = (r: Tensor, out: Tensor) => ops.copy(device, { x: [r], out: [out] });
      const ends = [
        await cg(operator, b, { tol: 1e-10, checkSymmetry }),
        await minres(operator, b, { tol: 1e-10, checkSymmetry }),
        await cdmSolve(operator, b, itself, { tol: 1e-10, checkSymmetry }),
      ];
      for (const { x: found, status } of ends) {
        expect(status).toBe('converged');
        expect(relative(await read(found), best)).toBeLessThan(1e-8);
      }
    }
  });

  it('measures its curvature', async () => {
    using oracle = made();
    const operator = flat(oracle, 'gauss-newton');
    const { ritz } = await lanczos(operator, { steps: inputs, checkSymmetry: true });
    const largest = ritz.at(-1)!;
    expect(ritz.reduce((sum, value) => sum + value, 0)).toBeCloseTo(trace, 10);
    const estimate = await slq(operator, (value) => value, { probes: 40, steps: inputs, checkSymmetry: true });
    expect(Math.abs(estimate.value - trace)).toBeLessThan(4 * estimate.stderr);
    const report = await stabilityReport({ operator }, { lr: 1.9 / largest, steps: inputs, checkSymmetry: true });
    expect(report.lambdaMax).toBeCloseTo(largest, 8);
    expect(report.gdStable).toBe(true);
    const learned = (await new LanczosLrLearner({ mode: 'sgd', checkSymmetry: true }).observe(0, operator))!;
    expect(learned.lr).toBeCloseTo(2 / largest, 8);
    const u = normal(inputs, 3);
    const expected =
      dot(
        u,
        Float64Array.from(square, (row) => dot(row, u)),
      ) / dot(u, u);
    expect(await directionalSharpness(operator, Tensor.from(device, u, [1, inputs]))).toBeCloseTo(expected, 12);
    expect((await sharpnessProfile(operator, Tensor.from(device, u, [1, inputs]))).top10).toBeGreaterThan(0);
  });

  it('steps and prunes by the gradients of its samples', async () => {
    using oracle = made();
    const [w] = oracle.params as [Tensor];
    const each = Tensor.zeros(device, [samples, 1, inputs], { dtype: 'f64' });
    await oracle.perSampleGradients!([each]);
    // 2 (xᵢ w − yᵢ) xᵢ at w = 0
    const gradients = await read(each);
    for (const [i, row] of rows.entries())
      for (let j = 0; j < inputs; ++j) expect(gradients[i * inputs + j]).toBeCloseTo(-2 * aims[i]! * row[j]!, 12);
    using fixed = await MFacStatic.fromGradients(each.reshape([samples, inputs]), { damp: 1e-3 });
    const { mask } = await obsPrune(Tensor.from(device, best, [inputs]), fixed, { drop: 2 });
    expect(mask.filter((kept) => kept === 0)).toHaveLength(2);
    using optimizer = new MFacOptimizer(oracle.params, { lr: 0.05, window: 4, damp: 1 });
    const grads = [Tensor.zeros(device, w.shape, { dtype: 'f64' })];
    const value = Tensor.zeros(device, [1], { dtype: 'f64' });
    const values: number[] = [];
    for (let step = 0; step < (kind === 'cuda' ? 5 : 40); ++step) {
      await oracle.gradient(grads, value);
      values.push((await read(value))[0]!);
      await optimizer.step(grads);
    }
    expect(values.at(-1)).toBeLessThan(values[0]!);
  });

  it('goes down a surrogate of its outputs', async () => {
    const own = model();
    /** Σ u ⊙ z, whose gradient by the weights is the pullback of u. */
    using pullback = nn.valueAndGrad((m: nn.Traced<Model>, u: Tensor) => nn.sum(nn.multiply(predicted(m, x), u)));
    using forward = nn.forward(predicted);
    const surrogate: SurrogateModel = {
      params: [own.weight],
      targets: [samples, 1],
      forward: (z) => ops.copy(device, { x: [forward(own, x) as Tensor], out: [z] }),
      vjp: (u, grads) => ops.copy(device, { x: [pullback(own, u).grads.get(own.weight)!], out: grads }),
    };
    const one = new TargetSurrogate({ targetStep: samples / 2, inner: kind === 'cuda' ? 20 : 200 });
    const { status } = await one.step(surrogate, async (z, gradOut) => {
      const left = (await read(z)).map((value, i) => value - aims[i]!);
      gradOut.write(left.map((value) => (2 * value) / samples));
      return dot(left, left) / samples;
    });
    expect(['max-iterations', 'at-precision']).toContain(status);
    // The surrogate of a squared error, at the inverse of its smoothness, is that error.
    expect(relative(await read(own.weight), best)).toBeLessThan(kind === 'cuda' ? 0.1 : 1e-4);
  });
});
