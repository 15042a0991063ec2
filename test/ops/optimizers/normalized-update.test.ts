// Devices: cpu, cuda
// Source: closed form "rows of one size end with one size, whatever they were"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { normal } from '../../support/data.ts';
import { devices } from '../../support/devices.ts';
import { expectLikeReference } from '../../support/reference.ts';
import { tensorOf, thrownBy, valuesOf } from '../../support/tensors.ts';

const step = (rows: number, columns: number, dtype: 'f32' | 'f64', more: object) => (on: Device) => {
  const u = normal(rows * columns, 2);
  const sums = Array.from({ length: rows }, (_, i) =>
    u.slice(i * columns, (i + 1) * columns).reduce((sum, x) => sum + x * x, 0),
  );
  return {
    weights: [tensorOf(on, normal(rows * columns, 1), [rows, columns], dtype)],
    grads: [tensorOf(on, u, [rows, columns], dtype)],
    squares: [Tensor.from(on, Float64Array.from(sums), [rows])],
    secondMoments: [Tensor.full(on, [rows], 0.5, { dtype })],
    ...(dtype === 'f64' ? { statistics: Tensor.full(on, [1, 3], NaN, { dtype: 'f64' }) } : {}),
    lr: 0.1,
    ...more,
  };
};

describe.each(devices)('normalized_update on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  it.each([
    [1, 31, 'f32', {}],
    [33, 32, 'f64', { variant: 'paper', weightDecay: 0.1 }],
    [597, 43, 'f32', { variant: 'dion', scales: [2], beta2: 0 }],
    [600, 7, 'f32', { variant: 'nanogpt', eps: 0.6 }],
    [0, 5, 'f32', {}],
  ] as const)('%i rows of %i in %s, %j', async (rows, columns, dtype, more) => {
    await expectLikeReference('normalizedUpdate', device, step(rows, columns, dtype, more), {
      weights: { ulps: 8, of: 'largest' },
      secondMoments: { ulps: 2 },
      statistics: { ulps: 64 },
    });
  });

  /** The amount that a step at a rate of 1 takes off weights of zero. */
  async function update(rows: number[][], more: object = {}): Promise<number[][]> {
    const [m, n] = [rows.length, rows[0]!.length];
    const weights = [Tensor.zeros(device, [m, n], { dtype: 'f64' })];
    const sums = rows.map((row) => row.reduce((sum, x) => sum + x * x, 0));
    ops.normalizedUpdate(device, {
      weights,
      grads: [tensorOf(device, rows.flat(), [m, n], 'f64')],
      squares: [Tensor.from(device, Float64Array.from(sums), [m])],
      secondMoments: [Tensor.zeros(device, [m], { dtype: 'f64' })],
      lr: 1,
      eps: 0,
      ...more,
    });
    const flat = [...(await valuesOf(weights[0]!))].map((x) => -x);
    return rows.map((_, i) => flat.slice(i * n, (i + 1) * n));
  }

  it('rows of one size end with one size, whatever they were', async () => {
    const got = await update([[3, 4], [3e-9, 4e-9], [0.6e7, 0.8e7]]); // biome-ignore format: one line
    const each = Math.hypot(5, 5e-9, 1e7) / Math.sqrt(3);
    for (const row of got) {
      expect(row[0]! / (0.6 * each)).toBeCloseTo(1, 12);
      expect(row[1]! / (0.8 * each)).toBeCloseTo(1, 12);
    }
    const paper = (await update([[1, 2], [3, -4]], { variant: 'paper' })).flat(); // biome-ignore format: one line
    expect(Math.hypot(...paper) / Math.sqrt(4)).toBeCloseTo(0.2, 14);
  });

  it('leaves rows of zeros, and a matrix of them, alone', async () => {
    for (const variant of ['repo', 'paper', 'dion', 'nanogpt'] as const) {
      const [none, some] = await update([[0, 0], [1, 1]], { variant }); // biome-ignore format: one line
      expect(none).toEqual([-0, -0]);
      expect(some!.every((x) => x > 0 && Number.isFinite(x))).toBe(true);
      expect((await update([[0, 0], [0, 0]], { variant })).flat().every((x) => x === 0)).toBe(true); // biome-ignore format: one line
    }
  });

  it('is the same for updates of any size, and finite', async () => {
    const rows = [[1, -2], [3, 0.5]]; // biome-ignore format: one line
    const plain = (await update(rows)).flat();
    for (const power of [-400, 400]) {
      const scaled = rows.map((row) => row.map((x) => x * 2 ** power));
      for (const [i, x] of (await update(scaled)).flat().entries())
        expect(x / 2 ** power / plain[i]!).toBeCloseTo(1, 12);
    }
  });

  it('refuses what does not fit', () => {
    const code = (more: object) =>
      thrownBy(() => ops.normalizedUpdate(device, { ...step(2, 3, 'f32', {})(device), ...more } as never)).code;
    const f64 = (...shape: number[]) => [Tensor.zeros(device, shape, { dtype: 'f64' })];
    expect(code({ squares: [] })).toBe('ERR_ARGUMENT');
    expect(code({ squares: f64(3) })).toBe('ERR_SHAPE');
    expect(code({ squares: [Tensor.zeros(device, [2])] })).toBe('ERR_DTYPE');
    expect(code({ secondMoments: [] })).toBe('ERR_ARGUMENT');
    expect(code({ secondMoments: f64(3) })).toBe('ERR_SHAPE');
    expect(code({ secondMoments: [Tensor.zeros(device, [2], { dtype: 'i32' })] })).toBe('ERR_DTYPE');
    expect(code({ weightDecay: 0.1, weightDecayMode: 'l2' })).toBe('ERR_ARGUMENT');
    expect(code({ scales: [1, 2] })).toBe('ERR_ARGUMENT');
    expect(code({ beta2: 1 })).toBe('ERR_ARGUMENT');
    expect(code({ eps: -1 })).toBe('ERR_ARGUMENT');
  });
});
