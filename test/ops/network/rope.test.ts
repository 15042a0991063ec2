// Devices: cpu, cuda
// Source: golden network.json
// Source: property "keeps lengths, and products of rows by the distance of their places"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { expectClose } from '../../support/compare.ts';
import { normal } from '../../support/data.ts';
import { devices, onlyCpu } from '../../support/devices.ts';
import { networkGolden, ropeInput } from '../../support/network-golden.ts';
import { expectLikeReference } from '../../support/reference.ts';
import { refuses, refusesWrongFields } from '../../support/refusals.ts';
import { expectSameBits, sameBits } from '../../support/same-bits.ts';
import { tensorOf, valuesOf } from '../../support/tensors.ts';

const layouts = ['halves', 'interleaved'] as const;

describe.each(devices)('rope on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  describe.each(['f32', 'f64', 'f16', 'bf16'] as const)('in %s', (dtype) => {
    it.each(layouts)('agrees with the reference, %s', async (layout) => {
      for (const [sequences, places, heads, width] of [
        [1, 1, 1, 2],
        [3, 33, 2, 6],
        [2, 7, 3, 16],
        [0, 5, 2, 4],
        [2, 0, 1, 2],
      ] as const)
        for (const turn of ['forward', 'backward'] as const)
          for (const isShifted of [false, true]) {
            const shape = [sequences, places, heads * width];
            const fields = (isInPlace: boolean) => (on: Device) => {
              const x = tensorOf(on, normal(sequences * places * heads * width, 1), shape, dtype);
              const offsets = tensorOf(
                on,
                Array.from({ length: sequences }, (_, i) => 3 * i),
                [sequences],
                'i32',
              );
              return {
                x,
                ...(isShifted ? { offsets, offset: 2 } : {}),
                out: isInPlace ? x : Tensor.full(on, shape, NaN, { dtype }),
                heads,
                turned: heads > 2 ? 2 : 0,
                layout,
                turn,
              };
            };
            const bound = { ulps: dtype === 'f64' ? 64 : 3, of: 'largest' } as const;
            await expectLikeReference('rope', device, fields(false), bound);
            await expectLikeReference('rope', device, fields(true), bound);
          }
    });
  });

  it.each(networkGolden.ropes.map((one) => [one.layout, one.out] as const))(
    'turns as PyTorch does, %s',
    async (layout, expected) => {
      const x = tensorOf(device, ropeInput, [5, 12], 'f64');
      ops.rope(device, { x, out: x, heads: 2, base: 100, offset: 3, layout });
      expectClose(await valuesOf(x), expected, { dtype: 'f64', ulps: 32, magnitude: 1 });
    },
  );

  it('keeps lengths, and products of rows by the distance of their places', async () => {
    const [a, b] = [normal(8, 1), normal(8, 2)];
    const product = async (first: number, second: number) => {
      const turned = async (row: Float64Array, offset: number) => {
        const out = Tensor.zeros(device, [1, 8], { dtype: 'f64' });
        ops.rope(device, { x: tensorOf(device, row, [1, 8], 'f64'), out, offset });
        return valuesOf(out);
      };
      const [p, q] = [await turned(a, first), await turned(b, second)];
      return p.reduce((sum, x, i) => sum + x * q[i]!, 0);
    };
    expect(Math.abs((await product(3, 10)) - (await product(1000, 1007)))).toBeLessThan(1e-11);
    const far = tensorOf(device, a, [1, 8], 'f64');
    ops.rope(device, { x: far, out: far, offset: 12345 });
    const length = (x: Float64Array) => Math.hypot(...x);
    expect(length(await valuesOf(far))).toBeCloseTo(length(a), 12);
  });

  it('leaves heads that do not turn, whatever they hold', async () => {
    const x = tensorOf(device, [1, 2, NaN, Infinity, -0, 5], [1, 6]);
    const before = await x.read();
    ops.rope(device, { x, out: x, heads: 3, turned: 1, offset: 1 });
    const after = await x.read();
    expect(sameBits(after.subarray(2), before.subarray(2))).toBe(true);
    expect(after[0]).not.toBe(1);
  });
});

const valid = (device: Device) => ({
  x: Tensor.zeros(device, [2, 3, 8]),
  offsets: Tensor.zeros(device, [2], { dtype: 'i32' }),
  out: Tensor.zeros(device, [2, 3, 8]),
});
describe.each(onlyCpu)('rope', () => {
  refusesWrongFields('rope', valid, ['offsets']);
  refuses('rope', valid, (device) => {
    const f64 = Tensor.zeros(device, [2, 3, 8], { dtype: 'f64' });
    return [
      [{ x: f64.cast('i32') }, 'ERR_DTYPE', 'rope: x must be floating, got i32[2, 3, 8]'],
      [{ out: f64 }, 'ERR_DTYPE', "rope: out must have x's dtype, got f64[2, 3, 8]"],
      [{ x: Tensor.zeros(device, [8]) }, 'ERR_SHAPE', 'rope: x must have two axes, got f32[8]'],
      [
        { out: Tensor.zeros(device, [2, 3, 4]) },
        'ERR_SHAPE',
        "rope: out must have x's shape, got f32[2, 3, 4] for x f32[2, 3, 8]",
      ],
      [{ heads: 0 }, 'ERR_ARGUMENT', 'rope: heads must be positive, got 0'],
      [{ heads: 3 }, 'ERR_SHAPE', 'rope: x must have an even number of elements a head, got f32[2, 3, 8]'],
      [{ turned: 2 }, 'ERR_ARGUMENT', 'rope: turned must be at most the number of heads, got 2'],
      [{ turned: -1 }, 'ERR_ARGUMENT', 'rope: turned must be at most the number of heads, got -1'],
      [{ base: 0 }, 'ERR_ARGUMENT', 'rope: base must be positive, got 0'],
      [{ offsets: Tensor.zeros(device, [2]) }, 'ERR_DTYPE', 'rope: offsets must be i32, got f32[2]'],
      [
        { offsets: Tensor.zeros(device, [3], { dtype: 'i32' }) },
        'ERR_SHAPE',
        'rope: offsets must have one element a sequence of x, got i32[3] for x f32[2, 3, 8]',
      ],
      [{ layout: 'pairs' }, 'ERR_ARGUMENT', "rope: layout must be one of 'halves', 'interleaved', got 'pairs'"],
    ];
  });

  it('gives the same bits on any number of threads', () =>
    expectSameBits((device) => {
      const x = tensorOf(device, normal(40 * 33 * 48, 1), [40, 33, 48]);
      ops.rope(device, { x, out: x, heads: 3 });
      return [x];
    }));
});
