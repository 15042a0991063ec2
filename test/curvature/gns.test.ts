// Devices: cpu, cuda
// Values: minima that are known, bands around the counts of the authors' program, and paths that must agree.
import { afterAll, describe, expect, it } from 'vitest';
import { type GnsOracle, gnsMinimize, logSumExp, powerResidual, softmaxRegression } from '../../lib/curvature/index.ts';
import { Device, ops, Tensor } from '../../lib/index.ts';
import { checkGradient, lbfgs, withDifferences } from '../../lib/solvers/index.ts';
import { hostOracle } from '../solvers/problems.ts';
import { normal } from '../support/data.ts';
import { kind as device_, devices, onlyCpu } from '../support/devices.ts';
import { dot, relative, rowsOf, solverOf } from './dense.ts';

describe.each(devices)('gnsMinimize on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  const tensor = (values: Float64Array, shape: readonly number[] = [values.length]) =>
    Tensor.from(device, values, shape);
  const isFalling = (history: Float64Array | undefined): boolean =>
    history!.every((value, i) => i === 0 || value <= history![i - 1]!);

  /** A smooth maximum of 100 functions of 20 variables whose minimum is at 0. */
  function centred() {
    const [n, m, mu] = [20, 100, 0.1];
    const a = rowsOf(normal(m * n, 1), n);
    const b = normal(m, 2);
    const top = Math.max(...b.map((x) => -x / mu));
    const weights = b.map((x) => Math.exp(-x / mu - top));
    const sum = weights.reduce((total, x) => total + x, 0);
    const mean = new Float64Array(n);
    for (const [i, row] of a.entries()) for (let j = 0; j < n; ++j) mean[j]! += (weights[i]! / sum) * row[j]!;
    for (const row of a) for (let j = 0; j < n; ++j) row[j]! -= mean[j]!;
    const x = tensor(new Float64Array(n).fill(1));
    const all = Float64Array.from(a.flatMap((row) => [...row]));
    return { a: tensor(all, [m, n]), b: tensor(b), x, mu, least: mu * (top + Math.log(sum)) };
  }

  /**
   * The distance of gradient descent from it after so many steps, whose lengths are searched on the host: halved, and
   * doubled.
   */
  async function descended(steps: number): Promise<number> {
    const { a, b, mu, least } = centred();
    const n = 20;
    const [rows, sides] = [rowsOf((await a.read()) as Float64Array, n), (await b.read()) as Float64Array];
    const at = (x: Float64Array) => {
      const z = rows.map((row, i) => (dot(row, x) - sides[i]!) / mu);
      const top = Math.max(...z);
      const weights = z.map((value) => Math.exp(value - top));
      const sum = weights.reduce((total, one) => total + one, 0);
      const gradient = new Float64Array(n);
      for (const [i, row] of rows.entries()) for (let j = 0; j < n; ++j) gradient[j]! += (weights[i]! / sum) * row[j]!;
      return { value: mu * (top + Math.log(sum)), gradient };
    };
    let x = new Float64Array(n).fill(1);
    let here = at(x);
    let length = 1;
    for (let step = 0; step < steps; ++step) {
      const square = dot(here.gradient, here.gradient);
      for (let halving = 0; halving < 60; ++halving, length /= 2) {
        const next = x.map((value, j) => value - length * here.gradient[j]!);
        const there = at(next);
        if (there.value > here.value - (length * square) / 2) continue;
        [x, here] = [next, there];
        break;
      }
      length *= 2;
    }
    return here.value - least;
  }

  it('finds the minimum of a smooth maximum, by the Hessian in fewer steps than without its second part', async () => {
    const counts: number[] = [];
    for (const curvature of device_ === 'cuda' ? (['hessian'] as const) : (['hessian', 'gauss-newton'] as const)) {
      const { a, b, x, mu, least } = centred();
      const oracle = logSumExp(a, b, { mu, curvature, params: [x] });
      const options = { gradTol: 0, stopValue: least + 1e-8, history: true };
      const { status, value, iterations, solves, history } = await gnsMinimize(oracle, options);
      expect(status).toBe('converged');
      expect(value - least).toBeLessThan(1e-8);
      expect(isFalling(history)).toBe(true);
      expect(history).toHaveLength(iterations + 1);
      expect(solves).toBeGreaterThanOrEqual(iterations);
      counts.push(iterations);
    }
    expect(counts[0]).toBeLessThanOrEqual(120);
    if (device_ === 'cuda') return;
    expect(counts[1]).toBeLessThanOrEqual(400);
    expect(counts[0]).toBeLessThan(counts[1]!);
    // Along the gradient alone it takes far longer.
    const { a, b, x, mu, least } = centred();
    const { value, gradient, params } = logSumExp(a, b, { mu, params: [x] });
    const maxIterations = 300;
    const end = await gnsMinimize({ value, gradient, params }, { gradTol: 0, stopValue: least + 1e-8, maxIterations });
    expect(end).toMatchObject({ status: 'max-iterations', iterations: maxIterations });
    expect(await descended(5000)).toBeGreaterThan(1e-8);
  });

  it('takes a power of a residual, by its Hessian and by the Fisher term of rank one', async () => {
    const [m, n] = [50, 20];
    const [a, b] = [normal(m * n, 3), normal(m, 4)];
    const rows = rowsOf(a, n);
    const square = Array.from({ length: n }, (_, i) => Float64Array.from({ length: n }, (_, j) => rows.reduce((sum, row) => sum + row[i]! * row[j]!, 0))); // biome-ignore format: one line
    const side = Float64Array.from({ length: n }, (_, j) => rows.reduce((sum, row, i) => sum + row[j]! * b[i]!, 0));
    const best = solverOf(square)(side);
    const least = rows.reduce((sum, row, i) => sum + (dot(row, best) - b[i]!) ** 2, 0) ** 2 / 4;
    for (const curvature of ['hessian', 'fisher'] as const) {
      const x = tensor(new Float64Array(n).fill(1));
      const oracle = powerResidual(tensor(a, [m, n]), tensor(b), { curvature, params: [x] });
      const { status, iterations, history } = await gnsMinimize(oracle, { gradTol: 0, stopValue: least + 1e-8, history: true }); // biome-ignore format: one line
      expect(status).toBe('converged');
      expect(iterations).toBeLessThanOrEqual(150);
      expect(isFalling(history)).toBe(true);
      expect(relative((await x.read()) as Float64Array, best)).toBeLessThan(1e-3);
    }
  });

  /** (|u|² / 2) of u₁ = (x₁ − 1) / 2, uᵢ = xᵢ₊₁ − 2 xᵢ² + 1, with its Hessian or its Gauss–Newton matrix. */
  function chebyshev(isExact: boolean) {
    const n = 5;
    const x = tensor(Float64Array.of(-1, 1, 1, 1, 1));
    const residuals = (at: Float64Array) => Float64Array.from({ length: n }, (_, i) => (i === 0 ? (at[0]! - 1) / 2 : at[i]! - 2 * at[i - 1]! ** 2 + 1)); // biome-ignore format: one line
    const jacobian = (at: Float64Array) => Array.from({ length: n }, (_, i) => Float64Array.from({ length: n }, (_, j) => (i === 0 ? (j === 0 ? 0.5 : 0) : j === i ? 1 : j === i - 1 ? -4 * at[j]! : 0))); // biome-ignore format: one line
    const oracle: GnsOracle = {
      ...hostOracle([x], (at) => {
        const [u, j] = [residuals(at), jacobian(at)];
        return { value: dot(u, u) / 2, gradient: Array.from({ length: n }, (_, k) => u.reduce((sum, ui, i) => sum + ui * j[i]![k]!, 0)) }; // biome-ignore format: one line
      }),
      curvature: {
        kind: 'dense',
        async matrix(out) {
          const at = (await x.read()) as Float64Array;
          const [u, j] = [residuals(at), jacobian(at)];
          const h = new Float64Array(n * n);
          for (const row of j) for (let k = 0; k < n * n; ++k) h[k]! += row[Math.floor(k / n)]! * row[k % n]!;
          if (isExact) for (let i = 1; i < n; ++i) h[(i - 1) * (n + 1)]! -= 4 * u[i]!;
          out.write(h);
        },
      },
    };
    return { x, oracle };
  }

  it.each(onlyCpu)(
    'goes through a bent valley with either matrix, retrying where that is not positive definite: %s',
    async () => {
      const counts: number[] = [];
      for (const isExact of [true, false]) {
        const { x, oracle } = chebyshev(isExact);
        const end = await gnsMinimize(oracle, { gradTol: 0, stopValue: 1e-8, maxIterations: 5000 });
        expect(end.status).toBe('converged');
        for (const value of (await x.read()) as Float64Array) expect(Math.abs(value - 1)).toBeLessThan(0.1);
        counts.push(end.iterations);
      }
      expect(Math.max(...counts) / Math.min(...counts)).toBeLessThan(3);
    },
  );

  it('takes the same steps by a factor as by the matrix, and by products', async () => {
    const [m, n] = [6, 9];
    const [f, b] = [normal(m * n, 5), normal(n, 6)];
    /** |f·x|² / 2 + |x − b|⁴ / 4, whose first part is known. */
    const problem = (kindOf: string, dtype: 'f32' | 'f64' = 'f64') => {
      const x = Tensor.from(device, new Array<number>(n).fill(1), [n], { dtype });
      const factor = Tensor.from(device, dtype === 'f64' ? f : Float32Array.from(f), [m, n]);
      const of = hostOracle([x], (at) => {
        const images = rowsOf(f, n).map((row) => row.reduce((sum, value, j) => sum + value * at[j]!, 0));
        const away = Float64Array.from(at, (value, j) => value - b[j]!);
        const square = dot(away, away);
        const gradient = Array.from(away, (value, j) => square * value + images.reduce((sum, image, i) => sum + image * f[i * n + j]!, 0)); // biome-ignore format: one line
        return { value: images.reduce((sum, image) => sum + image * image, 0) / 2 + square ** 2 / 4, gradient };
      });
      const product = (v: Tensor, out: Tensor) => {
        using images = new Tensor(device, [m, 1], dtype);
        ops.gemm(device, { a: factor, b: v.reshape([n, 1]), c: images });
        ops.gemm(device, { a: factor, b: images, c: out.reshape([n, 1]), transA: 'transposed' });
      };
      const curvature = {
        dense: { kind: 'dense', matrix: (out: Tensor) => ops.gemm(device, { a: factor, b: factor, c: out, transA: 'transposed' }) }, // biome-ignore format: one line
        lowrank: { kind: 'lowrank', factor: () => factor, scale: 1 },
        scaled: { kind: 'lowrank', factor: () => factor, scale: Tensor.from(device, [1], [1]) },
        product: { kind: 'product' },
      }[kindOf] as GnsOracle['curvature'];
      return { ...of, gaussNewtonProduct: ([v]: readonly Tensor[], [out]: readonly Tensor[]) => product(v!, out!), curvature }; // biome-ignore format: one line
    };
    const pointOf = async (kindOf: string, steps: number) => {
      const oracle = problem(kindOf);
      await gnsMinimize(oracle, { maxIterations: steps, gradTol: 0 });
      return (await oracle.params[0]!.read()) as Float64Array;
    };
    for (const steps of [1, 3]) {
      const expected = await pointOf('dense', steps);
      expect(relative(await pointOf('lowrank', steps), expected)).toBeLessThan(1e-11);
      expect(relative(await pointOf('scaled', steps), expected)).toBeLessThan(1e-11);
    }
    const ends = ['dense', 'product'].map((kindOf) => gnsMinimize(problem(kindOf), { gradTol: 1e-9 }));
    const [dense, product] = await Promise.all(ends);
    expect([dense!.status, product!.status]).toEqual(['converged', 'converged']);
    expect(product!.value).toBeCloseTo(dense!.value, 10);
    for (const kindOf of ['dense', 'lowrank', 'product']) {
      const single = await gnsMinimize(problem(kindOf, 'f32'), { gradTol: 1e-3 });
      expect(single.status).toBe('converged');
      expect(single.value).toBeCloseTo(dense!.value, 4);
    }
  });

  it('takes the same steps by a factor of one row, which is the formula of Sherman and Morrison, as by the matrix', async () => {
    const [m, n] = [9, 6];
    const [a, b] = [tensor(normal(m * n, 20), [m, n]), tensor(normal(m, 21))];
    const rank = powerResidual(a, b, { curvature: 'fisher', params: [tensor(new Float64Array(n).fill(1))] });
    const plain = powerResidual(a, b, { curvature: 'fisher', params: [tensor(new Float64Array(n).fill(1))] });
    if (plain.curvature?.kind !== 'lowrank') throw new Error('it is not of low rank');
    const { factor, scale } = plain.curvature;
    const whole: GnsOracle = {
      ...plain,
      curvature: {
        kind: 'dense',
        async matrix(out) {
          const row = await factor();
          expect(row.shape).toEqual([1, n]);
          const alpha = typeof scale === 'number' ? scale : Number((await scale.read())[0]);
          ops.gemm(device, { a: row, b: row, c: out, transA: 'transposed', alpha });
        },
      },
    };
    for (let step = 0; step < (device_ === 'cuda' ? 2 : 6); ++step) {
      for (const oracle of [rank, whole]) await gnsMinimize(oracle, { maxIterations: 1, gradTol: 0 });
      const [x, y] = await Promise.all([rank, whole].map(({ params }) => params[0]!.read()));
      expect(relative(x as Float64Array, y as Float64Array)).toBeLessThan(1e-8);
      // Both go on from the same point.
      whole.params[0]!.write(x as Float64Array);
    }
  });

  it('refuses matrices and products that are not symmetric, where that is asked', async () => {
    for (const dtype of ['f64', 'f32'] as const) {
      const n = 8;
      const half = normal(n * n, 22);
      const of = (skew: number) => {
        const values = Float64Array.from({ length: n * n }, (_, at) => {
          const [i, j] = [Math.floor(at / n), at % n];
          return half[i * n + j]! + half[j * n + i]! + (i === j ? 12 : 0) + (i < j ? skew : 0);
        });
        const matrix = Tensor.from(device, [...values], [n, n], { dtype });
        const x = Tensor.from(device, new Array<number>(n).fill(1), [n], { dtype });
        const bowl = hostOracle([x], (at) => ({ value: dot(at, at), gradient: [...at].map((value) => 2 * value) }));
        const product = ([v]: readonly Tensor[], [out]: readonly Tensor[]) =>
          ops.gemm(device, { a: matrix, b: v!.reshape([n, 1]), c: out!.reshape([n, 1]) });
        return { bowl, x, matrix, product };
      };
      for (const skew of [0, 0.1])
        for (const kind of ['dense', 'product'] as const) {
          const { bowl, x, matrix, product } = of(skew);
          const fill = (out: Tensor) => ops.copy(device, { x: [matrix], out: [out] });
          const curvature = kind === 'dense' ? { kind, matrix: fill } : { kind };
          const oracle = { ...bowl, curvature, gaussNewtonProduct: product };
          const options = { maxIterations: 2, checkSymmetry: true };
          if (skew === 0) expect((await gnsMinimize(oracle, options)).iterations).toBeGreaterThan(0);
          else {
            const asked = kind === 'dense' ? 'curvature.matrix must give a symmetric matrix' : 'gaussNewtonProduct must be symmetric'; // biome-ignore format: one line
            await expect(gnsMinimize(oracle, options)).rejects.toThrow(`gnsMinimize: oracle.${asked}, got`);
            expect([...(await x.read())]).toEqual(new Array(n).fill(1));
          }
        }
    }
  });

  it('its problems have the right derivatives', async () => {
    const [m, n] = [12, 5];
    const [a, b] = [tensor(normal(m * n, 7), [m, n]), tensor(normal(m, 8))];
    const labels = Tensor.from(device, Int32Array.from({ length: m }, (_, i) => (i % 3) - (i === 7 ? 4 : 0)), [m]); // biome-ignore format: one line
    const x = () => [tensor(normal(n, 9))];
    const problems = [
      logSumExp(a, b, { mu: 0.7, params: x(), curvature: 'hessian' }),
      powerResidual(a, b, { p: 3, params: x() }),
      powerResidual(a, b, { p: 4, params: x() }),
      softmaxRegression(a, labels, { l2: 0.1, params: [tensor(normal(3 * n, 10), [3, n])] }),
    ];
    for (const oracle of problems) {
      expect(await checkGradient(oracle)).toBeLessThan(1e-6);
      const [w] = oracle.params as [Tensor];
      const v = tensor(normal(w.size, 11), w.shape);
      const [out, other] = [new Tensor(device, w.shape, 'f64'), new Tensor(device, w.shape, 'f64')];
      await oracle.hessianProduct!([v], [out]);
      await withDifferences(oracle).hessianProduct([v], [other]);
      expect(relative((await out.read()) as Float64Array, (await other.read()) as Float64Array)).toBeLessThan(1e-6);
      const { curvature } = oracle;
      if (curvature?.kind !== 'dense') continue;
      const matrix = new Tensor(device, [n, n], 'f64');
      await curvature.matrix(matrix);
      const rows = rowsOf((await matrix.read()) as Float64Array, n);
      const direction = (await v.read()) as Float64Array;
      expect(
        relative(
          rows.map((row) => dot(row, direction)),
          (await out.read()) as Float64Array,
        ),
      ).toBeLessThan(1e-12);
    }
  });

  it('a power of a residual has a curvature where the residual is 0, and keeps one factor', async () => {
    for (const dtype of ['f32', 'f64'] as const)
      for (const power of [2, 2.5, 3, 4]) {
        const of = (curvature: 'hessian' | 'fisher') => powerResidual(Tensor.from(device, [1, 0, 0, 2], [2, 2], { dtype }), Tensor.zeros(device, [2], { dtype }), { p: power, curvature, params: [Tensor.zeros(device, [2], { dtype })] }); // biome-ignore format: one line
        const oracle = of('hessian');
        const [out, matrix] = [Tensor.zeros(device, [2], { dtype }), Tensor.zeros(device, [2, 2], { dtype })];
        await oracle.hessianProduct!([Tensor.from(device, [1, 2], [2], { dtype })], [out]);
        if (oracle.curvature?.kind === 'dense') await oracle.curvature.matrix(matrix);
        const one = Number(power === 2);
        expect([...(await out.read())].map(Number)).toEqual([one, 8 * one]);
        expect([...(await matrix.read())].map(Math.abs)).toEqual([one, 0, 0, 4 * one]);
        const { curvature } = of('fisher');
        if (curvature?.kind !== 'lowrank') throw new Error('it is not of low rank');
        const factor = await curvature.factor();
        expect([...(await factor.read())]).toEqual([0, 0]);
        expect(await curvature.factor()).toBe(factor);
      }
  });

  it('agrees with L-BFGS on softmax regression, in fewer gradients', async () => {
    const [n, d, classes] = [60, 6, 3];
    const x = tensor(normal(n * d, 12), [n, d]);
    const labels = Tensor.from(device, Int32Array.from(normal(n, 13), (value) => Math.floor(Math.abs(value) * 2) % classes), [n]); // biome-ignore format: one line
    const problem = () =>
      softmaxRegression(x, labels, { l2: 1e-3, params: [Tensor.zeros(device, [classes, d], { dtype: 'f64' })] });
    const end = await gnsMinimize(problem(), { gradTol: 1e-8 });
    const other = await lbfgs(problem(), { tol: 1e-8 });
    expect([end.status, other.status]).toEqual(['converged', 'converged']);
    expect(end.value).toBeCloseTo(other.value, 12);
    expect(end.solves).toBeLessThan(other.evaluations);
  });

  it('refuses labels that are no class, from the first answer on', async () => {
    const x = tensor(normal(6, 1), [3, 2]);
    const params = [Tensor.zeros(device, [2, 2], { dtype: 'f64' })];
    const oracle = softmaxRegression(x, Tensor.from(device, Int32Array.of(0, 2, 1), [3]), { params });
    await expect(gnsMinimize(oracle)).rejects.toMatchObject({
      code: 'ERR_ARGUMENT',
      message: expect.stringMatching(/softmaxRegression: labels must be below the 2 classes, got 2/),
    });
    const out = new Tensor(device, [1], 'f64');
    for (let i = 0; i < 2; ++i) await expect(oracle.value(out)).rejects.toThrow(/labels/);
  });

  it('has a word for every end, and leaves the last point that was taken', async () => {
    const start = Float64Array.of(3, -2);
    const of = (f: Parameters<typeof hostOracle>[1]) => hostOracle([tensor(start.slice())], f);
    const bowl = of((x) => ({ value: x[0]! ** 2 + x[1]! ** 4, gradient: [2 * x[0]!, 4 * x[1]! ** 3] }));
    const end = await gnsMinimize(bowl, { maxIterations: 2 });
    expect(end).toMatchObject({ status: 'max-iterations', iterations: 2 });
    const wrong = of((x) => ({ value: x[0]! ** 2, gradient: [-2 * x[0]!, 0] }));
    expect(await gnsMinimize(wrong)).toMatchObject({ status: 'search-failed', iterations: 0, solves: 40 });
    expect([...(await wrong.params[0]!.read())]).toEqual([...start]);
    const high = of((x) => ({ value: 1e6 + x[0]! ** 2 + 3 * x[1]! ** 2, gradient: [2 * x[0]!, 6 * x[1]!] }));
    // Values of a million hide what is gained from a gradient of 1e-4 on.
    expect(await gnsMinimize(high, { gradTol: 1e-9 })).toMatchObject({ status: 'converged' });
    const rough = of((x) => ({ value: 1e6 + x[0]! ** 2, gradient: [x[0]! > 0 ? Math.max(1e-6, 2 * x[0]!) : Math.min(-1e-6, 2 * x[0]!), 0] })); // biome-ignore format: one line
    expect((await gnsMinimize(rough)).status).toBe('at-precision');
    const cliff = of((x) => ({ value: x[0]! < 0 ? -Infinity : x[0]!, gradient: [1, 0] }));
    expect((await gnsMinimize(cliff)).status).toBe('diverged');
    expect((await cliff.params[0]!.read())[0]).toBeGreaterThanOrEqual(0);
    const holes = of((x) => ({ value: x[0]! < 1 ? Number.NaN : x[0]! ** 2, gradient: [2 * x[0]!, 0] }));
    const near = await gnsMinimize(holes, { maxInner: 60 });
    expect(Number.isFinite(near.value)).toBe(true);
    expect((await holes.params[0]!.read())[0]).toBeGreaterThanOrEqual(1);
    const done = of((x) => ({ value: x[0]! ** 2, gradient: [0, 0] }));
    expect(await gnsMinimize(done)).toMatchObject({ status: 'converged', iterations: 0, solves: 0 });
  });

  it('never rises but by rounding, and is not at the precision of values along a gradient that is wrong', async () => {
    for (const dtype of ['f32', 'f64'] as const)
      for (const offset of [0, 1e6]) {
        const x = Tensor.from(device, [3, -2], [2], { dtype });
        const wrong: GnsOracle = {
          params: [x],
          value() {},
          async gradient([grad], value) {
            const at = (await x.read()) as Float64Array;
            grad!.write((dtype === 'f64' ? Float64Array : Float32Array).of(-2 * at[0]!, 0));
            value?.write(Float64Array.of(offset + at[0]! ** 2));
          },
        };
        const end = await gnsMinimize(wrong);
        expect(end).toMatchObject({ status: 'search-failed', iterations: 0, value: offset + 9 });
        expect([...(await x.read())]).toEqual([3, -2]);
      }
    const [n, m] = [5, 20];
    const words = new Set<string>();
    for (let seed = 0; seed < (device_ === 'cuda' ? 1 : 6); ++seed) {
      const a = Tensor.from(device, Float32Array.from(normal(m * n, 30 + seed)), [m, n]);
      const b = Tensor.from(device, Float32Array.from(normal(m, 60 + seed, 5)), [m]);
      const x = Tensor.from(device, new Array<number>(n).fill(1), [n]);
      const end = await gnsMinimize(logSumExp(a, b, { params: [x], mu: 0.1 }), { history: true, maxIterations: 400 });
      for (const [i, value] of end.history!.entries()) {
        const lowest = Math.min(...end.history!.subarray(0, i + 1));
        expect(value - lowest).toBeLessThanOrEqual(16 * 2 ** -23 * Math.abs(lowest));
      }
      words.add(end.status);
    }
    expect([...words].filter((word) => word !== 'at-precision' && word !== 'converged')).toEqual([]);
  });

  it('asks for values, gradients and products of the sample that is named', async () => {
    const x = tensor(Float64Array.of(3, -2));
    const seen = new Set<unknown>();
    const oracle: GnsOracle = {
      params: [x],
      value() {},
      async gradient([grad], value, sample) {
        seen.add(sample);
        const at = (await x.read()) as Float64Array;
        grad!.write(at.map((one) => 2 * one));
        value?.write(Float64Array.of(dot(at, at)));
      },
      gaussNewtonProduct([v], [out], sample) {
        seen.add(['product', sample].join());
        ops.linearCombination(device, { out: [out!], terms: [v!], coefficients: [2] });
      },
      curvature: { kind: 'product' },
    };
    await gnsMinimize(oracle, { sample: 3, maxIterations: 1 });
    expect([...seen]).toEqual([3, 'product,3']);
  });

  it('names what goes wrong, the parameters as before', async () => {
    const x = tensor(Float64Array.of(3, -2));
    const good = hostOracle([x], (at) => ({ value: at[0]! ** 2, gradient: [2 * at[0]!, 0] }));
    const rejected = (oracle: unknown, options = {}) => expect(gnsMinimize(oracle as GnsOracle, options)).rejects;
    const with_ = (curvature: unknown) => ({ ...good, curvature });
    await rejected({}).toMatchObject({ code: 'ERR_ARGUMENT' });
    await rejected(with_({ kind: 'sparse' })).toThrow("oracle.curvature must be of the kind 'dense', 'lowrank' or 'product', got 'sparse'"); // biome-ignore format: one line
    await rejected(with_({ kind: 'dense' })).toThrow('oracle.curvature must have a function matrix, got undefined');
    await rejected(with_({ kind: 'product' })).toThrow('oracle must have a function gaussNewtonProduct, got undefined');
    const factor = (of: unknown, scale = 1) => with_({ kind: 'lowrank', factor: () => of, scale });
    await rejected(factor(5)).toThrow('gnsMinimize: oracle.curvature.factor must give a Tensor, got 5');
    await rejected(factor(Tensor.zeros(device, [2, 3], { dtype: 'f64' }))).toMatchObject({ code: 'ERR_SHAPE' });
    const row = Tensor.zeros(device, [1, 2], { dtype: 'f64' });
    await rejected(factor(row, -1)).toThrow('oracle.curvature.scale must be finite and not negative, got -1');
    const large = hostOracle([Tensor.zeros(device, [5000], { dtype: 'f64' })], () => ({ value: 0, gradient: [] }));
    await rejected({ ...large, curvature: { kind: 'dense', matrix: () => {} } }).toThrow(
      'must have at most 4096 elements',
    );
    for (const options of [{ gamma0: 0 }, { maxInner: 0 }, { gradTol: -1 }, { stopValue: NaN }])
      await rejected(good, options).toMatchObject({ code: 'ERR_ARGUMENT' });
    const thrown = { ...good, curvature: { kind: 'dense', matrix() { throw new Error('no'); } } }; // biome-ignore format: one line
    await rejected(thrown).toThrow('gnsMinimize: oracle.curvature.matrix has failed: no');
    for (const value of [Number.NaN, Infinity]) {
      const fill = (out: Tensor) => ops.fill(device, { x: [out], value });
      const words = (name: string) => `gnsMinimize: oracle.${name} must give finite numbers, got`;
      await rejected(with_({ kind: 'dense', matrix: fill })).toThrow(words('curvature.matrix'));
      await rejected(factor(Tensor.full(device, [1, 2], value, { dtype: 'f64' }))).toThrow(words('curvature.factor'));
      const products = (gaussNewtonProduct: unknown) => ({ ...with_({ kind: 'product' }), gaussNewtonProduct });
      await rejected(products((_: unknown, [out]: [Tensor]) => fill(out))).toThrow(words('gaussNewtonProduct'));
      await rejected(products(() => { throw new Error('no'); })).toThrow('gnsMinimize: oracle.gaussNewtonProduct has failed: no'); // biome-ignore format: one line
    }
    const gone = (out: Tensor) => out.dispose();
    await rejected({ ...good, gradient: ([grad]: [Tensor]) => gone(grad) }).toMatchObject({ code: 'ERR_DISPOSED' });
    await rejected(with_({ kind: 'dense', matrix: gone })).toMatchObject({ code: 'ERR_DISPOSED' });
    const product = (_: unknown, [out]: [Tensor]) => gone(out);
    await rejected({ ...with_({ kind: 'product' }), gaussNewtonProduct: product }).toMatchObject({
      code: 'ERR_DISPOSED',
    });
    const nan = hostOracle([x], () => ({ value: Number.NaN, gradient: [0, 0] }));
    await rejected(nan).toThrow('gnsMinimize: oracle.gradient at the start must give finite numbers, got NaN');
    expect([...(await x.read())]).toEqual([3, -2]);
    const [a, b] = [Tensor.zeros(device, [3, 2], { dtype: 'f64' }), Tensor.zeros(device, [3], { dtype: 'f64' })];
    expect(() => powerResidual(a, b, { p: 1, params: [x] })).toThrow('powerResidual: p must be at least 2, got 1');
    expect(() => logSumExp(a, b, { mu: 0, params: [x] })).toThrow(expect.objectContaining({ code: 'ERR_ARGUMENT' }));
    expect(() => logSumExp(a, b, {} as never)).toThrow(expect.objectContaining({ code: 'ERR_ARGUMENT' }));
    expect(() => logSumExp(a, x, { params: [x] })).toThrow(expect.objectContaining({ code: 'ERR_SHAPE' }));
    await rejected(good, { signal: AbortSignal.abort() }).toMatchObject({ name: 'AbortError' });
  });
});
