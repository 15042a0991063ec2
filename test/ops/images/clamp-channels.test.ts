// Devices: cpu, cuda
// Source: closed form "keeps what lies between the bounds, and gives them beyond"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { normal } from '../../support/data.ts';
import { devices, onlyCpu } from '../../support/devices.ts';
import { floatingDtypes } from '../../support/dtypes.ts';
import { expectLikeReference } from '../../support/reference.ts';
import { refuses, refusesWrongFields } from '../../support/refusals.ts';
import { tensorOf, valuesOf } from '../../support/tensors.ts';

describe.each(devices)('clampChannels on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  it.each(floatingDtypes)('agrees with the reference in %s', async (dtype) => {
    for (const [rows, channels] of [[597, 3], [31, 4], [1, 1], [0, 2]] as const) // biome-ignore format: one line
      await expectLikeReference(
        'clampChannels',
        device,
        (on) => ({
          x: tensorOf(on, normal(rows * channels, 1), [rows, channels], dtype),
          low: Array.from({ length: channels }, (_, c) => -0.3 - 0.2 * c),
          high: Array.from({ length: channels }, (_, c) => 0.7 - 0.1 * c),
          out: Tensor.full(on, [rows, channels], NaN, { dtype }),
        }),
        { ulps: 0.5 },
      );
  });

  it('keeps what lies between the bounds, and gives them beyond', async () => {
    const x = tensorOf(device, [-2, 0.5, 3, NaN, 2, -Infinity], [3, 2]);
    ops.clampChannels(device, { x, out: x, low: [-1, 0], high: [1, 2] });
    expect([...(await valuesOf(x))]).toEqual([-1, 0.5, 1, NaN, 1, 0]);
  });
});

const valid = (device: Device) => ({ x: Tensor.zeros(device, [2, 2]), out: Tensor.zeros(device, [2, 2]) });
describe.each(onlyCpu)('clampChannels', () => {
  const bounds = { low: [0, 0], high: [1, 1] };
  it('refuses other numbers of bounds', () => {
    const device = Device.open('cpu');
    for (const [change, message] of [
      [{ low: [0] }, 'clampChannels: low must be one number a channel, got 1'],
      [{ high: [0, 1, 2] }, 'clampChannels: high must be one number a channel, got 3'],
      [{ high: [1, -1] }, 'clampChannels: low must be at most high, got 0'],
      [{ x: Tensor.zeros(device, []), out: Tensor.zeros(device, []) }, 'clampChannels: x must have an axis, got f32[]'],
    ] as const)
      expect(() => ops.clampChannels(device, { ...valid(device), ...bounds, ...change } as never)).toThrow(message);
  });
  const whole = (device: Device) => ({ ...valid(device), x: Tensor.zeros(device, [2, 0]), out: Tensor.zeros(device, [2, 0]) }); // biome-ignore format: one line
  refusesWrongFields('clampChannels', whole);
  refuses('clampChannels', whole, (device) => [
    [{ x: Tensor.zeros(device, [2, 0], { dtype: 'i32' }) }, 'ERR_DTYPE', 'clampChannels: x must be floating, got i32[2, 0]'],
    [{ out: Tensor.zeros(device, [2, 0], { dtype: 'f64' }) }, 'ERR_DTYPE', "clampChannels: out must have x's dtype, got f64[2, 0]"],
    [{ out: Tensor.zeros(device, [3, 0]) }, 'ERR_SHAPE', "clampChannels: out must have x's shape, got f32[3, 0] for x f32[2, 0]"],
  ]); // biome-ignore format: a line each
});
