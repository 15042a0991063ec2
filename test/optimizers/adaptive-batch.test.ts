// Devices: cpu, cuda
// Values: the specification of the method, for eight gradients of 4×6 in float64: variances, |ḡ|² and sizes of batches.
import { afterAll, describe, expect, it } from 'vitest';
import { AdaptiveBatch, type AdaptiveBatchOptions, Device, Tensor } from '../../lib/index.ts';
import { normal, sizeOf } from '../support/data.ts';
import { devices } from '../support/devices.ts';
import { code } from './each-class.ts';

/** The statistics by their definitions, of all coordinates as one vector. */
function plain(samples: readonly (readonly number[])[]) {
  const b = samples.length;
  const mean = samples[0]!.map((_, c) => samples.reduce((sum, g) => sum + g[c]! / b, 0));
  const dot = (x: readonly number[], y: readonly number[]) => x.reduce((sum, value, c) => sum + value * y[c]!, 0);
  const variance = (values: number[]) => {
    const center = values.reduce((sum, x) => sum + x / b, 0);
    return values.reduce((sum, x) => sum + (x - center) ** 2, 0) / (b - 1);
  };
  const total = (rows: readonly (readonly number[])[]) => mean.map((_, c) => variance(rows.map((row) => row[c]!)));
  const squaredNorm = dot(mean, mean);
  const along = samples.map((g) => dot(g, mean));
  const orthogonal = samples.map((g, i) => g.map((x, c) => x - (along[i]! * mean[c]!) / squaredNorm));
  const sum = (x: number[]) => x.reduce((a, y) => a + y, 0);
  return {
    squaredNorm,
    variance: sum(total(samples)),
    innerProductVariance: variance(along),
    orthogonalVariance: sum(total(orthogonal)),
    coordinateRatio: Math.max(...total(samples).map((x, c) => (mean[c] === 0 ? 0 : x / mean[c]! ** 2))),
  };
}

