// Devices: cpu, cuda
// Values: differences in f64, soft thresholding and −ln of the density of Laplace noise, figures of the prototype.
import { afterAll, describe, expect, it } from 'vitest';
import { LearnedProximal, pnpAdmm } from '../../../lib/constrained/index.ts';
import { AdamW, Device, loadTensors, readTensorInfo, saveTensors, Tensor } from '../../../lib/index.ts';
import { Folder } from '../../files/folder.ts';
import { codeOf, dense, vector } from '../../solvers/problems.ts';
import { normal, uniform } from '../../support/data.ts';
import { devices, onlyCpu } from '../../support/devices.ts';

const laplace = (count: number, next: () => number): Float64Array =>
  Float64Array.from({ length: count }, () => {
    const v = next() - 0.5;
    return -Math.sign(v) * Math.log(1 - 2 * Math.abs(v));
  });
const soft = (value: number): number => Math.sign(value) * Math.max(Math.abs(value) - 1, 0);

describe.each(devices)('learned proximal networks on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  const f64 = (values: ArrayLike<number>, shape: number[]) => Tensor.from(device, Float64Array.from(values), shape);
  const form = { dim: 3, hidden: 5, layers: 2, beta: 3, alpha: 0.05, dtype: 'f64' } as const;

  it('is the gradient of its potential', async () => {
    using lpn = new LearnedProximal(device, { ...form, seed: 1 });
    const x = normal(12, 2);
    const found = await lpn.prox(f64(x, [4, 3])).read();
    const h = 1e-3;
    for (let k = 0; k < 12; ++k) {
      const at = async (shift: number) => {
        const moved = x.slice();
        moved[k]! += shift;
        const all = await lpn.potential(f64(moved, [4, 3])).read();
        return Number(all[Math.floor(k / 3)]);
      };
      const slope = (8 * ((await at(h)) - (await at(-h))) - ((await at(2 * h)) - (await at(-2 * h)))) / (12 * h);
      expect(Math.abs(slope - Number(found[k]))).toBeLessThan(1e-9);
    }
  });

  it.each([
    [1, 1],
    [3, 2],
    [2, 4],
  ])('has the derivatives by its weights of differences: dim %i, layers %i', async (dim, layers) => {
    using lpn = new LearnedProximal(device, { ...form, dim, layers, hidden: 3, seed: 1 });
    const [x, u] = [normal(4 * dim, 2), normal(4 * dim, 3)];
    const grads = lpn.pullback(f64(x, [4, dim]), f64(u, [4, dim]));
    const points = f64(x, [4, dim]);
    const value = async () => {
      using out = lpn.prox(points);
      const all = (await out.read()) as Float64Array;
      return all.reduce((sum, one, i) => sum + one * u[i]!, 0);
    };
    const h = 1e-3;
    for (const [i, param] of lpn.params.entries()) {
      const own = (await param.read()) as Float64Array;
      const found = await grads[i]!.read();
      // Of each tensor one element, another one in each.
      const k = (7 * i) % own.length;
      const at = async (shift: number) => {
        const moved = own.slice();
        moved[k]! += shift;
        param.write(moved);
        return value();
      };
      const slope = (8 * ((await at(h)) - (await at(-h))) - ((await at(2 * h)) - (await at(-2 * h)))) / (12 * h);
      param.write(own);
      expect(Math.abs(slope - Number(found[k]))).toBeLessThan(1e-9 * Math.max(1, Math.abs(slope)));
    }
  });

  it('has a symmetric Jacobian without negative eigenvalues, and stays convex after each step', async () => {
    using lpn = new LearnedProximal(device, { ...form, alpha: 0, seed: 4 });
    const [clean, noisy] = [f64(normal(24, 1), [8, 3]), f64(normal(24, 2, 2), [8, 3])];
    for (let step = 0; step < 4; ++step) {
      (await lpn.trainStep(clean, noisy, { loss: step % 2 ? 'l1' : 'pm', lr: 0.2 })).dispose();
      for (const at of [1, 2, 7]) {
        const values = await lpn.params[at]!.read();
        expect(values.every((value) => Number(value) >= 0)).toBe(true);
      }
      const h = 1e-4;
      const x = normal(3, 10 + step);
      const rows = [0, 1, 2].flatMap((k) => [h, -h].map((d) => x.map((value, i) => value + (i === k ? d : 0))));
      const f = await lpn.prox(f64(rows.flatMap((row) => [...row]), [6, 3])).read(); // biome-ignore format: one line
      const j = (i: number, k: number) => (Number(f[6 * k + i]) - Number(f[6 * k + 3 + i])) / (2 * h);
      for (let i = 0; i < 3; ++i) for (let k = 0; k < i; ++k) expect(Math.abs(j(i, k) - j(k, i))).toBeLessThan(1e-6);
      const v = normal(3, 20 + step);
      const bend = v.reduce((sum, a, i) => sum + v.reduce((inner, b, k) => inner + a * b * j(i, k), 0), 0);
      expect(bend).toBeGreaterThan(-1e-6);
    }
  });

  it.each(['f32', 'f64'] as const)('inverts itself and tells its prior up to a number: %s', async (dtype) => {
    using lpn = new LearnedProximal(device, { ...form, dtype, seed: 3 });
    using y = Tensor.randn(device, [5, 3], { seed: 1, dtype });
    using x = lpn.prox(y);
    const inverse = await lpn.invert(x);
    expect(inverse.status).toBe('converged');
    using again = lpn.prox(inverse.y);
    const [first, second] = [await x.read(), await again.read()];
    for (let i = 0; i < 15; ++i)
      expect(Math.abs(Number(first[i]) - Number(second[i]))).toBeLessThan(dtype === 'f64' ? 1e-7 : 1e-3);
    const { values, status } = await lpn.prior(x);
    expect(status).toBe('converged');
    // R(x) = ⟨y, x⟩ − |x|²/2 − ψ(y)
    const [points, potentials] = [await y.read(), await lpn.potential(y).read()];
    for (let row = 0; row < 5; ++row) {
      let expected = -Number(potentials[row]);
      for (let i = 3 * row; i < 3 * row + 3; ++i)
        expected += Number(first[i]) * (Number(points[i]) - Number(first[i]) / 2);
      expect(values[row]).toBeCloseTo(expected, dtype === 'f64' ? 7 : 3);
    }
  });

  describe('of images', () => {
    const images = { channels: 2, hidden: 3, beta: 3, alpha: 0.05, dtype: 'f64' } as const;
    const shape = [2, 3, 4, 2];
    const size = 48;
    /** A difference of sixth order of a function of one number, at 0. */
    const slopeOf = async (at: (shift: number) => Promise<number>) => {
      const h = 1e-3;
      return (8 * ((await at(h)) - (await at(-h))) - ((await at(2 * h)) - (await at(-2 * h)))) / (12 * h);
    };
    /** ψ of each image in loops over pixels. */
    async function potentials(
      lpn: LearnedProximal,
      x: ArrayLike<number>,
      [count, rows, columns, channels]: number[],
      layers: number,
      kernel: number,
    ) {
      // biome-ignore format: one line
      const all = await Promise.all(lpn.params.map(async (one) => ({ shape: one.shape, data: await one.read() })));
      const [input, rest] = [all[0]!, all.slice(1)];
      const [inner, skips, biases, [output, linear]] = [rest.slice(0, layers), rest.slice(layers, 2 * layers), rest.slice(2 * layers, 3 * layers), rest.slice(3 * layers)]; // biome-ignore format: one line
      const half = (kernel - 1) / 2;
      const convolved = (from: ArrayLike<number>, by: (typeof all)[number], bias?: (typeof all)[number]) => {
        const [outputs, , , inputs] = by.shape as number[];
        const out = new Float64Array(count! * rows! * columns! * outputs!);
        for (let n = 0; n < count!; ++n)
          for (let i = 0; i < rows!; ++i)
            for (let j = 0; j < columns!; ++j)
              for (let o = 0; o < outputs!; ++o) {
                let sum = Number(bias?.data[o] ?? 0);
                for (let u = 0; u < kernel; ++u)
                  for (let v = 0; v < kernel; ++v) {
                    const [y, z] = [i + u - half, j + v - half];
                    if (y < 0 || z < 0 || y >= rows! || z >= columns!) continue;
                    for (let c = 0; c < inputs!; ++c) sum += Number(by.data[((o * kernel + u) * kernel + v) * inputs! + c]) * from[((n * rows! + y) * columns! + z) * inputs! + c]!; // biome-ignore format: one line
                  }
                out[((n * rows! + i) * columns! + j) * outputs! + o] = sum;
              }
        return out;
      };
      const softplus = (z: Float64Array) => z.map((value) => Math.log1p(Math.exp(images.beta * value)) / images.beta);
      let a = softplus(convolved(x, input));
      for (let l = 0; l < layers; ++l) {
        const skip = convolved(x, skips[l]!, biases[l]!);
        a = softplus(convolved(a, inner[l]!).map((value, i) => value + skip[i]!));
      }
      const pixels = rows! * columns!;
      return Array.from({ length: count! }, (_, n) => {
        let sum = 0;
        for (let p = n * pixels; p < (n + 1) * pixels; ++p) {
          for (let o = 0; o < images.hidden; ++o) sum += Number(output!.data[o]) * a[p * images.hidden + o]!;
          for (let c = 0; c < channels!; ++c) sum += (Number(linear!.data[c]) + images.alpha * x[p * channels! + c]!) * x[p * channels! + c]!; // biome-ignore format: one line
        }
        return sum;
      });
    }

    it.each([
      [1, 3],
      [2, 1],
      [2, 5],
    ])('has the potential of loops over pixels, and its gradient: layers %i, kernels of %i', async (layers, kernel) => {
      using lpn = new LearnedProximal(device, { ...images, layers, kernel, seed: 1 });
      for (const one of lpn.params) if (one.shape.length === 4) expect(one.shape.slice(1, 3)).toEqual([kernel, kernel]);
      // Any size of images.
      for (const own of [shape, [1, 1, 7, 2]]) {
        const x = normal(
          own.reduce((product, one) => product * one, 1),
          2,
        );
        const expected = await potentials(lpn, x, own, layers, kernel);
        const found = await lpn.potential(f64(x, own)).read();
        for (const [n, value] of expected.entries()) expect(Math.abs(Number(found[n]) - value)).toBeLessThan(1e-12 * (1 + Math.abs(value))); // biome-ignore format: one line
      }
      const x = normal(size, 3);
      const f = await lpn.prox(f64(x, shape)).read();
      for (let k = 0; k < size; k += 5) {
        const slope = await slopeOf(async (shift) => {
          const moved = x.slice();
          moved[k]! += shift;
          const all = await lpn.potential(f64(moved, shape)).read();
          return Number(all[Math.floor(k / (size / 2))]);
        });
        expect(Math.abs(slope - Number(f[k]))).toBeLessThan(1e-9);
      }
    });

    it('has the derivatives by its weights of differences', async () => {
      using lpn = new LearnedProximal(device, { ...images, seed: 1 });
      const [x, u] = [f64(normal(size, 2), shape), normal(size, 3)];
      const grads = lpn.pullback(x, f64(u, shape));
      for (const [i, param] of lpn.params.entries()) {
        const own = (await param.read()) as Float64Array;
        const found = await grads[i]!.read();
        const k = (7 * i) % own.length;
        const slope = await slopeOf(async (shift) => {
          const moved = own.slice();
          moved[k]! += shift;
          param.write(moved);
          using out = lpn.prox(x);
          return ((await out.read()) as Float64Array).reduce((sum, one, at) => sum + one * u[at]!, 0);
        });
        param.write(own);
        expect(Math.abs(slope - Number(found[k]))).toBeLessThan(1e-9 * Math.max(1, Math.abs(slope)));
      }
    });

    it('inverts itself, tells its prior, and goes on from a file bit for bit', async () => {
      const make = () => new LearnedProximal(device, { ...images, alpha: 0.3, seed: 3 });
      using lpn = make();
      using y = f64(normal(size, 4), shape);
      using x = lpn.prox(y);
      const inverse = await lpn.invert(x);
      expect([inverse.status, [...inverse.y.shape]]).toEqual(['converged', shape]);
      const [first, second] = [await y.read(), await inverse.y.read()];
      for (let i = 0; i < size; ++i) expect(Number(second[i])).toBeCloseTo(Number(first[i]), 6);
      const { values } = await lpn.prior(x);
      const [points, results, own] = [await y.read(), await x.read(), await lpn.potential(y).read()];
      for (let n = 0; n < 2; ++n) {
        let expected = -Number(own[n]);
        for (let i = (n * size) / 2; i < ((n + 1) * size) / 2; ++i) expected += Number(results[i]) * (Number(points[i]) - Number(results[i]) / 2); // biome-ignore format: one line
        expect(values[n]).toBeCloseTo(expected, 6);
      }
      using folder = new Folder();
      const noisy = f64(normal(size, 5), shape);
      const steps = async (one: LearnedProximal) => (await one.trainStep(y, noisy, { lr: 0.1, gamma: 1 })).read();
      const before = Number((await steps(lpn))[0]);
      for (let step = 0; step < 20; ++step) await steps(lpn);
      expect(Number((await steps(lpn))[0])).toBeLessThan(before);
      for (const at of [1, 2, 7])
        expect((await lpn.params[at]!.read()).every((value) => Number(value) >= 0)).toBe(true);
      await lpn.save(folder.file('lpn'));
      using again = make();
      await again.load(folder.file('lpn'));
      expect(await steps(again)).toEqual(await steps(lpn));
      using other = new LearnedProximal(device, { ...images, kernel: 5, seed: 3 });
      await expect(other.load(folder.file('lpn'))).rejects.toMatchObject({ code: 'ERR_STATE' });
    });

    it('refuses kernels and signals that do not fit', () => {
      const made = (options: object) => () => new LearnedProximal(device, { ...images, seed: 1, ...options });
      expect(made({ dim: 3 })).toThrow('LearnedProximal: dim must be given, or channels, and not both, got 3');
      expect(made({ channels: undefined })).toThrow('LearnedProximal: dim must be given, or channels, and not both, got undefined'); // biome-ignore format: one line
      expect(made({ dim: 3, channels: undefined, kernel: 3 })).toThrow('LearnedProximal: kernel must be left out but for channels, got 3'); // biome-ignore format: one line
      expect(made({ kernel: 2 })).toThrow('LearnedProximal: kernel must be odd, got 2');
      using lpn = made({})();
      for (const wrong of [[2, 3, 4, 3], [24, 2]]) expect(() => lpn.prox(f64(normal(wrong.reduce((product, one) => product * one, 1), 1), wrong))).toThrow(expect.objectContaining({ code: 'ERR_SHAPE' })); // biome-ignore format: one line
    });
  });

  it.each(['f32', 'f64'] as const)('solves small rows beside large ones: %s', async (dtype) => {
    using lpn = new LearnedProximal(device, { dim: 1, hidden: 8, seed: 1, alpha: 0.5, dtype });
    const rows = (values: number[]) => Tensor.from(device, values, [values.length, 1], { dtype });
    const batch = await lpn.prior(rows([1e6, 0.5, 0]));
    const alone = await lpn.prior(rows([0.5, 0]));
    expect([batch.status, alone.status]).toEqual(['converged', 'converged']);
    const difference = ({ values }: typeof batch, i: number) => values[i]! - values[i + 1]!;
    expect(difference(batch, 1)).toBeCloseTo(difference(alone, 0), dtype === 'f64' ? 7 : 3);
    const { y } = await lpn.invert(rows([1e6, 0.5, 0]));
    const back = await lpn.prox(y).read();
    const tolerance = dtype === 'f64' ? 1e-8 : 1e-4;
    for (const [i, value] of [1e6, 0.5, 0].entries())
      expect(Math.abs(Number(back[i]) - value)).toBeLessThanOrEqual(1.01 * tolerance * Math.max(1, value));
  });

  it('holds steps back whose weights are out of range', async () => {
    using lpn = new LearnedProximal(device, { ...form, dtype: 'f32', seed: 1 });
    const [clean, noisy] = [1, 2].map((seed) => Tensor.randn(device, [4, 3], { seed })) as [Tensor, Tensor];
    const before = await Promise.all(lpn.params.map((one) => one.read()));
    (await lpn.trainStep(clean, noisy, { lr: 1e38 })).dispose();
    using folder = new Folder();
    await expect(lpn.save(folder.file('lpn'))).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
    expect(await Promise.all(lpn.params.map((one) => one.read()))).toEqual(before);
    (await lpn.trainStep(clean, noisy)).dispose();
    await lpn.save(folder.file('lpn'));
    expect(lpn.steps).toBe(1);
  });

  it('says that it cannot invert what it never gives, and where numbers end', async () => {
    using lpn = new LearnedProximal(device, { dim: 1, hidden: 4, seed: 1, dtype: 'f64' });
    const end = await lpn.invert(f64([1e6], [1, 1]), { maxIterations: 20 });
    expect(end.status).toBe('max-iterations');
    expect(end.residualNorm).toBeGreaterThan(1);
    // More exactly than numbers are.
    for (const dtype of ['f32', 'f64'] as const) {
      using own = new LearnedProximal(device, { ...form, dtype, seed: 3 });
      using x = Tensor.randn(device, [5, 3], { seed: 1, dtype });
      expect((await own.invert(x, { tol: 1e-30 })).status).toBe('at-precision');
      expect((await own.prior(x, { maxIterations: 1 })).status).toBe('max-iterations');
    }
  });

  it('steps by the loss that it tells, and only where all is finite', async () => {
    using lpn = new LearnedProximal(device, { ...form, seed: 1 });
    const [clean, noisy] = [f64(normal(12, 1), [4, 3]), f64(normal(12, 2), [4, 3])];
    const f = await lpn.prox(noisy).read();
    const d = Float64Array.from(f, (value, i) => Number(value) - normal(12, 1)[i]!);
    const mean = (of: (x: number) => number) => d.reduce((sum, x) => sum + of(x), 0) / 12;
    const expected = { l2: mean((x) => x * x), l1: mean(Math.abs), pm: mean((x) => 1 - Math.exp(-((x / 0.5) ** 2))) };
    for (const loss of ['l2', 'l1', 'pm'] as const) {
      using same = new LearnedProximal(device, { ...form, seed: 1 });
      const told = await same.trainStep(clean, noisy, { loss, ...(loss === 'pm' && { gamma: 0.5 }) });
      expect((await told.read())[0]).toBeCloseTo(expected[loss], 12);
      const later = await same.trainStep(clean, noisy, { loss, ...(loss === 'pm' && { gamma: 0.5 }) });
      expect((await later.read())[0]).toBeLessThan(expected[loss]);
    }
    const before = await Promise.all(lpn.params.map((one) => one.read()));
    (await lpn.trainStep(clean, f64([NaN, ...normal(11, 2)], [4, 3]))).dispose();
    await device.synchronize();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(await codeOf(lpn.trainStep(clean, noisy))).toBe('ERR_ARGUMENT');
    expect(await Promise.all(lpn.params.map((one) => one.read()))).toEqual(before);
    (await lpn.trainStep(clean, noisy)).dispose();
    expect(lpn.steps).toBe(1);
  });

  it('takes steps of other optimizers along its pullback', async () => {
    using lpn = new LearnedProximal(device, { ...form, seed: 1 });
    const optimizer = new AdamW([...lpn.params], { lr: 0.1, weightDecay: 0 });
    const [x, u] = [f64(normal(6, 1), [2, 3]), f64([1, 1, 1, 1, 1, 1], [2, 3])];
    for (let step = 0; step < 5; ++step) {
      const grads = lpn.pullback(x, u);
      optimizer.step(grads);
      lpn.keepConvex();
      for (const one of grads) one.dispose();
    }
    for (const at of [1, 2, 7]) expect((await lpn.params[at]!.read()).every((value) => Number(value) >= 0)).toBe(true);
  });

  it('refuses a file whose network is not convex', async () => {
    using folder = new Folder();
    using lpn = new LearnedProximal(device, { ...form, seed: 1 });
    const file = folder.file('lpn.safetensors');
    await lpn.save(file);
    const tensors = await loadTensors(file, device);
    const { metadata } = await readTensorInfo(file);
    const inner = tensors['weights.inner.1']!;
    const values = (await inner.read()) as Float64Array;
    values[3] = -1e-9;
    inner.write(values);
    await saveTensors(file, tensors, { metadata: Object.fromEntries(metadata) });
    const before = await lpn.params[1]!.read();
    expect(await codeOf(lpn.load(file))).toBe('ERR_STATE');
    expect(await lpn.params[1]!.read()).toEqual(before);
  });
});

