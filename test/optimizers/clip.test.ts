// Devices: cpu, cuda
// Values: the specification of the method: three steps of SGD with clipped gradients in float64, W₃[0,0], W₃[3,5], ‖W₃ − W₀‖.
import { describe, expect, it } from 'vitest';
import { clipCoordinates, clipGradNorm, Device, SGD, Tensor } from '../../lib/index.ts';
import { devices } from '../support/devices.ts';
import { tensorOf, thrownBy, valuesOf } from '../support/tensors.ts';
import { numbers, tensor } from './classes.ts';

const at = (f: (i: number, j: number) => number): Float64Array =>
  Float64Array.from({ length: 24 }, (_, k) => f(Math.floor(k / 6), k % 6));

describe.each(devices)('clipping on %s', (kind) => {
  it('SGD with a tenth of the coordinates clipped makes the steps of the specification', async () => {
    const device = Device.open(kind);
    const start = at((i, j) => 0.5 * Math.cos(0.9 * i + 0.4 * j + 0.2));
    const w = Tensor.from(device, start, [4, 6]);
    const optimizer = new SGD([w], { lr: 0.1 });
    for (let t = 0; t < 3; ++t) {
      const g = at((i, j) => Math.sin(0.7 * (i + 1) * (t + 1) + 1.3 * (j + 1) + 0.1 * i * j));
      const grads = [Tensor.from(device, g, [4, 6])];
      clipCoordinates(grads).dispose();
      optimizer.step(grads);
    }
    const w3 = await w.read();
    expect(w3[0]).toBeCloseTo(0.3819196684, 9);
    expect(w3[23]).toBeCloseTo(0.1571910412, 9);
    expect(Math.hypot(...w3.map((x, k) => x - start[k]!))).toBeCloseTo(0.490716894, 9);
    await device.close();
  });

  it('pulls the largest down to the next one, of each tensor or of all; without one behind them to 0', async () => {
    const device = Device.open(kind);
    const make = () => [tensorOf(device, [5, -4, 3, -2, 1]), tensorOf(device, [7]), tensorOf(device, [-9, 9, 9, 0.5])];
    const clipped = async (options: object) => {
      const grads = make();
      const limits = clipCoordinates([grads[0]!, null, grads[1]!, grads[2]!], options);
      return [...(await Promise.all(grads.map(async (g) => [...(await valuesOf(g))]))), [...(await limits.read())]];
    };
    expect(await clipped({})).toEqual([[4, -4, 3, -2, 1], [0], [-9, 9, 9, 0.5], [4, 0, 9]]);
    expect(await clipped({ fraction: 0.5, scope: 'global' })).toEqual([[4, -4, 3, -2, 1], [4], [-4, 4, 4, 0.5], [4]]);
    expect(await clipped({ fraction: 1 })).toEqual([[0, -0, 0, -0, 0], [0], [-0, 0, 0, 0], [0, 0, 0]]);
    expect(await clipped({ threshold: 2.5 })).toEqual([[2.5, -2.5, 2.5, -2, 1], [2.5], [-2.5, 2.5, 2.5, 0.5], [2.5]]);
    await device.close();
  });

  it.each([1e-30, 1, 1e30])('clips so many and no more, whatever the scale: %d', async (scale) => {
    const device = Device.open(kind);
    for (const dtype of ['f32', 'f64'] as const)
      for (const shape of [
        [2, 3],
        [1, 1],
        [1, 40],
        [130, 9],
      ]) {
        const g = tensor(device, shape, 3, scale, dtype);
        const before = await numbers(g);
        const [limit] = await clipCoordinates(new Map([[g, g]]), { fraction: 0.25 }).read();
        const k = Math.max(1, Math.floor(before.length / 4));
        const sorted = before.map(Math.abs).sort((a, b) => b - a);
        expect(limit).toBe(sorted[k] ?? 0);
        for (const [i, x] of (await numbers(g)).entries()) {
          expect(Math.abs(x)).toBe(Math.min(Math.abs(before[i]!), limit!));
          expect(Math.sign(x) === Math.sign(before[i]!) || x === 0).toBe(true);
        }
      }
    await device.close();
  });

  it('NaN counts as the largest and stays', async () => {
    const device = Device.open(kind);
    const g = tensorOf(device, [1, Number.NaN, -3, 2]);
    expect([...(await clipCoordinates([g], { fraction: 0.5 }).read())]).toEqual([2]);
    expect([...(await valuesOf(g))]).toEqual([1, Number.NaN, -2, 2]);
    await device.close();
  });

  it.each([1e-30, 1, 1e30])(
    'the norm of all gradients is at most the bound, and directions stay: %d',
    async (scale) => {
      const device = Device.open(kind);
      const shapes = [[130, 9], [7], [], [0, 3], [2, 2]];
      for (const dtype of ['f32', 'f64', 'bf16'] as const) {
        const grads = shapes.map((shape, i) => tensor(device, shape, i, scale, dtype));
        const before = (await Promise.all(grads.map(numbers))).flat();
        const norm = Math.sqrt(before.reduce((sum, x) => sum + (x / scale) ** 2, 0)) * scale;
        const most = 0.5 * norm;
        const [found] = await clipGradNorm([...grads, null], most).read();
        expect(found! / norm).toBeCloseTo(1, 6);
        const after = (await Promise.all(grads.map(numbers))).flat();
        const rounding = dtype === 'bf16' ? 2 ** -8 : 1e-6;
        for (const [i, x] of after.entries())
          expect(Math.abs(x - 0.5 * before[i]!)).toBeLessThanOrEqual(rounding * Math.abs(before[i]!));
        // Smaller ones are left alone, to the bit.
        clipGradNorm(grads, 10 * norm).dispose();
        expect((await Promise.all(grads.map(numbers))).flat()).toEqual(after);
      }
      await device.close();
    },
  );

  it('of zeros stays zero; NaN reaches all', async () => {
    const device = Device.open(kind);
    const zeros = [Tensor.zeros(device, [3])];
    expect([...(await clipGradNorm(zeros, 1).read())]).toEqual([0]);
    expect([...(await valuesOf(zeros[0]!))]).toEqual([0, 0, 0]);
    const bad = [tensorOf(device, [1, 2]), tensorOf(device, [Number.NaN])];
    clipGradNorm(bad, 1).dispose();
    expect([...(await valuesOf(bad[0]!))]).toEqual([Number.NaN, Number.NaN]);
    await device.close();
  });

  it('refuses what it cannot clip', () => {
    const device = Device.open(kind);
    const g = Tensor.zeros(device, [3]);
    const thrown = (grads: unknown, options: object) => thrownBy(() => clipCoordinates(grads as never, options));
    expect(thrown([g], { fraction: 0.1, threshold: 1 }).message).toContain(
      'clipCoordinates: threshold must be left out where there is a fraction, got 1',
    );
    expect(thrown([g], { fraction: 1.1 }).code).toBe('ERR_ARGUMENT');
    expect(thrown([g], { threshold: -1 }).code).toBe('ERR_ARGUMENT');
    expect(thrown([null], {}).message).toContain('clipCoordinates: grads must hold a tensor, got none');
    expect(thrown([g, g], {}).message).toContain('grads must be different tensors, got one twice');
    expect(thrown(5, {}).message).toContain('grads must be a list or a map of tensors, got 5');
    expect(thrown([Tensor.zeros(device, [2], { dtype: 'i32' })], {}).code).toBe('ERR_DTYPE');
    for (const most of [0, -1, Number.NaN, Infinity, '1'])
      expect(thrownBy(() => clipGradNorm([g], most as number)).message).toContain(
        'clipGradNorm: maxNorm must be a positive number',
      );
  });
});