describe.each(devices)('AdaptiveBatch on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  const eight = () =>
    Tensor.from(
      device,
      Float64Array.from({ length: 8 * 24 }, (_, k) => {
        const [t, i, j] = [Math.floor(k / 24), Math.floor((k % 24) / 6), k % 6];
        return Math.sin(0.7 * (i + 1) * (t + 1) + 1.3 * (j + 1) + 0.1 * i * j);
      }),
      [8, 4, 6],
    );
  const make = (options: Partial<AdaptiveBatchOptions> = {}) =>
    new AdaptiveBatch({ batchSize: 8, maxBatchSize: 1000, ...options });

  it.each<[Partial<AdaptiveBatchOptions>, number]>([
    [{ eta: 0.5 }, 271],
    [{ test: 'inner-product', theta: 0.5 }, 8],
    [{ test: 'augmented', theta: 0.5, nu: 1 }, 68],
    [{ eta: 0.5, maxBatchSize: 100 }, 100],
    [{}, 1000],
  ])('%o asks for the batch of the specification', async (options, expected) => {
    const batch = make(options);
    const { batchSize, statistics } = await batch.observe([eight()]);
    expect([batchSize, batch.batchSize]).toEqual([expected, expected]);
    expect(statistics!.samples).toBe(8);
    expect(statistics!.variance).toBeCloseTo(13.3416904827, 9);
    expect(statistics!.squaredNorm).toBeCloseTo(0.1971635097, 9);
    expect(statistics!.innerProductVariance).toBeCloseTo(0.0027053863, 9);
    expect(statistics!.orthogonalVariance).toBeCloseTo(13.3279689463, 9);
  });

  it.each(['f64', 'f32'] as const)('agrees with the definitions, also far from 1, in %s', async (dtype) => {
    const shapes = [[5, 3, 7], [5, 1], [5, 40]] as const; // biome-ignore format: one line
    for (const scale of [1, 1e-30, 1e30]) {
      const tensors = shapes.map((shape, p) =>
        Tensor.from(
          device,
          normal(sizeOf(shape), p + 1).map((x) => scale * (x + 0.3)),
          shape,
          { dtype: 'f64' },
        ),
      );
      const given = tensors.map((tensor) => {
        const cast = Tensor.zeros(device, tensor.shape, { dtype });
        return { tensor, cast };
      });
      const read = await Promise.all(
        given.map(async ({ tensor, cast }) => {
          const values = await tensor.read();
          cast.write(dtype === 'f64' ? values : Float32Array.from(values));
          return [...(await cast.read())].map(Number);
        }),
      );
      const rows = Array.from({ length: 5 }, (_, i) =>
        read.flatMap((values) => values.slice((i * values.length) / 5, ((i + 1) * values.length) / 5)),
      );
      const expected = plain(rows);
      const batch = make({ test: 'coordinate', eta: 1, maxBatchSize: 1e15 });
      const { statistics, batchSize } = await batch.observe(given.map(({ cast }) => cast));
      for (const [name, value] of Object.entries(expected)) {
        const power = { squaredNorm: 2, innerProductVariance: 4, coordinateRatio: 0 }[name] ?? 2;
        const unit = scale ** power;
        expect(statistics![name as keyof typeof expected]! / unit, `${name} ${scale}`).toBeCloseTo(value / unit, 9);
      }
      expect(batchSize).toBe(Math.max(8, Math.ceil(statistics!.candidate!)));
      expect(statistics!.candidate).toBe(statistics!.coordinateRatio);
    }
  });

  it('perTensor adds the variances of the tensors, with the norm of all', async () => {
    const [a, b] = [[[1, 2], [3, 0], [2, 5]], [[4, -1, 0], [1, 1, 2], [0, 3, 3]]]; // biome-ignore format: one line
    const tensors = [a!, b!].map((rows) => Tensor.from(device, Float64Array.from(rows.flat()), [3, rows[0]!.length]));
    const [one, two] = [plain(a!), plain(b!)];
    const batch = make({ test: 'augmented', theta: 0.5, nu: 0.25, batchSize: 2, perTensor: true });
    const { statistics } = await batch.observe(tensors);
    const inner = one.innerProductVariance + two.innerProductVariance;
    const orthogonal = one.orthogonalVariance + two.orthogonalVariance;
    const squaredNorm = one.squaredNorm + two.squaredNorm;
    expect(statistics!.innerProductVariance).toBeCloseTo(inner, 12);
    expect(statistics!.orthogonalVariance).toBeCloseTo(orthogonal, 12);
    expect(statistics!.squaredNorm).toBeCloseTo(squaredNorm, 12);
    const expected = Math.max(inner / (0.5 * squaredNorm) ** 2, orthogonal / (0.25 ** 2 * squaredNorm));
    expect(statistics!.candidate).toBeCloseTo(expected, 10);
  });

  it('takes products in place of gradients', async () => {
    const x = eight();
    const values = await x.read();
    const rows = Array.from({ length: 8 }, (_, i) => [...values.slice(24 * i, 24 * i + 24)]);
    const mean = rows[0]!.map((_, c) => rows.reduce((sum, row) => sum + row[c]! / 8, 0));
    const f64 = (of: (row: number[]) => number) => Tensor.from(device, Float64Array.from(rows, of), [8]);
    const products = {
      squares: f64((row) => row.reduce((sum, g) => sum + g * g, 0)),
      dots: f64((row) => row.reduce((sum, g, c) => sum + g * mean[c]!, 0)),
    };
    const options = { test: 'augmented', theta: 0.5, nu: 1 } as const;
    const [own, other] = [await make(options).observe([x]), await make(options).observe(products)];
    expect(other.batchSize).toBe(own.batchSize);
    for (const [name, value] of Object.entries(own.statistics!))
      expect(other.statistics![name as 'variance']).toBeCloseTo(value, 10);
    for (const refused of [{ test: 'coordinate' }, { ...options, perTensor: true }] as const)
      await expect(make(refused).observe(products)).rejects.toThrow(code('ERR_ARGUMENT'));
    await expect(make().observe({ ...products, dots: x } as never)).rejects.toThrow(code('ERR_SHAPE'));
  });

  it('takes the mean and the squares of a batch that was accumulated, or of micro-batches', async () => {
    const values = await eight().read();
    const rows = Array.from({ length: 8 }, (_, i) => [...values.slice(24 * i, 24 * i + 24)]);
    const meanOf = (some: number[][]) => some[0]!.map((_, c) => some.reduce((sum, g) => sum + g[c]! / some.length, 0));
    const square = (row: number[]) => row.reduce((sum, g) => sum + g * g, 0);
    const f64 = (of: number[]) => Tensor.from(device, Float64Array.from(of), [of.length]);
    const all = meanOf(rows);
    const mean = [f64(all.slice(0, 10)), f64(all.slice(10))];
    const squares = [rows.slice(0, 3), rows.slice(3)].map((some) => f64(some.map(square)));
    const whole = await make({ eta: 0.5 }).observe({ mean, squares });
    expect(whole.batchSize).toBe(271);
    expect(whole.statistics!.variance).toBeCloseTo(13.3416904827, 9);
    expect(whole.statistics!.squaredNorm).toBeCloseTo(0.1971635097, 9);
    expect(whole.statistics).toMatchObject({ samples: 8, innerProductVariance: null, orthogonalVariance: null });

    const pairs = [0, 2, 4, 6].map((i) => meanOf(rows.slice(i, i + 2)));
    const { variance } = plain(pairs);
    const estimate = { mean: new Map([[mean[0]!, mean[0]!], [mean[1]!, mean[1]!]]), squares: [f64(pairs.map(square))], samples: 2 }; // biome-ignore format: one line
    const { statistics } = await make({ eta: 0.5 }).observe(estimate);
    expect(statistics!.samples).toBe(8);
    expect(statistics!.variance).toBeCloseTo(2 * variance, 10);
    expect(statistics!.candidate).toBeCloseTo((2 * variance) / (0.25 * 0.1971635097), 6);
    const zero = await make().observe({ mean: [f64([0, 0])], squares: [f64([1, 1])] });
    expect(zero).toMatchObject({ batchSize: 8, statistics: { variance: 2, candidate: null } });

    const refused = (given: object, options: Partial<AdaptiveBatchOptions> = {}) =>
      expect(make(options).observe(given as never)).rejects;
    for (const test of ['inner-product', 'augmented', 'coordinate'] as const)
      await refused({ mean, squares }, { test }).toThrow(code('ERR_ARGUMENT'));
    await refused({ mean, squares: [f64([1])] }).toThrow(
      'AdaptiveBatch.observe: perSample.squares must have 2 elements or more, got 1',
    );
    await refused({ mean: [], squares }).toThrow('AdaptiveBatch.observe: perSample.mean must be tensors, got none');
    for (const more of [{ samples: 0 }, { samples: 1.5 }, { dots: squares[0] }, { squares: [] }])
      await refused({ mean, squares, ...more }).toThrow(code('ERR_ARGUMENT'));
    await refused({ mean, squares: [Tensor.zeros(device, [3])] }).toThrow(code('ERR_DTYPE'));
    await refused({ mean: [f64([Number.NaN])], squares }).toThrow('must have finite squares, got NaN');
  });

  it('keeps its size where the mean is 0, where samples agree, and where fewer would do', async () => {
    const of = (values: number[]) => Tensor.from(device, values, [2, values.length / 2]);
    for (const test of ['norm', 'inner-product', 'augmented', 'coordinate'] as const) {
      const batch = make({ test });
      expect((await batch.observe([of([1, -2, -1, 2])])).statistics!.candidate).toBeNull();
      const { statistics } = await batch.observe([of([0, 0, 0, 0])]);
      expect(statistics).toMatchObject({ squaredNorm: 0, variance: 0, candidate: null });
      expect((await batch.observe([of([1, 2, 1, 2])])).statistics).toMatchObject({ variance: 0, candidate: 0 });
      expect(batch.batchSize).toBe(8);
    }
    for (const options of [
      { eta: 1e-163 },
      { test: 'inner-product', theta: 1e-163 },
      { test: 'augmented', theta: 1e-163, nu: 1e-163 },
      { test: 'coordinate', eta: 1e-163 },
    ] as const) {
      const batch = make(options);
      expect((await batch.observe([of([1, 2, 1, 2])])).statistics!.candidate).toBe(0);
      expect([batch.batchSize, batch.due]).toEqual([8, true]);
      expect((await batch.observe([of([1, 1, 2, 3])])).batchSize).toBe(1000);
    }
    const batch = make({ test: 'coordinate', eta: 1 });
    expect((await batch.observe([of([1, 1, 0, -1, 3, 0])])).statistics!.coordinateRatio).toBe(0.5);
  });

  it('has the variance of gradients that are large beside their mean, and of large ones', async () => {
    const of = (values: number[]) => Tensor.from(device, Float64Array.from(values), [2, values.length / 2]);
    const seen = async (values: number[], options: Partial<AdaptiveBatchOptions>) =>
      (await make(options).observe([of(values)])).statistics!;
    const small = await seen([1, 1e-158, -1, 1e-158], { test: 'augmented' });
    expect(small).toMatchObject({ variance: 2, innerProductVariance: 0, candidate: Infinity });
    expect(small.orthogonalVariance).toBeCloseTo(2, 6);
    const near = await seen([1, 1e-150, -1, 1e-150], { eta: 1e10 });
    expect(near.candidate! / 2e280).toBeCloseTo(1, 12);
    const large = await seen([9e153, 0, -9e153, 0], {});
    expect(large.variance / 1.62e308).toBeCloseTo(1, 12);
  });

  it('tests at the first of each interval and up to the largest size, and goes on from its state', async () => {
    const batch = make({ eta: 0.5, interval: 3, maxBatchSize: 300 });
    const due: boolean[] = [];
    for (let step = 0; step < 5; ++step) {
      due.push(batch.due);
      const { batchSize, statistics } = await batch.observe(batch.due ? [eight()] : null);
      expect(batchSize).toBe(271);
      expect(statistics === null).toBe(step % 3 !== 0);
    }
    expect(due).toEqual([true, false, false, true, false]);
    const state = JSON.parse(JSON.stringify(batch.state));
    expect(state).toEqual({ batchSize: 271, step: 5 });
    const resumed = make({ eta: 0.1, interval: 3, maxBatchSize: 300 });
    resumed.restore(state);
    expect([resumed.batchSize, resumed.due]).toEqual([271, false]);
    await resumed.observe(null);
    expect(resumed.due).toBe(true);
    expect((await resumed.observe([eight()])).batchSize).toBe(300);
    expect([resumed.due, (await resumed.observe(null)).batchSize]).toEqual([false, 300]);
    for (const wrong of [{ batchSize: 7, step: 0 }, { batchSize: 301, step: 0 }, { batchSize: 8, step: -1 }, null])
      expect(() => batch.restore(wrong as never)).toThrow(code('ERR_STATE'));
  });

  it('refuses what is not finite or no batch, and changes nothing', async () => {
    const batch = make();
    const rejected = (x: unknown) => expect(batch.observe(x as never)).rejects;
    for (const value of [Number.NaN, Infinity])
      await rejected([Tensor.full(device, [3, 2], 1), Tensor.full(device, [3], value)]).toThrow(
        'AdaptiveBatch.observe: perSample must have finite squares, got',
      );
    await rejected([Tensor.full(device, [1, 2], 1)]).toThrow(
      'AdaptiveBatch.observe: perSample[0] must have 2 samples or more, got [1,2]',
    );
    await rejected([Tensor.full(device, [3, 2], 1), Tensor.full(device, [2, 2], 1)]).toThrow(code('ERR_SHAPE'));
    await rejected([Tensor.full(device, [3, 2], 1, { dtype: 'i32' })]).toThrow(code('ERR_DTYPE'));
    for (const wrong of [[], null, 3]) await rejected(wrong).toThrow(code('ERR_ARGUMENT'));
    expect(batch.state).toEqual({ batchSize: 8, step: 0 });
    const first = batch.observe([eight()]);
    await rejected([eight()]).toThrow(code('ERR_STATE'));
    await first;
    expect(batch.state.step).toBe(1);
    for (const sizes of [{ batchSize: 1 }, { batchSize: 1, maxBatchSize: 1 }])
      expect(() => make(sizes)).toThrow('AdaptiveBatch: batchSize must be');
    expect(() => make({ theta: 0.5 })).toThrow("AdaptiveBatch: theta must be left out for the test 'norm', got 0.5");
    expect(() => make({ perTensor: true })).toThrow(
      "AdaptiveBatch: perTensor must be false for the test 'norm', got true",
    );
  });
});
