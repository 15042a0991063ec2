// Devices: cpu, cuda
// Values: closed forms, eigenvalues of matrices drawn by the models, and quadratic functions that are descended on.
import { afterAll, describe, expect, it } from 'vitest';
import { batchExtremal, LanczosLrLearner, type LinearOperator, scaleLr, slq } from '../../lib/curvature/index.ts';
import { Device, ops, Tensor } from '../../lib/index.ts';
import { lanczos } from '../../lib/solvers/index.ts';
import { normal } from '../support/data.ts';
import { devices, kind, onlyCpu } from '../support/devices.ts';
import { diagonalOn, f64On } from './diagonal.ts';

/** 997 values in [0.01, 1], and 5, 8, 12. */
const spectrum = [...Array.from({ length: 997 }, (_, i) => 0.01 + (0.99 * i) / 996), 5, 8, 12];

describe.each(devices)('learning rates by Lanczos on %s', (device_) => {
  const device = Device.open(device_);
  afterAll(() => device.close());

  it('ten steps give three outer eigenvalues of a thousand', async () => {
    for (const dtype of ['f64', 'f32'] as const) {
      const { ritz } = await lanczos(diagonalOn(device, spectrum, dtype), { steps: 10, seed: 1 });
      const most = dtype === 'f64' ? 1e-6 : 2e-5;
      for (const [i, value] of [5, 8, 12].entries()) expect(Math.abs(ritz[7 + i]! - value)).toBeLessThan(most);
    }
  });

  it('fifty probes give the trace of a turned spectrum within one in a hundred', async () => {
    const inner = diagonalOn(device, spectrum);
    const axis = f64On(device, [...normal(1000, 2)]);
    const numbers = new Tensor(device, [2], 'f64');
    const share = new Tensor(device, [1], 'f64');
    const turned = new Tensor(device, [1000], 'f64');
    const [along, square] = [numbers.rows(0, 1), numbers.rows(1, 2)];
    /** The reflection at the plane that the axis is normal to. */
    const reflect = (x: Tensor, out: Tensor): void => {
      ops.dots(device, { x: [x, axis], y: [axis, axis], out: numbers });
      ops.divide(device, { x: [along], y: [square], out: [share] });
      ops.linearCombination(device, { out: [out], terms: [x, axis], coefficients: [1, [-2, share]] });
    };
    const operator: LinearOperator = {
      ...inner,
      async apply(x, out) {
        reflect(x, out);
        await inner.apply(out, turned);
        reflect(turned, out);
      },
    };
    const trace = spectrum.reduce((sum, x) => sum + x, 0);
    const steps = kind === 'cuda' ? 2 : 10;
    const { value, stderr } = await slq(operator, (x) => x, { probes: 50, steps, seed: 3 });
    expect(Math.abs(value / trace - 1)).toBeLessThan(0.01);
    expect(stderr).toBeLessThan(0.01 * trace);
  });

  it('learns rates at which descent contracts, and beyond which it does not', async () => {
    const operator = diagonalOn(device, spectrum);
    const sgd = new LanczosLrLearner({ mode: 'sgd', steps: 10, every: 50 });
    const learned = (await sgd.observe(0, operator))!;
    expect(learned.largest).toBeCloseTo(12, 6);
    expect([learned.lr * 6, learned.momentum]).toEqual([expect.closeTo(1, 6), 0]);
    expect(await sgd.observe(49, operator)).toBeNull();
    expect(await sgd.observe(50, operator)).toEqual(learned);
    const half = new LanczosLrLearner({ mode: 'sgd', steps: 10, safety: 0.5 });
    expect((await half.observe(100, operator))!.lr).toBe(learned.lr / 2);

    const start = normal(1000, 4);
    const descend = (lr: number, momentum: number): number => {
      const x = start.slice();
      const v = new Float64Array(1000);
      for (let step = 0; step < 300; ++step)
        for (let i = 0; i < 1000; ++i) {
          v[i] = momentum * v[i]! + spectrum[i]! * x[i]!;
          x[i]! -= lr * v[i]!;
        }
      return Math.hypot(...x);
    };
    expect(Math.hypot(...start)).toBeGreaterThan(25);
    expect(descend(0.995 * learned.lr, 0)).toBeLessThan(10);
    expect(descend(1.01 * learned.lr, 0)).toBeGreaterThan(100);
    const steps = 120;
    const ball = (await new LanczosLrLearner({ mode: 'heavyball', steps }).observe(0, operator))!;
    expect(ball.smallest).toBeLessThan(0.012);
    expect(ball.momentum).toBeCloseTo(((Math.sqrt(12) - 0.1) / (Math.sqrt(12) + 0.1)) ** 2, 2);
    // Of the optimum for the curvatures that there are 1e-5.
    expect(descend(ball.lr, ball.momentum)).toBeLessThan(1e-4);
    expect(descend(ball.lr, ball.momentum)).toBeLessThan(descend(0.995 * learned.lr, 0) / 1000);
  });

  it('holds the least curvature at its floor, leaves out what is not positive, and gives none where nothing is', async () => {
    const operator = diagonalOn(device, [-7, -1e-3, 0, 0.5, 4], 'f32');
    const ball = (await new LanczosLrLearner({ mode: 'heavyball', floor: 0.25 }).observe(0, operator))!;
    expect(ball.largest).toBeCloseTo(4, 5);
    expect(ball.smallest).toBe(ball.largest / 4);
    expect([ball.lr, ball.momentum]).toEqual([expect.closeTo(4 / 9, 5), expect.closeTo(1 / 9, 5)]);
    const learner = new LanczosLrLearner({ mode: 'sgd' });
    for (const values of [[0, 0], [-1, -2]]) // biome-ignore format: one line
      expect(await learner.observe(0, diagonalOn(device, values))).toBeNull();
  });

  it('names what goes wrong', async () => {
    for (const options of [{}, { mode: 'adam' }, { mode: 'sgd', steps: 0 }, { mode: 'sgd', every: 0 }, { mode: 'sgd', safety: 0 }, { mode: 'sgd', floor: 2 }]) // biome-ignore format: one line
      expect(() => new LanczosLrLearner(options as never)).toThrow(expect.objectContaining({ code: 'ERR_ARGUMENT' }));
    const learner = new LanczosLrLearner({ mode: 'sgd' });
    const operator = diagonalOn(device, [1, 2]);
    const rejected = (call: Promise<unknown>) => expect(call).rejects;
    for (const step of [-1, 0.5, NaN])
      await rejected(learner.observe(step, operator)).toThrow(
        `LanczosLrLearner.observe: step must be a whole number from 0 on, got ${step}`,
      );
    await rejected(learner.observe(0, {} as never)).toMatchObject({ code: 'ERR_ARGUMENT' });
    await rejected(learner.observe(0, diagonalOn(device, [1, NaN]))).toThrow('must give numbers, got NaN');
    const signal = AbortSignal.abort(new Error('enough'));
    await rejected(learner.observe(0, operator, { signal })).toThrow('enough');
  });
});

