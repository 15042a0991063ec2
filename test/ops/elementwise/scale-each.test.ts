// Devices: cpu, cuda
// Source: closed form "may write to its input"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { awkward, normal } from '../../support/data.ts';
import { devices } from '../../support/devices.ts';
import { floatingDtypes } from '../../support/dtypes.ts';
import { expectLikeReference } from '../../support/reference.ts';
import { tensorOf, thrownBy, valuesOf } from '../../support/tensors.ts';

describe.each(devices)('scale_each on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  const pairs = floatingDtypes.flatMap((from) => floatingDtypes.map((to) => [from, to] as const));
  it.each(pairs)('%s to %s', (from, to) =>
    expectLikeReference(
      'scaleEach',
      device,
      (on) => ({
        x: awkward.map((size) => tensorOf(on, normal(size, size), [size], from)),
        factors: tensorOf(
          on,
          awkward.map((_, i) => (i % 2 ? -1 : 1) * 0.37 * 2 ** (i - 2)),
          [awkward.length],
          'f64',
        ),
        out: awkward.map((size) => new Tensor(on, [size], to)),
      }),
      // In f32 the factor is rounded, too.
      { ulps: 2 },
    ),
  );

  it('may write to its input', async () => {
    const x = tensorOf(device, [1, 2, 3]);
    ops.scaleEach(device, { out: [x], x: [x], factors: tensorOf(device, [-2], [1], 'f64') });
    expect(await valuesOf(x)).toEqual(Float64Array.of(-2, -4, -6));
  });

  it('a factor beyond f32 leaves a zero zero', async () => {
    const x = tensorOf(device, [0, 1]);
    ops.scaleEach(device, { out: [x], x: [x], factors: tensorOf(device, [1e300], [1], 'f64') });
    expect((await valuesOf(x))[0]).toBe(0);
  });

  it('refuses what does not fit', () => {
    const x = Tensor.zeros(device, [4]);
    const factors = Tensor.zeros(device, [1], { dtype: 'f64' });
    const thrown = (fields: Parameters<typeof ops.scaleEach>[1]) => thrownBy(() => ops.scaleEach(device, fields));
    expect(thrown({ out: [x], x: [], factors }).code).toBe('ERR_ARGUMENT');
    expect(thrown({ out: [Tensor.zeros(device, [2, 2])], x: [x], factors })).toMatchObject({
      code: 'ERR_SHAPE',
      message: "scaleEach: x must have out's shape, got f32[4] for out f32[2, 2]",
    });
    expect(thrown({ out: [x], x: [x], factors: Tensor.zeros(device, [2], { dtype: 'f64' }) }).code).toBe('ERR_SHAPE');
    expect(thrown({ out: [x], x: [x], factors: Tensor.zeros(device, [1]) }).code).toBe('ERR_DTYPE');
    const whole = Tensor.zeros(device, [4], { dtype: 'i32' });
    expect(thrown({ out: [whole], x: [x], factors }).code).toBe('ERR_DTYPE');
    expect(thrown({ out: [x], x: [whole], factors }).code).toBe('ERR_DTYPE');
  });
});
