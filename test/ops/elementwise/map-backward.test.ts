// Devices: cpu, cuda
// Source: golden network.json
// Source: closed form "passes or leaves out gradients where the slope is 0 or 1, whatever they hold"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { expectClose } from '../../support/compare.ts';
import { awkward, normal } from '../../support/data.ts';
import { devices, onlyCpu } from '../../support/devices.ts';
import { networkGolden, slopeInput } from '../../support/network-golden.ts';
import { expectLikeReference } from '../../support/reference.ts';
import { refuses, refusesWrongFields } from '../../support/refusals.ts';
import { expectSameBits } from '../../support/same-bits.ts';
import { tensorOf, valuesOf } from '../../support/tensors.ts';

type Word = NonNullable<Parameters<typeof ops.mapBackward>[1]['function']>;
const parameters: Partial<Record<Word, number[]>> = { soft_threshold: [0.75], clamp: [-0.5, 1.25], power: [1.7] };
const positive: readonly Word[] = ['sqrt', 'log', 'power'];
const words: readonly Word[] = [
  ...(['abs', 'sign', 'sqrt', 'exp', 'log', 'tanh', 'sigmoid', 'softplus', 'softplus_derivative'] as const),
  ...(['softplus_second_derivative', 'relu', 'gelu', 'soft_threshold', 'clamp', 'power', 'silu'] as const),
];

describe.each(devices)('mapBackward on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  describe.each(words)('%s', (word) => {
    it.each(['f32', 'f64', 'f16', 'bf16'] as const)(
      'agrees with the reference on a list, in place too, %s',
      async (dtype) => {
        const sizes = dtype === 'f32' || dtype === 'f64' ? awkward : [0, 1, 33, 1025];
        const fields = (beta: number, isInPlace: boolean) => (on: Device) => {
          const grad = sizes.map((n) => tensorOf(on, normal(n, n + 1), [n], dtype));
          const x = sizes.map((n) =>
            tensorOf(
              on,
              normal(n, n + 2).map((v) => (positive.includes(word) ? Math.abs(v) + 0.1 : v)),
              [n],
              dtype,
            ),
          );
          const out = sizes.map((n) =>
            beta === 0 ? Tensor.full(on, [n], NaN, { dtype }) : tensorOf(on, normal(n, n + 3), [n], dtype),
          );
          return { grad, x, out: isInPlace ? grad : out, function: word, parameters: parameters[word], beta };
        };
        // Terms cancel in the slopes of silu and gelu, and in sums.
        const bound = { ulps: dtype === 'f64' ? 16 : 8, of: 'largest' } as const;
        await expectLikeReference('mapBackward', device, fields(0, false), bound);
        await expectLikeReference('mapBackward', device, fields(0, true), bound);
        await expectLikeReference('mapBackward', device, fields(1, false), bound);
      },
    );
  });

  it.each(networkGolden.slopes.map((one) => [one.function as Word, one] as const))(
    'has the slope of PyTorch: %s',
    async (word, { y, slope }) => {
      const x = tensorOf(device, slopeInput, [17], 'f64');
      const [value, out] = [
        Tensor.full(device, [17], NaN, { dtype: 'f64' }),
        Tensor.full(device, [17], 1, { dtype: 'f64' }),
      ];
      ops.map(device, { x: [x], out: [value], function: word });
      ops.mapBackward(device, { grad: [out], x: [x], out: [out], function: word });
      expectClose(await valuesOf(value), y, { dtype: 'f64', ulps: 32, magnitude: 1 });
      expectClose(await valuesOf(out), slope, { dtype: 'f64', ulps: 32, magnitude: 1 });
    },
  );

  it('passes or leaves out gradients where the slope is 0 or 1, whatever they hold', async () => {
    const slopes = async (word: Word, values: number[], given?: number[]) => {
      const grad = tensorOf(device, [NaN, Infinity, NaN, -1], [4]);
      const x = tensorOf(device, values, [4]);
      ops.mapBackward(device, { grad: [grad], x: [x], out: [grad], function: word, parameters: given });
      return [...(await valuesOf(grad))];
    };
    expect(await slopes('relu', [0, -1, 1, NaN])).toEqual([0, 0, NaN, 0]);
    expect(await slopes('sign', [0, -1, 1, NaN])).toEqual([0, 0, 0, 0]);
    expect(await slopes('clamp', [-2, 3, 1, 2], [-1, 2])).toEqual([0, 0, NaN, -1]);
    expect(await slopes('soft_threshold', [1, -0.5, -2, NaN], [1])).toEqual([0, 0, NaN, 0]);
  });

  it('has slopes of tanh whose exponential alone would be subnormal', async () => {
    const [x, grad] = [
      [354.25965088169323, -360, 400, 1],
      [0.41, 1e20, 1e60, 3],
    ] as const;
    const of = [tensorOf(device, grad, [4], 'f64'), tensorOf(device, x, [4], 'f64')] as const;
    ops.mapBackward(device, { grad: [of[0]], x: [of[1]], out: [of[0]], function: 'tanh' });
    const want = x.map((v, i) => (grad[i]! / Math.cosh(v)) * (1 / Math.cosh(v)));
    expectClose(await valuesOf(of[0]), want, { dtype: 'f64', ulps: 16 });
  });

  it('ends at 0 and 1 for silu, sigmoid and tanh', async () => {
    for (const dtype of ['f32', 'f64'] as const) {
      const slopes = async (word: Word) => {
        const x = tensorOf(device, [-Infinity, Infinity, -1e4, 1e4], [4], dtype);
        const out = Tensor.full(device, [4], 1, { dtype });
        ops.mapBackward(device, { grad: [out], x: [x], out: [out], function: word });
        return [...(await valuesOf(out))].map((v) => v + 0);
      };
      expect(await slopes('silu')).toEqual([0, 1, 0, 1]);
      expect(await slopes('softplus')).toEqual([0, 1, 0, 1]);
      expect(await slopes('sigmoid')).toEqual([0, 0, 0, 0]);
      expect(await slopes('tanh')).toEqual([0, 0, 0, 0]);
    }
  });
});

