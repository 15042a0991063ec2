// Devices: cpu, cuda
// Source: property "slopes of the duals as the definition has them"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, type Dtype, ops, Tensor } from '../../../lib/index.ts';
import { normal } from '../../support/data.ts';
import { devices } from '../../support/devices.ts';
import { expectLikeReference } from '../../support/reference.ts';
import { tensorOf, thrownBy, valuesOf } from '../../support/tensors.ts';

describe.each(devices)('odiceSlopes on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  const fields = (on: Device, size: number, dtype: Dtype, scale = 1) => {
    const values = (seed: number) => tensorOf(on, normal(size, seed).map((x) => scale * x), [size], dtype); // biome-ignore format: one line
    const zeros = (type: Dtype = dtype, n = size) => Tensor.zeros(on, [n], { dtype: type });
    return {
      ...{ now: values(1), next: values(2), targetNow: values(3), targetNext: values(4), rewards: values(5) },
      done: tensorOf(
        on,
        Float64Array.from({ length: size }, (_, i) => Number(i % 3 === 0)),
        [size],
        dtype,
      ),
      ...{ forward: zeros(), backward: zeros(), weights: zeros(), fault: zeros(), sums: zeros('f64', 4) },
    };
  };

  it.each<[number, Dtype, 'pearson' | 'reverse_kl', 'odice' | 'theory', boolean]>([
    [0, 'f32', 'pearson', 'odice', true],
    [0, 'f64', 'reverse_kl', 'theory', false],
    [1, 'f32', 'pearson', 'odice', true],
    [31, 'f64', 'reverse_kl', 'odice', true],
    [597, 'f32', 'reverse_kl', 'theory', true],
    [4097, 'f64', 'pearson', 'theory', true],
    [40_001, 'f32', 'pearson', 'odice', false],
  ])('%d transitions in %s, %s, weights of %s, backward %s', async (size, dtype, dual, weight, isWhole) => {
    await expectLikeReference(
      'odiceSlopes',
      device,
      (on) => {
        const { backward, ...rest } = fields(on, size, dtype);
        return { ...rest, ...(isWhole ? { backward } : {}), dual, weight, lambda: 0.5, eta: 2, discount: 0.9 };
      },
      {
        // Terms of a residual cancel, and a sum in f64 is of elements that are rounded to f32.
        ...{
          forward: { ulps: 16, of: 'largest' },
          backward: { ulps: 16, of: 'largest' },
          weights: { ulps: 16, of: 'largest' },
        },
        ...{ fault: { ulps: 0 }, sums: { ulps: dtype === 'f64' ? 64 : 2 ** 30, of: 'largest' } },
      },
    );
  });

  it('slopes of the duals as the definition has them', async () => {
    const at = (...values: number[]) => tensorOf(device, values, [values.length], 'f64');
    const { forward, backward, weights, fault, sums } = fields(device, 3, 'f64');
    const given = {
      ...{ now: at(0, -200, 90), next: at(8, 1, 1), targetNow: at(0, 1, -90), targetNext: at(4, 1, 1) },
      ...{ rewards: at(1, 2, 0), done: at(0, 1, 1) },
    };
    const told = async (dual: 'pearson' | 'reverse_kl', weight: 'odice' | 'theory') => {
      ops.odiceSlopes(device, { ...given, forward, backward, weights, fault, sums, lambda: 0.5, eta: 3, discount: 0.5, dual, weight }); // biome-ignore format: one line
      return Promise.all([forward, backward, weights, fault, sums].map(async (one) => [...(await valuesOf(one))]));
    };
    // y = 3, 202, -90; z = 5, 1, 90.
    const [s, t] = [-0.5 / 3, 1.5 / 3];
    const [f, b, w, none, of] = await told('pearson', 'odice');
    expect(f).toEqual([s * 2.5, s * 102, s * 0].map((x) => expect.closeTo(x, 12)));
    expect(b).toEqual([expect.closeTo(t * 0.5 * 3.5, 12), 0, 0]);
    expect(w).toEqual([3, 100, 0]);
    expect(none!.map(Math.abs)).toEqual([0, 0, 0]);
    expect(of).toEqual([115 / 3, 32, 103, 0].map((x) => expect.closeTo(x, 12)));
    expect((await told('pearson', 'theory'))[2]).toEqual([2.5, 100, 0]);
    const [exponential, , weighed, , sum] = await told('reverse_kl', 'odice');
    expect(exponential![0]! / (s * Math.exp(2))).toBeCloseTo(1, 12);
    expect(exponential![1]! / (s * Math.exp(80))).toBeCloseTo(1, 12);
    expect(weighed).toEqual([Math.exp(2), 100, Math.exp(-91)].map((x) => expect.closeTo(x, 12)));
    // Of 201 and 89 the exponents are held.
    expect(sum![3]).toBe(2);
  });

  it.each([0.5, 2, -1, 1e-30, Number.NaN, Infinity])('a done of %d is told', async (bad) => {
    const all = fields(device, 3, 'f32');
    all.done.write(Float32Array.of(1, bad, 0));
    ops.odiceSlopes(device, all);
    expect([...(await valuesOf(all.fault))].map(Math.abs)).toEqual([0, Number.NaN, 0]);
  });

  it('means are no numbers where a residual is none', async () => {
    for (const bad of [Infinity, Number.NaN]) {
      const all = fields(device, 3, 'f32');
      all.now.write(Float32Array.of(1, bad, 0));
      ops.odiceSlopes(device, all);
      const [y, z] = await valuesOf(all.sums);
      expect([Number.isFinite(y), Number.isFinite(z)]).toEqual([false, true]);
    }
  });

  it('held exponents are counted beside a residual that is no number', async () => {
    const at = (...values: number[]) => tensorOf(device, values, [values.length], 'f64');
    const all = fields(device, 3, 'f64');
    const given = { ...all, now: at(-90, Number.NaN, 0), next: at(0, 90, Number.NaN), targetNow: at(0, 0, -90) };
    ops.odiceSlopes(device, { ...given, rewards: at(0, 0, 0), done: at(1, 1, 1), targetNext: at(0, 0, 0), dual: 'reverse_kl' }); // biome-ignore format: one line
    expect((await valuesOf(all.sums))[3]).toBe(1);
    ops.odiceSlopes(device, { ...given, rewards: at(0, 0, 0), done: at(1, 0, 1), targetNext: at(0, 0, 0), dual: 'reverse_kl' }); // biome-ignore format: one line
    expect((await valuesOf(all.sums))[3]).toBe(2);
  });

  it('refuses what does not fit', () => {
    const good = fields(device, 2, 'f32');
    const code = (other: object) => thrownBy(() => ops.odiceSlopes(device, { ...good, ...other })).code;
    const zeros = (size: number, dtype: Dtype = 'f32') => Tensor.zeros(device, [size], { dtype });
    expect(code({ next: zeros(3) })).toBe('ERR_SHAPE');
    expect(code({ backward: zeros(2, 'f64') })).toBe('ERR_DTYPE');
    expect(code({ sums: zeros(3, 'f64') })).toBe('ERR_SHAPE');
    expect(code({ now: Tensor.zeros(device, [2, 1]) })).toBe('ERR_SHAPE');
    for (const [name, value] of [['lambda', 1.5], ['eta', -1], ['eta', Infinity], ['discount', 0]] as const) // biome-ignore format: one line
      expect(code({ [name]: value }), name).toBe('ERR_ARGUMENT');
  });
});
