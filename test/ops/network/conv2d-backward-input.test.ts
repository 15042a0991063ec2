// Devices: cpu, cuda
// Source: property "is the transpose of the forward operation"
// Source: closed form "of one element spreads the kernel, of %i channels"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import {
  convolutions,
  drawn,
  infiniteKernels,
  innerProduct,
  movesOf,
  shapesOf,
  sumsOfOnes,
  titleOf,
  ulpsOf,
} from '../../support/convolutions.ts';
import { devices, onlyCpu } from '../../support/devices.ts';
import { floatingDtypes } from '../../support/dtypes.ts';
import { expectLikeReference } from '../../support/reference.ts';
import { refuses, refusesWrongFields } from '../../support/refusals.ts';
import { expectSameBits } from '../../support/same-bits.ts';

const cases = convolutions.map((c) => [titleOf(c), c] as const);

describe.each(devices)('conv2dBackwardInput on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  describe.each(floatingDtypes)('in %s', (dtype) => {
    it.each(cases)('%s', async (_, c) => {
      const shapes = shapesOf(c);
      const fields = (on: Device) => ({
        grad: drawn(on, shapes.out, 1, dtype),
        kernel: drawn(on, shapes.kernel, 2, dtype),
        gradX: Tensor.full(on, shapes.x, NaN, { dtype }),
        ...movesOf(c),
      });
      const terms = 1 + (c.kernel[0] * c.kernel[1] * c.channels[1]) / (c.groups ?? 1);
      const bound = { ulps: ulpsOf(terms, dtype), of: 'largest' } as const;
      await expectLikeReference('conv2dBackwardInput', device, fields, bound);
      const added = (on: Device) => ({ ...fields(on), gradX: drawn(on, shapes.x, 3, dtype), beta: 1 });
      await expectLikeReference('conv2dBackwardInput', device, added, bound);
    });
  });

  it.each(cases)('is the transpose of the forward operation', async (_, c) => {
    const shapes = shapesOf(c);
    const [x, kernel, grad] = [shapes.x, shapes.kernel, shapes.out].map((shape, i) => drawn(device, shape, i, 'f64'));
    const [out, gradX] = [shapes.out, shapes.x].map((shape) => Tensor.zeros(device, shape, { dtype: 'f64' }));
    ops.conv2d(device, { x: x!, kernel: kernel!, out: out!, ...movesOf(c) });
    ops.conv2dBackwardInput(device, { grad: grad!, kernel: kernel!, gradX: gradX!, ...movesOf(c) });
    expect(await innerProduct(x!, gradX!)).toBeCloseTo(await innerProduct(out!, grad!), 8);
  });

  it.each([2, 16])('of one element spreads the kernel, of %i channels', async (channels) => {
    const kernel = drawn(device, [channels, 3, 3, channels], 1, 'f32');
    const ones = new Float32Array(9 * 9 * channels);
    ones[(4 * 9 + 5) * channels + 1] = 1;
    const gradX = new Tensor(device, [1, 9, 9, channels]);
    const grad = Tensor.from(device, ones, [1, 9, 9, channels]);
    ops.conv2dBackwardInput(device, { grad, kernel, gradX, padding: [1] });
    const taps = await kernel.read();
    const expected = new Float32Array(9 * 9 * channels);
    for (let u = 0; u < 3; ++u)
      for (let v = 0; v < 3; ++v)
        for (let c = 0; c < channels; ++c)
          expected[((3 + u) * 9 + 4 + v) * channels + c] = taps[((3 + u) * 3 + v) * channels + c]!;
    const actual = await gradX.read();
    for (const [i, value] of expected.entries()) expect(actual[i]).toBeCloseTo(value, 6);
  });

  it.each([3, 32])('NaN and infinities touch the places of their kernels, of %i channels', async (channels) => {
    const data = new Float32Array(9 * 9 * 17).fill(1);
    data[(2 * 9 + 3) * 17 + 1] = Infinity;
    data[(7 * 9 + 7) * 17] = NaN;
    const gradX = Tensor.zeros(device, [1, 9, 9, channels]);
    const kernel = Tensor.full(device, [17, 3, 3, channels], 1);
    ops.conv2dBackwardInput(device, { grad: Tensor.from(device, data, [1, 9, 9, 17]), kernel, gradX, padding: [1] });
    const beside = (a: number, b: number) => Math.abs(a - b) <= 1;
    const expected = sumsOfOnes(channels, 17, (i, j) => {
      if (beside(i, 7) && beside(j, 7)) return NaN;
      return beside(i, 2) && beside(j, 3) ? Infinity : undefined;
    });
    expect(await gradX.read()).toEqual(expected);
  });
});