describe.each(onlyCpu)('proximal matching on %s', (kind) => {
  const device = Device.open(kind, { threads: 1 });
  afterAll(() => device.close());

  it('learns soft thresholding and the prior of Laplace signals, which the mean square does not', async () => {
    const next = uniform(9);
    const batches = Array.from({ length: 600 }, (_, i) => {
      const clean = laplace(512, next);
      const noise = normal(512, 100 + i);
      return [clean, clean.map((value, k) => value + noise[k]!)].map((x) => Tensor.from(device, Float32Array.from(x), [512, 1])) as [Tensor, Tensor]; // biome-ignore format: one line
    });
    const grid = Float32Array.from({ length: 121 }, (_, i) => -3 + i / 20);
    let at = 0;
    const train = async (plan: readonly (readonly [number, Parameters<LearnedProximal['trainStep']>[2]])[]) => {
      const lpn = new LearnedProximal(device, { dim: 1, hidden: 32, layers: 2, beta: 10, seed: 1 });
      for (const [steps, options] of plan)
        for (let step = 0; step < steps; ++step) {
          const [clean, noisy] = batches[at++ % batches.length]!;
          (await lpn.trainStep(clean, noisy, options)).dispose();
        }
      const f = (await lpn.prox(Tensor.from(device, grid, [121, 1])).read()) as Float32Array;
      const { values } = await lpn.prior(Tensor.from(device, [0, -2, 2], [3, 1]));
      const error = f.reduce((sum, value, i) => sum + Math.abs(value - soft(grid[i]!)), 0) / 121;
      return { lpn, f, error, prior: (values[1]! + values[2]!) / 2 - values[0]! };
    };
    // biome-ignore format: a plan a line
    const square = await train([[300, { loss: 'l2', lr: 1e-2 }], [200, { loss: 'l2', lr: 1e-3 }]]);
    const matched = await train([
      [300, { loss: 'l1', lr: 1e-2 }],
      [400, { gamma: 0.5, lr: 3e-3 }],
      [400, { gamma: 0.3, lr: 3e-3 }],
      [400, { gamma: 0.2, lr: 1e-3 }],
      [400, { gamma: 0.2, lr: 1e-4 }],
    ]);
    expect(matched.error).toBeLessThan(0.1);
    expect(matched.error).toBeLessThan(square.error / 2);
    expect(matched.prior).toBeGreaterThan(1.6);
    expect(matched.prior).toBeLessThan(2.1);
    expect(square.prior).toBeLessThan(1.6);
    // Of one number a proximal operator is monotone, trained or not.
    for (const { f } of [square, matched])
      for (let i = 1; i < 121; ++i) expect(f[i]!).toBeGreaterThanOrEqual(f[i - 1]!);
    // At 2 it is near 1, at 1 near 0.
    expect(Math.abs(matched.f[100]! - 1)).toBeLessThan(0.25);
    expect(Math.abs(matched.f[80]!)).toBeLessThan(0.35);

    // Plugged in, element by element, for a signal of Laplace's distribution that is seen through a random matrix.
    const [m, n] = [60, 100];
    const a = normal(m * n, 40, 1 / Math.sqrt(m));
    const rows = Array.from({ length: m }, (_, i) => [...a.subarray(i * n, (i + 1) * n)]);
    const signal = laplace(n, next);
    const y = rows.map((row) => row.reduce((sum, value, j) => sum + value * signal[j]!, 0));
    const end = await pnpAdmm(
      {
        operator: dense(device, rows, 'f32'),
        y: vector(device, y, 'f32'),
        prox: (x, out) => void matched.lpn.prox(x.reshape([n, 1]), out.reshape([n, 1])),
      },
      { rho: 1, iterations: 200, tol: 0 },
    );
    expect(end.status).toBe('max-iterations');
    expect(end.primal.at(-1)!).toBeLessThan(1e-3);
    for (const { lpn } of [square, matched]) lpn.dispose();
  });
});
