// Devices: cpu, cuda
// Source: closed form "the least loss over all scales"
import { afterAll, describe, expect, it, vi } from 'vitest';
import { Device, ops, Tensor } from '../../lib/index.ts';
import { QZO } from '../../lib/quantized/index.ts';
import { Folder } from '../files/folder.ts';
import { normal } from '../support/data.ts';
import { devices, onlyCpu, onlyCuda } from '../support/devices.ts';
import { settledMemory } from '../support/settled.ts';
import { thrownBy, valuesOf } from '../support/tensors.ts';
import { Regression } from './problem.ts';

/** z of direction j, as the operation of random numbers draws it. */
async function direction(device: Device, like: Tensor, seed: number, stream = 0): Promise<Float64Array> {
  const z = Tensor.zeros(device, like.shape);
  ops.random(device, { x: [z], seed, stream, distribution: 'normal' });
  return valuesOf(z);
}

describe.each(devices)('QZO on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  it('projects the gradient on its direction, and steps along it', async () => {
    const problem = new Regression(device);
    const { scales } = problem.layer;
    const before = await valuesOf(scales);
    const gradient = await problem.gradient(before);
    const z = await direction(device, scales, 7);
    const slope = gradient.reduce((sum, value, i) => sum + value * z[i]!, 0);
    using qzo = new QZO([scales], { lr: 1e-5, eps: 1e-3, clip: null });
    const step = await qzo.step(([at]) => problem.loss(at!), 7);
    // The loss is a square, of which the difference is exact.
    expect(Math.abs(step.projected / slope - 1)).toBeLessThan(1e-3);
    expect(step).toMatchObject({ clipped: false, floored: 0, unresolved: 0, status: 'ok' });
    expect(step.projected).toBe((step.lossPlus - step.lossMinus) / 2e-3);
    const after = await valuesOf(scales);
    for (const [i, old] of before.entries()) expect(after[i]).toBe(Math.fround(old - 1e-5 * step.projected * z[i]!));
  });

  it('clips, and counts scales that it raises to the floor', async () => {
    const problem = new Regression(device);
    const { scales } = problem.layer;
    const before = await valuesOf(scales);
    using qzo = new QZO([scales], { lr: 0.05, clip: 0.5, minScale: 0.01 });
    const step = await qzo.step(([at]) => problem.loss(at!), 1);
    expect([step.clipped, Math.abs(step.projected) > 0.5]).toEqual([true, true]);
    const z = await direction(device, scales, 1);
    const held = 0.5 * Math.sign(step.projected);
    const free = Array.from(before, (old, i) => old - 0.05 * held * z[i]!);
    expect([...(await valuesOf(scales))]).toEqual(free.map((value) => Math.fround(Math.max(value, 0.01))));
    expect(step.floored).toBe(free.filter((value) => value < 0.01).length);
    expect(step.floored).toBeGreaterThan(0);
  });

  it('takes the same steps twice, whatever the number of threads, and after a return to a saved state', async () => {
    using folder = new Folder();
    const run = async (on: Device, steps: number, save?: string, load?: string, start?: Float64Array) => {
      const problem = new Regression(on);
      if (start) problem.layer.scales.write(Float32Array.from(start));
      using qzo = new QZO([problem.layer.scales], { lr: 3e-5, directions: 2 });
      if (load) await qzo.load(load);
      for (let i = 0; i < steps; ++i) await qzo.step(([at]) => problem.loss(at!));
      if (save) await qzo.save(save);
      return { scales: await valuesOf(problem.layer.scales), steps: qzo.steps };
    };
    const whole = await run(device, 6);
    const file = folder.file('qzo');
    const half = await run(device, 3, file);
    expect(await run(device, 3, undefined, file, half.scales)).toEqual(whole);
    expect((await run(device, 3, undefined, undefined, half.scales)).scales).not.toEqual(whole.scales);
    if (kind !== 'cpu') return;
    await using other = Device.open(kind, { threads: 3 });
    expect(await run(other, 6)).toEqual(whole);
  });

  it('leaves everything as it was for a loss that is not finite, or that fails', async () => {
    const problem = new Regression(device);
    const { scales } = problem.layer;
    const before = await valuesOf(scales);
    using qzo = new QZO([scales]);
    for (const bad of [NaN, Infinity, -Infinity]) {
      let count = 0;
      const step = await qzo.step(() => (++count === 2 ? bad : 1), 1);
      expect([step.status, step.floored]).toEqual(['nonfinite', 0]);
    }
    const refusal = (call: () => unknown) =>
      (call() as Promise<unknown>).then(
        () => 'none',
        ({ code }) => code,
      );
    expect(await refusal(() => qzo.step(() => { throw new Error('no'); }))).toBe('ERR_ARGUMENT'); // biome-ignore format: one line
    expect(await refusal(() => qzo.step(() => 'a' as unknown as number))).toBe('ERR_ARGUMENT');
    expect(await refusal(() => qzo.step(() => Tensor.zeros(device, [2])))).toBe('ERR_ARGUMENT');
    expect(await refusal(() => qzo.step(5 as never))).toBe('ERR_ARGUMENT');
    expect(await refusal(() => qzo.step(() => 1, -1))).toBe('ERR_ARGUMENT');
    const inside = qzo.step(async () => {
      expect(await refusal(() => qzo.step(() => 1))).toBe('ERR_STATE');
      return 1;
    });
    await inside;
    expect(await valuesOf(scales)).toEqual(before); // equal losses move nothing
    qzo.lr = NaN;
    expect(await refusal(() => qzo.step(() => 1))).toBe('ERR_ARGUMENT');
    qzo.lr = 1;
    const disposed = qzo.step(() => {
      qzo.dispose();
      return 1;
    });
    expect(await refusal(() => disposed)).toBe('ERR_DISPOSED');
    expect(await refusal(() => qzo.step(() => 1))).toBe('ERR_DISPOSED');
    expect(await valuesOf(scales)).toEqual(before);
  });

  it('refuses tensors that have memory in common, and takes parts of one that do not', () => {
    const all = Tensor.zeros(device, [4, 2]);
    const codeOf = (scales: Tensor[], extra?: Tensor[]) => thrownBy(() => new QZO(scales, { extra })).code;
    expect(codeOf([all], [all.reshape([8])])).toBe('ERR_ARGUMENT');
    expect(codeOf([all, all.rows(1, 2)])).toBe('ERR_ARGUMENT');
    expect(codeOf([all.rows(2, 4)], [Tensor.zeros(device, [1]), all.rows(0, 3)])).toBe('ERR_ARGUMENT');
    new QZO([all.rows(2, 4), all.rows(0, 1)], { extra: [all.rows(1, 2)] }).dispose();
  });

  it('trains extra tensors too, and decays those that are matrices', async () => {
    const scales = Tensor.full(device, [8], 1);
    const [bias, matrix] = [Tensor.full(device, [3], 2), Tensor.full(device, [2, 2], 4)];
    using qzo = new QZO([scales], { lr: 0.5, extra: [bias, matrix], weightDecay: 0.25 });
    const { projected } = await qzo.step(async ([s], [b, m]) => {
      const all = [...(await valuesOf(s!)), ...(await valuesOf(b!)), ...(await valuesOf(m!))];
      return all.reduce((sum, value) => sum + value, 0);
    }, 3);
    const z = [Tensor.zeros(device, [3]), Tensor.zeros(device, [2, 2])];
    ops.random(device, { x: z, seed: 3, stream: 2 ** 32, distribution: 'normal' });
    const [zb, zm] = [await valuesOf(z[0]!), await valuesOf(z[1]!)];
    const sum = [...(await direction(device, scales, 3)), ...zb, ...zm].reduce((total, value) => total + value, 0);
    expect(projected).toBeCloseTo(sum, 2);
    for (const [i, value] of (await valuesOf(bias)).entries())
      expect(value).toBeCloseTo(2 - 0.5 * projected * zb[i]!, 5);
    for (const [i, value] of (await valuesOf(matrix)).entries())
      expect(value).toBeCloseTo(4 * (1 - 0.5 * 0.25) - 0.5 * projected * zm[i]!, 5);
  });

  it('warns once where rounding decides, and takes no more memory for more directions', async () => {
    const problem = new Regression(device);
    const { scales } = problem.layer;
    const warned = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
    const used = async (directions: number) => {
      const before = await settledMemory(device);
      using qzo = new QZO([scales], { directions, eps: 1e-12 });
      const step = await qzo.step(([at]) => problem.loss(at!), 1);
      await qzo.step(([at]) => problem.loss(at!), 1);
      expect(step.unresolved).toBe(directions);
      expect(step.projections.length).toBe(directions);
      return (await settledMemory(device)).bytes - before.bytes;
    };
    try {
      const one = await used(1);
      expect(warned).toHaveBeenCalledTimes(1);
      expect(await used(5)).toBe(one);
    } finally {
      warned.mockRestore();
    }
  });
});

