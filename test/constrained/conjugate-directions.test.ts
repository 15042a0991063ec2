// Devices: cpu, cuda
// Values: the method of conjugate gradients, spectral inverses of the Laplacian, and figures of the prototype.
import { afterAll, describe, expect, it } from 'vitest';
import { cdmLoss, cdmSolve, type Predictor, poissonOperator, ritzDataset } from '../../lib/constrained/index.ts';
import { Device, ops, Tensor } from '../../lib/index.ts';
import { cg } from '../../lib/solvers/index.ts';
import { codeOf, dense, diagonal, vector } from '../solvers/problems.ts';
import { normal } from '../support/data.ts';
import { devices, onlyCpu } from '../support/devices.ts';

describe.each(devices)('deep conjugate directions on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  const f64 = (values: Float64Array, shape: readonly number[] = [values.length]) => Tensor.from(device, values, shape);
  const itself: Predictor = (r, out) => ops.copy(device, { x: [r], out: [out] });

  /** A function of the Laplacian of a square by its sines: out = Σ f(λ) of the parts of r. */
  function spectral(n: number, f: (lambda: number) => number): Predictor {
    const sines = Float64Array.from({ length: n * n }, (_, at) => Math.sqrt(2 / (n + 1)) * Math.sin((Math.PI * (Math.floor(at / n) + 1) * ((at % n) + 1)) / (n + 1))); // biome-ignore format: one line
    const lambda = Array.from({ length: n }, (_, i) => 2 - 2 * Math.cos((Math.PI * (i + 1)) / (n + 1)));
    const s = f64(sines, [n, n]);
    const factor = f64(Float64Array.from({ length: n * n }, (_, at) => f(lambda[Math.floor(at / n)]! + lambda[at % n]!)), [n, n]); // biome-ignore format: one line
    const [first, second] = [new Tensor(device, [n, n], 'f64'), new Tensor(device, [n, n], 'f64')];
    return (r, out) => {
      ops.gemm(device, { a: s, b: r.reshape([n, n]), c: first });
      ops.gemm(device, { a: first, b: s, c: second });
      ops.multiply(device, { x: [second], y: [factor], out: [second] });
      ops.gemm(device, { a: s, b: second, c: first });
      ops.gemm(device, { a: first, b: s, c: out.reshape([n, n]) });
    };
  }

  it('multiplies by the Laplacian of a grid', async () => {
    for (const [nx, ny] of [
      [3, 4],
      [1, 5],
      [5, 1],
      [1, 1],
    ] as const) {
      // biome-ignore format: one line
      const operator = poissonOperator(device, [nx, ny]);
      const x = normal(nx * ny, 1);
      const at = (i: number, j: number) => (i < 0 || j < 0 || i >= nx || j >= ny ? 0 : x[i * ny + j]!);
      const out = f64(new Float64Array(nx * ny));
      await operator.apply(f64(x), out);
      const found = await out.read();
      for (let i = 0; i < nx; ++i)
        for (let j = 0; j < ny; ++j)
          expect(found[i * ny + j]).toBeCloseTo(4 * at(i, j) - at(i - 1, j) - at(i + 1, j) - at(i, j - 1) - at(i, j + 1), 12); // biome-ignore format: one line
    }
    const single = poissonOperator(device, [2, 2], { dtype: 'f32' });
    const out = Tensor.zeros(device, [4]);
    await single.apply(Tensor.from(device, [1, 0, 0, 0], [4]), out);
    expect([...(await out.read())]).toEqual([4, -1, -1, 0]);
  });

  it('multiplies by the stencils of seven and of nine points', async () => {
    const grids: (readonly [number, number] | readonly [number, number, number])[] = [[3, 4, 5], [1, 3, 2], [4, 1, 1], [2, 3, 1], [5, 4], [1, 6], [6, 1]]; // biome-ignore format: one line
    for (const dtype of ['f64', 'f32'] as const)
      for (const sizes of grids) {
        const points = sizes.length === 3 ? 7 : 9;
        const count = sizes[0] * sizes[1] * (sizes[2] ?? 1);
        const x = normal(count, 1);
        const [nx, ny, nz] = [sizes[0], sizes[1], sizes[2] ?? 1];
        const at = (i: number, j: number, k: number) => (i < 0 || j < 0 || k < 0 || i >= nx || j >= ny || k >= nz ? 0 : x[(i * ny + j) * nz + k]!); // biome-ignore format: one line
        const out = Tensor.full(device, [count], NaN, { dtype });
        await poissonOperator(device, sizes, { points, dtype }).apply(
          Tensor.from(device, [...x], [count], { dtype }),
          out,
        );
        const found = await out.read();
        let place = 0;
        for (let i = 0; i < nx; ++i)
          for (let j = 0; j < ny; ++j)
            for (let k = 0; k < nz; ++k) {
              let expected = 0;
              for (let a = -1; a <= 1; ++a)
                for (let b = -1; b <= 1; ++b)
                  for (let c = -1; c <= 1; ++c) {
                    const away = Math.abs(a) + Math.abs(b) + Math.abs(c);
                    const factor = points === 7 ? [6, -1, 0, 0][away]! : c === 0 ? [10 / 3, -2 / 3, -1 / 6][away]! : 0;
                    expected += factor * at(i + a, j + b, k + c);
                  }
              expect(Math.abs(found[place]! - expected)).toBeLessThan(dtype === 'f64' ? 1e-12 : 1e-5);
              place += 1;
            }
      }
  });

  it('has the eigenvalues of waves', async () => {
    // Of waves of 2 and 3 half periods: a + b along two axes, a + b − a b / 6 with nine points, a + b + c along three.
    const n = 12;
    const wave = (half: number) => (i: number) => Math.sin((Math.PI * half * (i + 1)) / (n + 1));
    const own = (half: number) => 2 - 2 * Math.cos((Math.PI * half) / (n + 1));
    const [a, b] = [own(2), own(3)];
    for (const [sizes, points, value] of [
      [[n, n], 5, a + b],
      [[n, n], 9, a + b - (a * b) / 6],
      [[n, n, n], 7, a + b + own(1)],
    ] as const) {
      const size = sizes.reduce((product, one) => product * one, 1);
      const parts = (at: number) => [Math.floor(at / n) % n, at % n, Math.floor(at / n / n)];
      const x = Float64Array.from({ length: size }, (_, at) => {
        const [i, j, k] = parts(at) as [number, number, number];
        return wave(2)(i) * wave(3)(j) * (sizes.length === 3 ? wave(1)(k) : 1);
      });
      const out = f64(new Float64Array(size));
      await poissonOperator(device, sizes, { points }).apply(f64(x), out);
      for (const [i, found] of (await out.read()).entries()) expect(found).toBeCloseTo(value * x[i]!, 12);
    }
  });

  it('with the residual itself it is the method of conjugate gradients', async () => {
    const n = 16;
    const operator = poissonOperator(device, [n, n]);
    const b = f64(normal(n * n, 2));
    const own = await cdmSolve(operator, b, itself, { tol: 1e-8, maxIterations: 200 });
    const other = await cg(operator, b, { tol: 1e-8, history: true });
    expect([own.status, other.status]).toEqual(['converged', 'converged']);
    expect(Math.abs(own.iterations - other.iterations)).toBeLessThanOrEqual(1);
    for (const [i, norm] of own.residuals.subarray(0, 25).entries())
      expect(norm / own.residuals[0]! / other.history![i]!).toBeCloseTo(1, 8);
    const [x, y] = [await own.x.read(), await other.x.read()];
    for (let i = 0; i < n * n; ++i) expect(x[i]).toBeCloseTo(y[i]!, 5);
    // Counts of the prototype for other right-hand sides.
    for (const [side, count] of onlyCpu.flatMap(() => [[32, 102], [64, 192]] as const)) {
      const wide = poissonOperator(device, [side, side]);
      const given = f64(normal(side * side, 2));
      const end = await cdmSolve(wide, given, itself, { tol: 1e-8, maxIterations: 300 });
      expect(end.status).toBe('converged');
      expect(Math.abs(end.iterations - count)).toBeLessThanOrEqual(8);
      const plain = await cg(wide, given, { tol: 1e-8, history: true });
      expect(Math.abs(end.iterations - plain.iterations)).toBeLessThanOrEqual(1);
      // 40 steps of one are those of the other.
      for (let i = 0; i <= 40; ++i) expect(end.residuals[i]! / end.residuals[0]! / plain.history![i]!).toBeCloseTo(1, 9);
    } // biome-ignore format: one line each
  });

  it.each(onlyCpu)('takes more iterations the more random an inverse is, and still fewer than none: %s', async () => {
    // Counts of the prototype, whose right-hand sides and errors were others; without an inverse it took the last ones.
    for (const [n, prototype, without] of [[32, [10, 19, 36], 102], [64, [13, 36, 101], 192]] as const) {
      const operator = poissonOperator(device, [n, n]);
      const b = f64(normal(n * n, 11));
      const inverse = spectral(n, (lambda) => 1 / lambda);
      const own: number[] = [];
      for (const share of [0.1, 0.3, 0.6]) {
        let seed = 100;
        const predict: Predictor = async (r, out) => {
          await inverse(r, out);
          const exact = (await out.read()) as Float64Array;
          const noise = normal(n * n, ++seed);
          const scale = (share * Math.hypot(...exact)) / Math.hypot(...noise);
          out.write(exact.map((value, i) => value + scale * noise[i]!));
        };
        const { status, iterations } = await cdmSolve(operator, b, predict, { tol: 1e-8, maxIterations: 200 });
        expect(status).toBe('converged');
        own.push(iterations);
      }
      for (const [i, count] of own.entries()) {
        expect(count).toBeLessThanOrEqual(1.15 * prototype[i]! + 2);
        if (i > 0) expect(count).toBeGreaterThan(own[i - 1]!);
        expect(count).toBeLessThan(without / 2);
      }
    } // biome-ignore format: one line each
  });

  it('ends at once with the inverse, of any sign and length', async () => {
    const n = 16;
    const operator = poissonOperator(device, [n, n]);
    const b = f64(normal(n * n, 3));
    const exact = await cdmSolve(
      operator,
      b,
      spectral(n, (lambda) => -3.7 / lambda),
      { tol: 1e-8 },
    );
    expect(exact).toMatchObject({ status: 'converged', iterations: 1 });
    const again = await cdmSolve(operator, b, itself, { x0: exact.x, tol: 0.5, maxIterations: 1 });
    expect(again.residuals[0]).toBeLessThan(1e-8 * exact.residuals[0]!);
  });

  it('takes as many iterations on every size where the predictor is equally good', async () => {
    for (const isNonlinear of [false, true]) {
      const counts: number[] = [];
      for (const n of kind === 'cuda' ? [16, 32] : [32, 64]) {
        const operator = poissonOperator(device, [n, n]);
        const b = f64(normal(n * n, 4));
        const near = spectral(n, (lambda) => (1 + 0.3 * Math.sin(7 * lambda)) / lambda);
        /** Bends what it is given, which has a length of 1, and what it gives. */
        const bent: Predictor = async (r, out) => {
          await near(r, out);
          if (isNonlinear) ops.map(device, { x: [out], out: [out], function: 'tanh' });
        };
        const end = await cdmSolve(operator, b, bent, { tol: 1e-8 });
        expect(end.status).toBe('converged');
        counts.push(end.iterations);
      }
      for (const count of counts) expect(Math.abs(count - 11)).toBeLessThanOrEqual(2);
      expect(Math.abs(counts[0]! - counts[1]!)).toBeLessThanOrEqual(1);
    }
  });

  it.each([0, 1, 2, 4])('never lets the error grow, whatever the predictor gives: window %i', async (window) => {
    const n = 8;
    const operator = poissonOperator(device, [n, n]);
    const exact = normal(n * n, 5);
    const b = f64(new Float64Array(n * n));
    await operator.apply(f64(exact), b);
    let seed = 0;
    const noise: Predictor = (r, out) => {
      const [kept, random] = [r, f64(normal(n * n, ++seed, 0.1))];
      ops.linearCombination(device, { out: [out], terms: [kept, random], coefficients: [1, 1] });
    };
    // Runs of one more iteration each, whose ends are the points of one long run.
    const steps = kind === 'cuda' ? 6 : 9;
    const times = async (x: Float64Array): Promise<Float64Array> => {
      const image = f64(new Float64Array(n * n));
      await operator.apply(f64(x), image);
      return (await image.read()) as Float64Array;
    };
    const dot = (x: Float64Array, y: Float64Array) => x.reduce((sum, value, i) => sum + value * y[i]!, 0);
    let before = Infinity;
    let last = new Float64Array(n * n);
    const taken: { step: Float64Array; image: Float64Array }[] = [];
    for (let count = 1; count <= steps; ++count) {
      seed = 0;
      const end = await cdmSolve(operator, b, noise, { window, tol: 1e-12, maxIterations: count });
      const at = (await end.x.read()) as Float64Array;
      const error = exact.map((value, i) => value - at[i]!);
      const size = dot(error, await times(error));
      expect(size).toBeLessThanOrEqual(before);
      before = size;
      const step = at.map((value, i) => value - last[i]!);
      const image = await times(step);
      const scale = Math.sqrt(dot(step, image));
      taken.push({ step: step.map((value) => value / scale), image: image.map((value) => value / scale) });
      last = Float64Array.from(at);
    }
    // Each step is conjugate to as many before it as the window holds.
    const across = (away: number) => taken.slice(away).map(({ step }, i) => Math.abs(dot(step, taken[i]!.image)));
    for (let away = 1; away <= window; ++away) expect(Math.max(...across(away))).toBeLessThan(1e-10);
    expect(Math.max(...across(window + 1))).toBeGreaterThan(1e-3);
  });

  /** A multigrid cycle on an odd grid with five coefficients, which were learnt with the loss on one of 31 × 31. */
  function cycle(r: Float64Array, n: number, t: readonly number[]): Float64Array {
    const at = (x: Float64Array, i: number, j: number) => (i < 0 || j < 0 || i >= n || j >= n ? 0 : x[i * n + j]!);
    const around = (x: Float64Array, i: number, j: number) => at(x, i - 1, j) + at(x, i + 1, j) + at(x, i, j - 1) + at(x, i, j + 1); // biome-ignore format: one line
    const each = (f: (i: number, j: number) => number) => Float64Array.from({ length: n * n }, (_, k) => f(Math.floor(k / n), k % n)); // biome-ignore format: one line
    const left = (x: Float64Array) => each((i, j) => r[i * n + j]! - 4 * x[i * n + j]! + around(x, i, j));
    const smooth = (d: Float64Array, centre: number, side: number) =>
      each((i, j) => centre * d[i * n + j]! + side * around(d, i, j));
    const x = smooth(r, t[0]!, t[1]!);
    if (n > 3) {
      const d = left(x);
      const m = (n - 1) / 2;
      const coarse = Float64Array.from({ length: m * m }, (_, k) => {
        const [i, j] = [2 * Math.floor(k / m) + 1, 2 * (k % m) + 1];
        const corners = at(d, i - 1, j - 1) + at(d, i - 1, j + 1) + at(d, i + 1, j - 1) + at(d, i + 1, j + 1);
        return (4 * (4 * at(d, i, j) + 2 * around(d, i, j) + corners)) / 16;
      });
      const e = cycle(coarse, m, t);
      const of = (i: number, j: number) => (i < 0 || j < 0 || i >= m || j >= m ? 0 : e[i * m + j]!);
      for (let i = 0; i < n; ++i)
        for (let j = 0; j < n; ++j) {
          const rows = i % 2 === 1 ? [(i - 1) / 2] : [i / 2 - 1, i / 2];
          const columns = j % 2 === 1 ? [(j - 1) / 2] : [j / 2 - 1, j / 2];
          let sum = 0;
          for (const a of rows) for (const b of columns) sum += of(a, b) / (rows.length * columns.length);
          x[i * n + j]! += t[2]! * sum;
        }
    }
    const last = smooth(left(x), t[3]!, t[4]!);
    return x.map((value, k) => value + last[k]!);
  }

  it('with the learnt cycle it takes six to eight iterations on sizes that it was not learnt on', async () => {
    const sizes = kind === 'cuda' ? ([[31, 98]] as const) : ([[31, 98], [63, 196], [127, 381]] as const); // biome-ignore format: one line
    for (const [n, without] of sizes) {
      const operator = poissonOperator(device, [n, n]);
      const b = f64(normal(n * n, 6));
      const by = async (coefficients: readonly number[]): Promise<number> => {
        const predict: Predictor = async (r, out) =>
          out.write(cycle((await r.read()) as Float64Array, n, coefficients));
        const end = await cdmSolve(operator, b, predict, { tol: 1e-8 });
        expect(end.status).toBe('converged');
        return end.iterations;
      };
      const learnt = await by([0.247, 0.056, 1.098, 0.257, 0.037]);
      expect(learnt).toBeGreaterThanOrEqual(5);
      expect(learnt).toBeLessThanOrEqual(8);
      // By hand, and on the smallest size from what is learnt from.
      expect(Math.abs((await by([0.2, 0, 1, 0.2, 0])) - 10)).toBeLessThanOrEqual(2);
      if (n === 31) expect(Math.abs((await by([0.05, 0, 0.3, 0.05, 0])) - 49)).toBeLessThanOrEqual(5);
      const plain = await cg(operator, b, { tol: 1e-8 });
      expect(Math.abs(plain.iterations / without - 1)).toBeLessThan(0.05);
      expect(learnt).toBeLessThan(plain.iterations / 8);
    }
  });

  it('has a loss of 0 for the inverse, the same for any multiple, with its derivative', async () => {
    const n = 6;
    const operator = poissonOperator(device, [n, n]);
    const size = n * n;
    const r = normal(2 * size, 7);
    const rows = f64(r, [2, size]);
    const invert = spectral(n, (lambda) => 5 / lambda);
    const solved = f64(new Float64Array(2 * size), [2, size]);
    for (const i of [0, 1]) await invert(rows.rows(i, i + 1).reshape([size]), solved.rows(i, i + 1).reshape([size]));
    expect((await (await cdmLoss(operator, rows, solved)).read())[0]).toBeLessThan(1e-20);
    const v = normal(2 * size, 8);
    const lossAt = async (at: Float64Array) => (await (await cdmLoss(operator, rows, f64(at, [2, size]))).read())[0]!;
    const gradOut = f64(new Float64Array(2 * size), [2, size]);
    const value = (await (await cdmLoss(operator, rows, f64(v, [2, size]), { gradOut })).read())[0]!;
    expect(await lossAt(v.map((x) => -3 * x))).toBeCloseTo(value, 12);
    const grad = (await gradOut.read()) as Float64Array;
    const direction = normal(2 * size, 9);
    const h = 1e-3;
    const at = (shift: number) => lossAt(v.map((x, i) => x + shift * direction[i]!));
    const slope = (8 * ((await at(h)) - (await at(-h))) - ((await at(2 * h)) - (await at(-2 * h)))) / (12 * h);
    const told = direction.reduce((sum, x, i) => sum + x * grad[i]!, 0);
    expect(Math.abs(told / slope - 1)).toBeLessThan(1e-8);
    expect(Math.abs(v.reduce((sum, x, i) => sum + x * grad[i]!, 0))).toBeLessThan(1e-12);
  });

  it('has a derivative for directions of any length, or names what is not finite and leaves the room for it', async () => {
    const good = dense(device, diagonal([1, 2]));
    const gradOut = vector(device, [7, 7]);
    const r = vector(device, [1, 1]);
    const lossOf = (of: readonly number[], v: readonly number[]) =>
      cdmLoss(good, vector(device, of), vector(device, v), { gradOut });
    await lossOf([1, 1], [1, 2]);
    const expected = await gradOut.read();
    await lossOf([1, 1], [1e-90, 2e-90]);
    for (const [i, x] of (await gradOut.read()).entries()) expect(x / 1e90).toBeCloseTo(expected[i]!, 12);
    gradOut.write(Float64Array.of(7, 7));
    for (const of of [[NaN, 1], [Infinity, 1], [1e300, 1]]) await expect(lossOf(of, [1, 1])).rejects.toThrow('cdmLoss: r and v must have finite products'); // biome-ignore format: one line
    await expect(lossOf([1, 1], [1e200, 1])).rejects.toThrow(
      'cdmLoss: r and v must have finite products, got Infinity',
    );
    const rows = vector(device, [1, 2, 3, 4]).reshape([2, 2]);
    const room = vector(device, [7, 7, 7, 7]).reshape([2, 2]);
    let calls = 0;
    const failing = {
      ...good,
      apply(x: Tensor, out: Tensor) {
        if (++calls === 4) throw new Error('no');
        return good.apply(x, out);
      },
    };
    await expect(cdmLoss(failing, rows, rows, { gradOut: room })).rejects.toThrow('no');
    expect([...(await gradOut.read()), ...(await room.read())]).toEqual([7, 7, 7, 7, 7, 7]);
    // The derivative may go where r was.
    await cdmLoss(good, r, vector(device, [1, 2]), { gradOut: r });
    expect(await r.read()).toEqual(expected);
  });

  it('draws right-hand sides of Ritz vectors, the lower ones nine times as heavy', async () => {
    const values = Array.from({ length: 10 }, (_, i) => (i < 2 ? 0 : i));
    const samples = 200;
    const sides = await ritzDataset(dense(device, diagonal(values)), { vectors: 10, samples, theta: 0, seed: 1 });
    expect(sides.shape).toEqual([samples, 10]);
    const data = (await sides.read()) as Float64Array;
    const squares = new Float64Array(10);
    for (let i = 0; i < samples; ++i) {
      const row = data.subarray(10 * i, 10 * i + 10);
      expect(Math.hypot(...row)).toBeCloseTo(1, 12);
      for (const [j, x] of row.entries()) squares[j]! += x * x;
    }
    // Eight eigenvalues are above 0, of which four are low: each has its own coordinate.
    for (const j of [0, 1]) expect(squares[j]).toBeLessThan(1e-20);
    const low = Math.min(...squares.subarray(2, 6));
    for (const j of [6, 7, 8, 9]) expect(squares[j]! / low).toBeLessThan(1 / 30);
    const same = await ritzDataset(dense(device, diagonal(values), 'f32'), { vectors: 10, samples: 3, theta: 50 });
    expect(same.dtype).toBe('f32');
  });

  it('has a word for every end', async () => {
    const operator = dense(device, diagonal([1, 2, 3, -1]));
    const b = vector(device, [1, 1, 1, 1]);
    const broken = await cdmSolve(operator, vector(device, [0, 0, 0, 1]), itself);
    expect(broken).toMatchObject({ status: 'breakdown', iterations: 0 });
    expect([...(await broken.x.read())]).toEqual([0, 0, 0, 0]);
    const good = dense(device, diagonal([1, 2, 3, 4]));
    const nothing: Predictor = (_, out) => ops.fill(device, { x: [out] });
    expect((await cdmSolve(good, b, nothing)).status).toBe('breakdown');
    const short = await cdmSolve(good, b, itself, { maxIterations: 2, tol: 1e-12 });
    expect(short).toMatchObject({ status: 'max-iterations', iterations: 2 });
    expect(short.residuals).toHaveLength(3);
    const side = kind === 'cuda' ? 8 : 32;
    for (const residualEvery of kind === 'cuda' ? [10] : [1, 10, 1000]) {
      const operator = poissonOperator(device, [side, side], { dtype: 'f32' });
      const b = Tensor.randn(device, [side * side], { seed: 1 });
      const at = await cdmSolve(operator, b, itself, { tol: 1e-8, maxIterations: 600, residualEvery });
      expect(at.status).toBe('at-precision');
      expect(at.residuals.at(-1)! / at.residuals[0]!).toBeLessThan(1e-5);
      const end = await cdmSolve(operator, b, itself, { tol: 1e-5, maxIterations: 600, residualEvery });
      expect(end.status).toBe('converged');
    }
    const zero = await cdmSolve(good, vector(device, [0, 0, 0, 0]), itself);
    expect(zero).toMatchObject({ status: 'converged', iterations: 0 });
    // The predictor may write into its own tensors.
    const inPlace: Predictor = (r, out) => {
      ops.copy(device, { x: [r], out: [out] });
      ops.fill(device, { x: [r], value: 5 });
    };
    for (const normalize of [true, false])
      expect((await cdmSolve(good, b, inPlace, { tol: 1e-6, normalize })).status).toBe('converged');
    for (const options of [{ normalize: false }, { window: 0 }, { residualEvery: 1 }])
      expect((await cdmSolve(good, b, itself, { tol: 1e-6, ...options })).status).toBe('converged');
  });

  it('names what goes wrong', async () => {
    const good = dense(device, diagonal([1, 2]));
    const b = vector(device, [1, 2]);
    const nan: Predictor = (_, out) => ops.fill(device, { x: [out], value: Number.NaN });
    await expect(cdmSolve(good, b, nan)).rejects.toThrow('cdmSolve: predict must give numbers, got NaN');
    const wrong = { ...good, apply: (_: Tensor, out: Tensor) => ops.fill(device, { x: [out], value: Number.NaN }) };
    await expect(cdmSolve(wrong, b, itself)).rejects.toThrow(
      'cdmSolve: operator.apply must give finite numbers, got NaN',
    );
    for (const value of [1e200, Infinity])
      await expect(cdmSolve(good, b, itself, { x0: vector(device, [value, 1]) })).rejects.toThrow('cdmSolve: operator.apply must give finite numbers, got'); // biome-ignore format: one line
    await expect(cdmSolve(good, b, 5 as never)).rejects.toThrow('cdmSolve: predict must be a function, got 5');
    await expect(cdmSolve(good, vector(device, [1, NaN]), itself)).rejects.toThrow('cdmSolve: b must be finite');
    for (const options of [{ tol: 0 }, { maxIterations: 0 }, { window: -1 }, { residualEvery: 0 }])
      expect(await codeOf(cdmSolve(good, b, itself, options))).toBe('ERR_ARGUMENT');
    expect(await codeOf(cdmSolve(good, vector(device, [1]), itself))).toBe('ERR_SHAPE');
    await expect(cdmLoss(good, b, vector(device, [0, 0]))).rejects.toThrow('cdmLoss: v·A v must be above 0, got 0');
    expect(await codeOf(cdmLoss(good, vector(device, [1]), b))).toBe('ERR_SHAPE');
    expect(() => poissonOperator(device, [0, 2])).toThrow(
      'poissonOperator: sizes must be two or three whole numbers from 1 on',
    );
    const both = f64(Float64Array.of(1, 2, 3, 4));
    expect(() => poissonOperator(device, [2, 2]).apply(both, both)).toThrow('poissonOperator.apply: out must not share memory with x, got one that does'); // biome-ignore format: one line
    expect(await both.read()).toEqual(Float64Array.of(1, 2, 3, 4));
    expect(() => poissonOperator(device, [1, 2 ** 50])).toThrow(expect.objectContaining({ code: expect.stringMatching(/^ERR_/) })); // biome-ignore format: one line
    expect(() => poissonOperator(device, [2, 2], { points: 7 })).toThrow('poissonOperator: points must be 5 or 9 of two axes, got 7'); // biome-ignore format: one line
    expect(() => poissonOperator(device, [2, 2, 2], { points: 9 })).toThrow('poissonOperator: points must be 7 of three axes, got 9'); // biome-ignore format: one line
    expect(() => poissonOperator(device, [2, 2], { points: 6 as never })).toThrow('poissonOperator: points must be 5, 7 or 9, got 6'); // biome-ignore format: one line
    expect(() => poissonOperator(device, [2, 2]).apply(b, b)).toThrow(expect.objectContaining({ code: 'ERR_SHAPE' }));
    expect(await codeOf(ritzDataset(good, { vectors: 0, samples: 1 }))).toBe('ERR_ARGUMENT');
    const zero = dense(device, diagonal([0, 0]));
    await expect(ritzDataset(zero, { vectors: 2, samples: 1 })).rejects.toThrow('ritzDataset: operator must have Ritz values above 1e-8, got 0'); // biome-ignore format: one line
    const none = dense(device, diagonal([-1, -2]));
    await expect(ritzDataset(none, { vectors: 2, samples: 1 })).rejects.toThrow('ritzDataset: operator must have Ritz');
  });
});
