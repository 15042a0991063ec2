// Devices: cpu, cuda
// Source: closed form "multiplies rows, columns and what lies between"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { normal, sizeOf } from '../../support/data.ts';
import { devices, onlyCpu } from '../../support/devices.ts';
import { expectLikeReference } from '../../support/reference.ts';
import { refuses, refusesWrongFields } from '../../support/refusals.ts';
import { expectSameBits } from '../../support/same-bits.ts';
import { tensorOf, valuesOf } from '../../support/tensors.ts';

describe.each(devices)('scaleAxis on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  const shapes = [[1], [33], [0, 3], [597, 43], [3, 4100], [7, 5, 31], [2, 3, 4, 5], [31, 1]];
  describe.each(['f32', 'f64', 'f16', 'bf16'] as const)('in %s', (dtype) => {
    it.each(shapes.map((shape) => [shape.join(' × '), shape] as const))(
      'agrees with the reference, %s',
      async (_, shape) => {
        for (let axis = -1; axis < shape.length; ++axis)
          for (const beta of [0, 1]) {
            const fields = (on: Device) => ({
              x: tensorOf(on, normal(sizeOf(shape), 1), shape, dtype),
              scale: tensorOf(on, normal(shape.at(axis)!, 2), [shape.at(axis)!], dtype),
              out:
                beta === 0
                  ? Tensor.full(on, shape, NaN, { dtype })
                  : tensorOf(on, normal(sizeOf(shape), 3), shape, dtype),
              axis,
              beta,
            });
            await expectLikeReference('scaleAxis', device, fields, { ulps: 1, of: 'largest' });
            if (beta === 0)
              await expectLikeReference(
                'scaleAxis',
                device,
                (on) => {
                  const own = fields(on);
                  return { ...own, out: own.x };
                },
                { ulps: 1 },
              );
          }
      },
    );
  });

  it('multiplies rows, columns and what lies between', async () => {
    const x = Tensor.full(device, [2, 3, 2], 1);
    const scaled = async (scale: number[], axis?: number) => {
      const out = Tensor.full(device, [2, 3, 2], NaN);
      ops.scaleAxis(device, { x, scale: tensorOf(device, scale), out, axis });
      return [...(await valuesOf(out))];
    };
    expect(await scaled([2, 3])).toEqual([2, 3, 2, 3, 2, 3, 2, 3, 2, 3, 2, 3]);
    expect(await scaled([2, 3], 0)).toEqual([2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3]);
    expect(await scaled([2, 3, 4], 1)).toEqual([2, 2, 3, 3, 4, 4, 2, 2, 3, 3, 4, 4]);
    expect(await scaled([2, 3, 4], -2)).toEqual([2, 2, 3, 3, 4, 4, 2, 2, 3, 3, 4, 4]);
  });
});

const valid = (device: Device) => ({
  x: Tensor.zeros(device, [2, 3]),
  scale: Tensor.zeros(device, [3]),
  out: Tensor.zeros(device, [2, 3]),
});
describe.each(onlyCpu)('scaleAxis', () => {
  refusesWrongFields('scaleAxis', valid);
  refuses('scaleAxis', valid, (device) => {
    const f64 = Tensor.zeros(device, [2, 3], { dtype: 'f64' });
    const op = 'scaleAxis';
    return [
      [{ x: f64.cast('i32') }, 'ERR_DTYPE', `${op}: x must be floating, got i32[2, 3]`],
      [{ x: f64 }, 'ERR_DTYPE', `${op}: scale must have x's dtype, got f32[3]`],
      [{ out: f64 }, 'ERR_DTYPE', `${op}: out must have x's dtype, got f64[2, 3]`],
      [{ axis: 2 }, 'ERR_ARGUMENT', `${op}: axis must be one of x's, got 2`],
      [{ axis: -3 }, 'ERR_ARGUMENT', `${op}: axis must be one of x's, got -3`],
      [{ axis: 0 }, 'ERR_SHAPE', `${op}: scale must have one element a place of the axis, got f32[3] for x f32[2, 3]`],
      [
        { out: Tensor.zeros(device, [3, 2]) },
        'ERR_SHAPE',
        `${op}: out must have x's shape, got f32[3, 2] for x f32[2, 3]`,
      ],
      [{ beta: 2 }, 'ERR_ARGUMENT', `${op}: beta must be 0 or 1, got 2`],
    ];
  });

  it('gives the same bits on any number of threads', () =>
    expectSameBits((device) => {
      const x = tensorOf(device, normal(1000 * 43, 1), [1000, 43]);
      ops.scaleAxis(device, { x, scale: tensorOf(device, normal(1000, 2)), out: x, axis: 0 });
      return [x];
    }));
});
