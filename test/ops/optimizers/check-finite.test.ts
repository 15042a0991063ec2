// Devices: cpu, cuda
// Source: closed form "counts tensors, and a step that was skipped once"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { checkFinite } from '../../reference/check-finite.ts';
import { awkward, normal } from '../../support/data.ts';
import { devices } from '../../support/devices.ts';
import { floatingDtypes } from '../../support/dtypes.ts';
import { tensorOf, thrownBy, valuesOf } from '../../support/tensors.ts';

describe.each(devices)('check_finite on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  const number = () => Tensor.full(device, [1], 7, { dtype: 'f64' });

  it.each(floatingDtypes)('%s: finds one bad element wherever it is', async (dtype) => {
    const guard = number();
    const skipped = Tensor.zeros(device, [1], { dtype: 'f64' });
    let found = 0;
    for (const size of awkward)
      for (const at of new Set([0, Math.floor(size / 2), size - 1]))
        for (const bad of [NaN, Infinity, -Infinity, 1]) {
          const values = normal(size, size);
          if (at >= 0 && size > 0) values[at] = bad;
          const x = [tensorOf(device, values, [size], dtype), tensorOf(device, [1], [1], dtype)];
          ops.checkFinite(device, { x, guard, skipped });
          const expected = checkFinite([values, [1]]);
          found += expected;
          expect(await guard.read()).toEqual(Float64Array.from([expected]));
        }
    expect(await skipped.read()).toEqual(Float64Array.from([found]));
  });

  it('counts tensors, and a step that was skipped once', async () => {
    const x = [[NaN, Infinity], [1, 2], [], [-Infinity]].map((values) => tensorOf(device, values));
    const [guard, skipped] = [number(), number()];
    ops.checkFinite(device, { x, guard, skipped });
    expect(await guard.read()).toEqual(Float64Array.from([2]));
    expect(await skipped.read()).toEqual(Float64Array.from([8]));
    ops.checkFinite(device, { x: [x[1]!], guard, skipped });
    expect(await guard.read()).toEqual(Float64Array.from([0]));
    expect(await skipped.read()).toEqual(Float64Array.from([8]));
  });

  it('takes the largest and the smallest numbers as finite', async () => {
    const x = [
      tensorOf(device, [3.4028234663852886e38, -1e-45, 1e-45]),
      tensorOf(device, [1.7e308, 5e-324], [2], 'f64'),
    ];
    const guard = number();
    ops.checkFinite(device, { x, guard });
    expect(await guard.read()).toEqual(new Float64Array(1));
  });

  it('throw: rejects what is queued behind, and leaves the guard', async () => {
    const guard = number();
    const x = [tensorOf(device, [1]), tensorOf(device, [NaN])];
    ops.checkFinite(device, { x, guard, action: 'throw' });
    await expect(guard.read()).rejects.toMatchObject({
      code: 'ERR_ARGUMENT',
      message: 'checkFinite: grads are not finite in 1 of 2 tensors',
    });
    expect(await valuesOf(guard)).toEqual(Float64Array.from([7]));
  });

  it('refuses what does not fit', () => {
    const x = [Tensor.zeros(device, [2])];
    const guard = number();
    const code = (fields: Partial<Parameters<typeof ops.checkFinite>[1]>) =>
      thrownBy(() => ops.checkFinite(device, { x, guard, ...fields })).code;
    expect(code({ guard: Tensor.zeros(device, [1]) })).toBe('ERR_DTYPE');
    expect(code({ skipped: Tensor.zeros(device, [2], { dtype: 'f64' }) })).toBe('ERR_SHAPE');
    expect(code({ skipped: guard })).toBe('ERR_ARGUMENT');
    expect(code({ x: [Tensor.zeros(device, [2], { dtype: 'u8' })] })).toBe('ERR_DTYPE');
    expect(code({ action: 'stop' as never })).toBe('ERR_ARGUMENT');
  });
});
