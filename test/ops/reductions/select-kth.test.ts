// Devices: cpu, cuda
// Source: property "as many sizes are above the result as the rank allows"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { awkward, normal } from '../../support/data.ts';
import { devices, onlyCpu } from '../../support/devices.ts';
import { floatingDtypes } from '../../support/dtypes.ts';
import { expectLikeReference } from '../../support/reference.ts';
import { tensorOf, thrownBy, valuesOf } from '../../support/tensors.ts';

describe.each(devices)('select_kth on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  const select = async (
    on: Device,
    x: readonly Tensor[],
    ranks: readonly number[],
    scope: 'tensor' | 'list' = 'tensor',
  ) => {
    const out = Tensor.full(on, [ranks.length], -1, { dtype: 'f64' });
    ops.selectKth(on, { x, out, ranks, scope });
    return [...(await out.read())];
  };

  it.each(floatingDtypes)('%s, of each tensor and of all', async (dtype) => {
    const x = (on: Device) => awkward.map((size) => tensorOf(on, normal(size, size), [size], dtype));
    const ranks = awkward.map((size, i) => Math.max(1, i % 3 === 0 ? size : Math.floor(size / (i + 1))));
    const all = awkward.reduce<number>((sum, size) => sum + size, 0);
    const out = (on: Device, size: number) => new Tensor(on, [size], 'f64');
    await expectLikeReference('selectKth', device, (on) => ({ x: x(on), ranks, out: out(on, ranks.length) }), {
      ulps: 0,
    });
    for (const rank of [1, Math.floor(all / 10), all, all + 1])
      await expectLikeReference(
        'selectKth',
        device,
        (on) => ({ x: x(on), ranks: [rank], scope: 'list', out: out(on, 1) }),
        { ulps: 0 },
      );
  });

  it('as many sizes are above the result as the rank allows', async () => {
    // Neighbours of one exponent, ties, and sizes that are told apart by their last bits, more than are copied.
    const values = normal(70_000, 3).map((v, i) => (i % 3 === 0 ? 1 + i * 2 ** -23 : i % 7 === 0 ? 0.5 : v));
    const dtypes = ['f32', 'f64'] as const;
    for (const dtype of dtypes) {
      const x = tensorOf(device, values, [values.length], dtype);
      const stored = (await valuesOf(x)).map(Math.abs);
      for (const rank of [1, 7000, 35_000, 69_999, 70_000]) {
        const [kth] = await select(device, [x], [rank]);
        expect(stored.reduce((n, v) => n + (v > kth! ? 1 : 0), 0)).toBeLessThan(rank);
        expect(stored.reduce((n, v) => n + (v >= kth! ? 1 : 0), 0)).toBeGreaterThanOrEqual(rank);
      }
    }
  });

  it.each(['f32', 'f64'] as const)('zeros, subnormals, infinities and NaN of %s have their places', async (dtype) => {
    const tiny = dtype === 'f32' ? 2 ** -149 : 5e-324;
    const values = [-0, tiny, 0, -Infinity, Number.NaN, -2 * tiny, 3, -3, 3];
    for (const repeat of [1, 8000]) {
      const x = tensorOf(
        device,
        Array.from({ length: 9 * repeat }, (_, i) => values[i % 9]!),
        [9 * repeat],
        dtype,
      );
      const all = await Promise.all(
        Array.from({ length: 10 }, (_, i) => select(device, [x], [i * repeat + 1]).then(([kth]) => kth)),
      );
      expect(all).toEqual([Number.NaN, Infinity, 3, 3, 3, 2 * tiny, tiny, 0, 0, 0]);
    }
  });

  it('of tensors without elements and with one; of equal ones', async () => {
    const x = [Tensor.zeros(device, [0]), tensorOf(device, [-5]), Tensor.full(device, [70_001], -2)];
    expect(await select(device, x, [1, 1, 70_001])).toEqual([0, 5, 2]);
    expect(await select(device, x, [1], 'list')).toEqual([5]);
    expect(await select(device, x, [2], 'list')).toEqual([2]);
    expect(await select(device, x, [70_003], 'list')).toEqual([0]);
    ops.selectKth(device, { x: [], ranks: [], out: Tensor.zeros(device, [0], { dtype: 'f64' }) });
    await device.synchronize();
  });

  it.each(onlyCpu)('the same bits for any number of threads', async () => {
    const results = [1, 2, 3].map(async (threads) => {
      const own = Device.open('cpu', { threads });
      const x = [tensorOf(own, normal(200_000, 1)), tensorOf(own, normal(3000, 2))];
      const found = [await select(own, x, [20_001, 301]), await select(own, x, [9999], 'list')];
      await own.close();
      return found;
    });
    const [one, ...others] = await Promise.all(results);
    for (const other of others) expect(other).toEqual(one);
  });

  it('refuses what does not fit', () => {
    const x = [Tensor.zeros(device, [4])];
    const out = Tensor.zeros(device, [1], { dtype: 'f64' });
    const thrown = (fields: object) =>
      thrownBy(() => ops.selectKth(device, { x, out, ranks: [1], ...fields } as never));
    expect(thrown({ ranks: [0] }).message).toBe('selectKth: ranks must be whole numbers from 1 on, got 0');
    expect(thrown({ ranks: [1.5] }).code).toBe('ERR_ARGUMENT');
    expect(thrown({ ranks: [Number.NaN] }).code).toBe('ERR_ARGUMENT');
    expect(thrown({ ranks: [1, 2] }).message).toContain('ranks must be as many as out has elements, got 2');
    expect(thrown({ out: Tensor.zeros(device, [2], { dtype: 'f64' }) }).code).toBe('ERR_SHAPE');
    expect(thrown({ out: Tensor.zeros(device, [1]) }).code).toBe('ERR_DTYPE');
    expect(thrown({ x: [Tensor.zeros(device, [4], { dtype: 'i32' })] }).code).toBe('ERR_DTYPE');
    expect(thrown({ scope: 'group' }).code).toBe('ERR_ARGUMENT');
  });
});