describe.each(onlyCpu)('learning rates by the size of batches', (device_) => {
  const device = Device.open(device_);
  afterAll(() => device.close());
  const d = 400;
  const largestOf = async (apply: (x: Tensor, out: Tensor) => void): Promise<number> => {
    const operator: LinearOperator = { device, dtype: 'f64', shape: [d, d], apply };
    return (await lanczos(operator, { steps: 60 })).ritz.at(-1)!;
  };
  const column = (x: Tensor) => x.reshape([x.size, 1]);

  it.each([
    [25, 3],
    [50, 3],
    [100, 3],
    [400, 3],
    [25, 1],
  ])('noise that is added: batch %i, eigenvalue %i', async (batch, lambda) => {
    // biome-ignore format: one line
    const noise = normal(d * d, batch, 0.5 / Math.sqrt(batch));
    const symmetric = noise.map((x, at) => {
      const [i, j] = [Math.floor(at / d), at % d];
      return (x + noise[j * d + i]!) / Math.SQRT2 + (at === 0 ? lambda : 0);
    });
    const a = Tensor.from(device, symmetric, [d, d]);
    const measured = await largestOf((x, out) => ops.gemm(device, { a, b: column(x), c: column(out) }));
    const predicted = batchExtremal(lambda, { dOverB: d / batch, noise: 0.5 });
    expect(Math.abs(measured / predicted - 1)).toBeLessThan(0.04);
  });

  // Below the edge the largest of finitely many eigenvalues is short of it.
  it.each([
    [25, 20, 0.04],
    [50, 20, 0.04],
    [100, 20, 0.04],
    [400, 20, 0.04],
    [100, 1.5, 0.07],
  ])('Gauss–Newton matrices of samples: batch %i, eigenvalue %f', async (batch, lambda, tol) => {
    // biome-ignore format: one line
    let measured = 0;
    for (const seed of [1, 2, 3]) {
      const gradients = normal(batch * d, 10 * batch + seed);
      // The spike's own length would vary by √(2 / batch): it is held.
      let square = 0;
      for (let i = 0; i < batch; ++i) square += gradients[i * d]! ** 2 / batch;
      for (let i = 0; i < batch; ++i) gradients[i * d]! *= Math.sqrt(lambda / square);
      const a = Tensor.from(device, gradients, [batch, d]);
      const images = new Tensor(device, [batch, 1], 'f64');
      const largest = await largestOf((x, out) => {
        ops.gemm(device, { a, b: column(x), c: images });
        ops.gemm(device, { a, b: images, c: column(out), transA: 'transposed', alpha: 1 / batch });
      });
      measured += largest / 3;
    }
    const predicted = batchExtremal(lambda, { dOverB: d / batch, noise: 1, model: 'gauss-newton' });
    expect(Math.abs(measured / predicted - 1)).toBeLessThan(tol);
  });

  it('has the figures of the formulas', () => {
    const additive = (dOverB: number) => batchExtremal(3, { dOverB, noise: 0.5 });
    const found = [16, 8, 4, 1].map(additive);
    for (const [i, value] of [4.333, 3.667, 3.333, 3.083].entries()) expect(found[i]).toBeCloseTo(value, 3);
    const product = [16, 8, 4, 1].map((dOverB) => batchExtremal(20, { dOverB, noise: 1, model: 'gauss-newton' }));
    for (const [i, value] of [36.84, 28.42, 24.21, 21.05].entries()) expect(product[i]).toBeCloseTo(value, 2);
    expect(batchExtremal(1, { dOverB: 16, noise: 0.5 })).toBe(4);
    expect(batchExtremal(1, { dOverB: 4, noise: 1, model: 'gauss-newton' })).toBe(9);
    for (const model of ['additive', 'gauss-newton'] as const) {
      expect(batchExtremal(3, { dOverB: 9, noise: 0, model })).toBe(3);
      expect(batchExtremal(0, { dOverB: 9, noise: 0, model })).toBe(0);
      // Both branches meet at the edge.
      const edge = model === 'additive' ? 1.5 : 2;
      const near = (lambda: number) => batchExtremal(lambda, { dOverB: 9, noise: 0.5, model });
      expect(near(edge + 1e-9)).toBeCloseTo(near(edge), 8);
    }
    expect(scaleLr(0.1, 128, 512, 'sgd')).toBeCloseTo(0.4, 15);
    expect(scaleLr(0.1, 128, 512, 'adaptive')).toBeCloseTo(0.2, 15);
    expect(scaleLr(0.1, 512, 128, 'sgd')).toBeCloseTo(0.025, 15);
    expect(scaleLr(0.1, 128, 512, 'sgd', 0.3)).toBe(0.3);
  });

  it('names what goes wrong', () => {
    const refused = (call: () => unknown, message: string) =>
      expect(call).toThrow(expect.objectContaining({ code: 'ERR_ARGUMENT', message }));
    const options = { dOverB: 1, noise: 1 };
    refused(() => batchExtremal(-1, options), 'batchExtremal: lambda must be finite and not negative, got -1');
    refused(() => batchExtremal(1, { ...options, noise: NaN }), 'batchExtremal: noise must be finite and not negative, got NaN'); // biome-ignore format: one line
    refused(() => scaleLr(0, 1, 1, 'sgd'), 'scaleLr: lr must be a positive number, got 0');
    refused(() => scaleLr(1, 1, Infinity, 'sgd'), 'scaleLr: to must be a positive number, got Infinity');
    refused(() => scaleLr(1, 1, 1, 'adam' as never), "scaleLr: method must be one of 'sgd', 'adaptive', got 'adam'");
    refused(() => scaleLr(1, 1, 1, 'sgd', 0), 'scaleLr: cap must be above 0, got 0');
  });
});
