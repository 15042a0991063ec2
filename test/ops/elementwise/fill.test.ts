// Devices: cpu, cuda
// Source: closed form "%s, of every size in one call"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { expectSame } from '../../support/compare.ts';
import { awkward } from '../../support/data.ts';
import { devices } from '../../support/devices.ts';
import { dtypes, rounded } from '../../support/dtypes.ts';
import { expectLikeReference } from '../../support/reference.ts';
import { thrownBy, valuesOf } from '../../support/tensors.ts';

describe.each(devices)('fill on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  it.each(dtypes)('%s, of every size in one call', async (dtype) => {
    for (const value of [2.5, -3, 1 + 2 ** -9, 1e40, -1e40, NaN]) {
      const list = awkward.map((size) => new Tensor(device, [size], dtype));
      ops.fill(device, { x: list, value });
      for (const tensor of list)
        expectSame(await valuesOf(tensor), new Float64Array(tensor.size).fill(rounded(value, dtype)));
    }
  });

  it.each(dtypes)('agrees with the reference, %s', (dtype) =>
    expectLikeReference(
      'fill',
      device,
      (on) => ({ x: awkward.map((size) => new Tensor(on, [size], dtype)), value: 2.3 }),
      { ulps: 0.5 },
    ),
  );

  it('gives zeros by default, of any rank', async () => {
    const x = Tensor.full(device, [2, 1, 3, 1, 2], 7);
    const scalar = Tensor.full(device, [], 7);
    ops.fill(device, { x: [x, scalar] });
    expect(await x.read()).toEqual(new Float32Array(12));
    expect(await scalar.read()).toEqual(new Float32Array(1));
  });

  it('refuses a tensor twice, and a value that is no number', () => {
    const x = Tensor.zeros(device, [2]);
    expect(thrownBy(() => ops.fill(device, { x: [x, x] }))).toMatchObject({
      code: 'ERR_ARGUMENT',
      message: expect.stringMatching(/^fill: x /),
    });
    expect(thrownBy(() => ops.fill(device, { x: [x], value: '3' as never })).code).toBe('ERR_ARGUMENT');
  });
});