const valid = (device: Device) => ({
  grad: Tensor.zeros(device, [2, 3, 4, 6]),
  kernel: Tensor.zeros(device, [6, 3, 3, 2]),
  gradX: Tensor.zeros(device, [2, 5, 6, 4]),
  groups: 2,
});
describe.each(onlyCpu)('conv2dBackwardInput', () => {
  it.each([
    [3, 1],
    [8, 1],
    [32, 1],
    [16, 16],
  ])('infinite kernels of %i channels in %i groups leave the zeros beyond the edges', async (channels, groups) => {
    const device = Device.open('cpu');
    const kernel = infiniteKernels(device, channels, groups);
    const grad = Tensor.full(device, [1, 9, 9, channels], 1);
    const gradX = Tensor.zeros(device, [1, 9, 9, channels]);
    ops.conv2dBackwardInput(device, { grad, kernel, gradX, padding: [1], groups });
    const expected = sumsOfOnes(channels, channels / groups, (i, j, c) =>
      c === 0 && i < 8 && j < 8 ? Infinity : undefined,
    );
    expect(await gradX.read()).toEqual(expected);
    await device.close();
  });
  refusesWrongFields('conv2dBackwardInput', valid);
  refuses('conv2dBackwardInput', valid, (device) => {
    const op = 'conv2dBackwardInput:';
    const zeros = (...shape: number[]) => Tensor.zeros(device, shape);
    const f64 = (...shape: number[]) => Tensor.zeros(device, shape, { dtype: 'f64' });
    return [
      [{ grad: zeros(2, 3, 4, 6).cast('i32') }, 'ERR_DTYPE', `${op} grad must be floating, got i32[2, 3, 4, 6]`],
      [{ kernel: f64(6, 3, 3, 2) }, 'ERR_DTYPE', `${op} kernel must have grad's dtype, got f64[6, 3, 3, 2]`],
      [{ gradX: f64(2, 5, 6, 4) }, 'ERR_DTYPE', `${op} gradX must have grad's dtype, got f64[2, 5, 6, 4]`],
      [{ gradX: zeros(2, 5, 24) }, 'ERR_SHAPE', `${op} gradX must be images [N, H, W, C], got f32[2, 5, 24]`],
      [
        { kernel: zeros(6, 3, 6) },
        'ERR_SHAPE',
        `${op} kernel must be [O, height, width, C / groups], got f32[6, 3, 6]`,
      ],
      [{ stride: [0] }, 'ERR_ARGUMENT', `${op} stride must be one or two whole numbers from 1 to 2^20, got 0`],
      [
        { groups: 1 },
        'ERR_SHAPE',
        `${op} kernel must have gradX's channels / groups, got f32[6, 3, 3, 2] for gradX f32[2, 5, 6, 4]`,
      ],
      [
        { kernel: zeros(5, 3, 3, 2) },
        'ERR_SHAPE',
        `${op} kernel must be equally many for each of the groups, got f32[5, 3, 3, 2]`,
      ],
      [
        { dilation: [3] },
        'ERR_SHAPE',
        `${op} kernel must fit into gradX and its padding, got f32[6, 3, 3, 2] for gradX f32[2, 5, 6, 4]`,
      ],
      [
        { padding: [1] },
        'ERR_SHAPE',
        `${op} grad must be [N, rows, columns, O] of the places where kernel fits, got f32[2, 3, 4, 6] for gradX f32[2, 5, 6, 4] and kernel f32[6, 3, 3, 2]`,
      ],
    ];
  });

  it.each([4, 17])('gives the same bits on any number of threads, of %i channels', (channels) =>
    expectSameBits((device) => {
      const gradX = Tensor.zeros(device, [5, 18, 18, channels]);
      const kernel = drawn(device, [33, 3, 3, channels], 2, 'f32');
      for (const [stride, size] of [
        [1, 18],
        [2, 9],
      ] as const) {
        const grad = drawn(device, [5, size, size, 33], 1, 'f32');
        ops.conv2dBackwardInput(device, { grad, kernel, gradX, stride: [stride], padding: [1], beta: 1 });
      }
      return [gradX];
    }),
  );
});