const valid = (device: Device) => ({
  grad: [Tensor.zeros(device, [3])],
  x: [Tensor.zeros(device, [3])],
  out: [Tensor.zeros(device, [3])],
});
describe.each(onlyCpu)('mapBackward', () => {
  refusesWrongFields('mapBackward', valid);
  refuses('mapBackward', valid, (device) => {
    const [f64, i32, four] = [
      Tensor.zeros(device, [3], { dtype: 'f64' }),
      Tensor.zeros(device, [3], { dtype: 'i32' }),
      Tensor.zeros(device, [4]),
    ];
    const op = 'mapBackward';
    return [
      [{ grad: [] }, 'ERR_ARGUMENT', `${op}: grad must be as many as out, got 0`],
      [{ x: [] }, 'ERR_ARGUMENT', `${op}: x must be as many as out, got 0`],
      [{ out: [i32] }, 'ERR_DTYPE', `${op}: out must be floating, got i32[3]`],
      [{ grad: [f64] }, 'ERR_DTYPE', `${op}: grad must have out's dtype, got f64[3]`],
      [{ x: [f64] }, 'ERR_DTYPE', `${op}: x must have out's dtype, got f64[3]`],
      [{ grad: [four] }, 'ERR_SHAPE', `${op}: grad must have out's shape, got f32[4] for out f32[3]`],
      [{ x: [four] }, 'ERR_SHAPE', `${op}: x must have out's shape, got f32[4] for out f32[3]`],
      [{ parameters: [1] }, 'ERR_ARGUMENT', `${op}: parameters must be none for this function, got 1`],
      [{ function: 'clamp' }, 'ERR_ARGUMENT', `${op}: parameters must be low and high for clamp, got 0`],
      [
        { function: 'clamp', parameters: [2, 1] },
        'ERR_ARGUMENT',
        `${op}: parameters must hold a low no larger than high, got 2`,
      ],
      [
        { function: 'soft_threshold' },
        'ERR_ARGUMENT',
        `${op}: parameters must be one number for soft_threshold, got 0`,
      ],
      [
        { function: 'soft_threshold', parameters: [-1] },
        'ERR_ARGUMENT',
        `${op}: parameters must not be negative, got -1`,
      ],
      [{ function: 'power' }, 'ERR_ARGUMENT', `${op}: parameters must be one number for power, got 0`],
      [{ beta: 0.5 }, 'ERR_ARGUMENT', `${op}: beta must be 0 or 1, got 0.5`],
    ];
  });

  it('gives the same bits on any number of threads', () =>
    expectSameBits((device) => {
      const [grad, x, out] = [1, 2, 3].map((seed) => tensorOf(device, normal(40001, seed)));
      ops.mapBackward(device, { grad: [grad!], x: [x!], out: [out!], function: 'silu', beta: 1 });
      return [out!];
    }));
});