describe.each(onlyCuda)('QZO on %s and on the CPU', (kind) => {
  it('comes to the same loss in 100 steps', async () => {
    const ends: number[] = [];
    for (const own of [kind, 'cpu'] as const) {
      await using device = Device.open(own);
      const problem = new Regression(device);
      await problem.detune(0.35);
      using qzo = new QZO([problem.layer.scales], { lr: 4e-5 });
      for (let i = 0; i < 100; ++i) await qzo.step(([at]) => problem.loss(at!));
      ends.push((await problem.loss(problem.layer.scales).read())[0]!);
    }
    const [there, here] = ends as [number, number];
    expect(Math.abs(there / here - 1)).toBeLessThan(1e-4);
  });
});

// Statistics and trajectories are those of the numbers that both devices draw.
describe.each(onlyCpu)('QZO', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  it('has the slope along its direction to a billionth in f64', async () => {
    // Half a sum of weighted squares, of which the difference over 2 eps is exact.
    const d = 128;
    const weights = Tensor.randn(device, [d], { seed: 2, dtype: 'f64' });
    const at = Float64Array.from(normal(d, 3), (value) => 1 + Math.abs(value));
    const scales = Tensor.from(device, at, [d]);
    const product = Tensor.zeros(device, [d], { dtype: 'f64' });
    const out = Tensor.zeros(device, [1], { dtype: 'f64' });
    const z = Tensor.zeros(device, [d], { dtype: 'f64' });
    const w = await valuesOf(weights);
    using qzo = new QZO([scales], { lr: 0 });
    for (const seed of [0, 1, 2]) {
      const { projected } = await qzo.step(([s]) => {
        ops.multiply(device, { x: [s!], y: [weights], out: [product] });
        ops.dots(device, { x: [product], y: [s!], out });
        ops.linearCombination(device, { out: [out], terms: [out], coefficients: [0.5] });
        return out;
      }, seed);
      ops.random(device, { x: [z], seed, distribution: 'normal' });
      const slope = (await valuesOf(z)).reduce((sum, value, i) => sum + w[i]! * at[i]! * value, 0);
      expect(Math.abs(projected / slope - 1)).toBeLessThan(1e-9);
    }
  });

  it('is right in the mean, with the noise of so many directions', async () => {
    // A loss that is linear in 128 scales: steps add up to the mean of the estimates.
    const d = 128;
    const draws = 1500;
    const slopes = Tensor.randn(device, [d], { seed: 9, dtype: 'f64' });
    const scales = Tensor.full(device, [d], 1000, { dtype: 'f64' });
    const out = Tensor.zeros(device, [1], { dtype: 'f64' });
    const z = Tensor.zeros(device, [d], { dtype: 'f64' });
    using qzo = new QZO([scales], { lr: 1e-3, eps: 1, clip: null });
    let squares = 0;
    for (let seed = 0; seed < draws; ++seed) {
      const { projected } = await qzo.step(([at]) => {
        ops.dots(device, { x: [at!], y: [slopes], out });
        return out;
      }, seed);
      ops.random(device, { x: [z], seed, distribution: 'normal' });
      ops.dots(device, { x: [z], y: [z], out });
      squares += (projected ** 2 * (await out.read())[0]!) / draws;
    }
    const gradient = await valuesOf(slopes);
    const mean = (await valuesOf(scales)).map((value) => (1000 - value) / (1e-3 * draws));
    const dot = (a: Float64Array, b: Float64Array) => a.reduce((sum, value, i) => sum + value * b[i]!, 0);
    const length = dot(gradient, gradient);
    expect(dot(mean, gradient) / Math.sqrt(length * dot(mean, mean))).toBeGreaterThan(0.94);
    expect(dot(mean, gradient) / length).toBeCloseTo(1, 1);
    expect(squares / length).toBeGreaterThan(115); // d + 2
    expect(squares / length).toBeLessThan(150);
  });

  it('comes within a thousandth of the least loss', async () => {
    const problem = new Regression(device);
    await problem.detune(0.35);
    const { scales } = problem.layer;
    const first = (await problem.loss(scales).read())[0]!;
    const least = await problem.least();
    expect(first).toBeGreaterThan(5 * least);
    using qzo = new QZO([scales], { lr: 4e-5 });
    for (let i = 0; i < 2000; ++i) await qzo.step(([at]) => problem.loss(at!));
    expect(Math.abs((await problem.loss(scales).read())[0]! / least - 1)).toBeLessThan(1e-3);
  });

  it.each([
    [2e-4, 20],
    [3e-4, 20],
  ])('diverges at lr %d without clipping, and not with it', async (lr, clip) => {
    const problem = new Regression(device);
    await problem.detune(0.35);
    const start = await valuesOf(problem.layer.scales);
    const run = async (bound: number | null) => {
      problem.layer.scales.write(Float32Array.from(start));
      using qzo = new QZO([problem.layer.scales], { lr, clip: bound });
      for (let i = 0; i < 500; ++i) {
        const { status, lossPlus } = await qzo.step(([at]) => problem.loss(at!));
        if (status === 'nonfinite' || lossPlus > 1e12) return Infinity;
      }
      return (await problem.loss(problem.layer.scales).read())[0]!;
    };
    expect(await run(null)).toBe(Infinity);
    expect(await run(clip)).toBeLessThan(20);
  });
});
