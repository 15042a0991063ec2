// Devices: cpu, cuda
// Source: closed form "cuts sizes at the limit, keeps signs, zeros and NaN"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { awkward, normal } from '../../support/data.ts';
import { devices } from '../../support/devices.ts';
import { floatingDtypes } from '../../support/dtypes.ts';
import { expectLikeReference } from '../../support/reference.ts';
import { tensorOf, thrownBy, valuesOf } from '../../support/tensors.ts';

describe.each(devices)('clip_each on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  it.each(floatingDtypes)('%s, a limit a tensor and one for all', async (dtype) => {
    for (const limits of [awkward.map((_, i) => 0.25 * (i + 1)), [0.5]])
      await expectLikeReference(
        'clipEach',
        device,
        (on) => ({
          x: awkward.map((size) => tensorOf(on, normal(size, size), [size], dtype)),
          limits: tensorOf(on, limits, [limits.length], 'f64'),
          out: awkward.map((size) => new Tensor(on, [size], dtype)),
        }),
        { ulps: 0.5 },
      );
  });

  it('cuts sizes at the limit, keeps signs, zeros and NaN', async () => {
    const x = tensorOf(device, [3, -3, 1, -0, 0, Number.NaN, Infinity, -Infinity, 1e-45, -2]);
    ops.clipEach(device, { out: [x], x: [x], limits: tensorOf(device, [2], [1], 'f64') });
    expect([...(await x.read())]).toEqual([2, -2, 1, -0, 0, Number.NaN, 2, -2, Math.fround(1e-45), -2]);
    ops.clipEach(device, { out: [x], x: [x], limits: tensorOf(device, [Number.NaN], [1], 'f64') });
    expect((await valuesOf(x)).slice(0, 3)).toEqual(Float64Array.of(2, -2, 1));
    ops.clipEach(device, { out: [x], x: [x], limits: tensorOf(device, [0], [1], 'f64') });
    expect([...(await x.read())]).toEqual([0, -0, 0, -0, 0, Number.NaN, 0, -0, 0, -0]);
  });

  it('refuses what does not fit', () => {
    const x = Tensor.zeros(device, [4]);
    const limits = Tensor.zeros(device, [1], { dtype: 'f64' });
    const thrown = (fields: Parameters<typeof ops.clipEach>[1]) => thrownBy(() => ops.clipEach(device, fields));
    expect(thrown({ out: [x], x: [], limits }).code).toBe('ERR_ARGUMENT');
    expect(thrown({ out: [Tensor.zeros(device, [2, 2])], x: [x], limits }).code).toBe('ERR_SHAPE');
    expect(thrown({ out: [Tensor.zeros(device, [4], { dtype: 'f64' })], x: [x], limits }).code).toBe('ERR_DTYPE');
    expect(thrown({ out: [x], x: [x], limits: Tensor.zeros(device, [2], { dtype: 'f64' }) })).toMatchObject({
      code: 'ERR_SHAPE',
      message: 'clipEach: limits must have one element a tensor, or one, got f64[2]',
    });
    expect(thrown({ out: [x], x: [x], limits: Tensor.zeros(device, [1]) }).code).toBe('ERR_DTYPE');
    const whole = Tensor.zeros(device, [4], { dtype: 'i32' });
    expect(thrown({ out: [whole], x: [whole], limits }).code).toBe('ERR_DTYPE');
  });
});
