// Devices: cpu, cuda
// Source: property "is the transpose of the forward operation"
// Source: closed form "of one element is the pixels around it, of %i channels"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { convolutions, drawn, innerProduct, movesOf, shapesOf, titleOf, ulpsOf } from '../../support/convolutions.ts';
import { sizeOf } from '../../support/data.ts';
import { devices, onlyCpu } from '../../support/devices.ts';
import { floatingDtypes } from '../../support/dtypes.ts';
import { expectLikeReference } from '../../support/reference.ts';
import { refuses, refusesWrongFields } from '../../support/refusals.ts';
import { expectSameBits } from '../../support/same-bits.ts';

const cases = convolutions.map((c) => [titleOf(c), c] as const);

describe.each(devices)('conv2dBackwardKernel on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  describe.each(floatingDtypes)('in %s', (dtype) => {
    it.each(cases)('%s', async (_, c) => {
      const shapes = shapesOf(c);
      const fields = (on: Device) => ({
        grad: drawn(on, shapes.out, 1, dtype),
        x: drawn(on, shapes.x, 2, dtype),
        gradKernel: Tensor.full(on, shapes.kernel, NaN, { dtype }),
        ...movesOf(c),
      });
      const terms = 1 + sizeOf(shapes.out) / shapes.out[3]!;
      const bound = { ulps: ulpsOf(terms, dtype), of: 'largest' } as const;
      await expectLikeReference('conv2dBackwardKernel', device, fields, bound);
      const added = (on: Device) => ({ ...fields(on), gradKernel: drawn(on, shapes.kernel, 3, dtype), beta: 1 });
      await expectLikeReference('conv2dBackwardKernel', device, added, bound);
      if (c.images === 0) return;
      const each = (on: Device) => Tensor.full(on, [c.images, ...shapes.kernel], NaN, { dtype });
      const samples = (on: Device) => ({ ...fields(on), gradKernel: each(on) });
      await expectLikeReference('conv2dBackwardKernel', device, samples, bound);
    });
  });

  it.each(cases)('is the transpose of the forward operation', async (_, c) => {
    const shapes = shapesOf(c);
    const [x, kernel, grad] = [shapes.x, shapes.kernel, shapes.out].map((shape, i) => drawn(device, shape, i, 'f64'));
    const [out, gradKernel] = [shapes.out, shapes.kernel].map((shape) => Tensor.zeros(device, shape, { dtype: 'f64' }));
    ops.conv2d(device, { x: x!, kernel: kernel!, out: out!, ...movesOf(c) });
    ops.conv2dBackwardKernel(device, { grad: grad!, x: x!, gradKernel: gradKernel!, ...movesOf(c) });
    expect(await innerProduct(kernel!, gradKernel!)).toBeCloseTo(await innerProduct(out!, grad!), 8);
  });

  it.each([2, 16])('of one element is the pixels around it, of %i channels', async (channels) => {
    const x = drawn(device, [1, 9, 9, channels], 1, 'f32');
    const ones = new Float32Array(9 * 9 * channels);
    ones[(4 * 9 + 5) * channels + 1] = 1;
    const gradKernel = new Tensor(device, [channels, 3, 3, channels]);
    const grad = Tensor.from(device, ones, [1, 9, 9, channels]);
    ops.conv2dBackwardKernel(device, { grad, x, gradKernel, padding: [1] });
    const pixels = await x.read();
    const expected = new Float32Array(gradKernel.size);
    for (let u = 0; u < 3; ++u)
      for (let v = 0; v < 3; ++v)
        for (let c = 0; c < channels; ++c)
          expected[((3 + u) * 3 + v) * channels + c] = pixels[((3 + u) * 9 + 4 + v) * channels + c]!;
    const actual = await gradKernel.read();
    for (const [i, value] of expected.entries()) expect(actual[i]).toBeCloseTo(value, 6);
  });

  it.each([1, 3])('of no images is 0, and what there is with beta, for kernels of %i', async (side) => {
    for (const channels of [1, 3]) {
      const x = Tensor.zeros(device, [0, 9, 9, channels]);
      const grad = Tensor.zeros(device, [0, 10 - side, 10 - side, 4]);
      const gradKernel = Tensor.full(device, [4, side, side, channels], 2);
      ops.conv2dBackwardKernel(device, { grad, x, gradKernel, beta: 1 });
      expect(await gradKernel.read()).toEqual(new Float32Array(gradKernel.size).fill(2));
      ops.conv2dBackwardKernel(device, { grad, x, gradKernel });
      expect(await gradKernel.read()).toEqual(new Float32Array(gradKernel.size));
    }
  });

  it.each([2, 32])('NaN and infinities of a channel stay in it, of %i', async (channels) => {
    const data = new Float32Array(9 * 9 * channels).fill(1);
    data[4 * 9 * channels] = Infinity; // in the first column
    data[8 * channels + 1] = NaN; // at the end of the first row
    const gradKernel = Tensor.zeros(device, [17, 3, 3, channels]);
    const grad = Tensor.full(device, [1, 9, 9, 17], 1);
    const x = Tensor.from(device, data, [1, 9, 9, channels]);
    ops.conv2dBackwardKernel(device, { grad, x, gradKernel, padding: [1] });
    const expected = Float32Array.from({ length: gradKernel.size }, (_, at) => {
      const [c, place] = [at % channels, Math.floor(at / channels) % 9];
      const [u, v] = [Math.floor(place / 3), place % 3];
      if (c === 0 && v < 2) return Infinity;
      if (c === 1 && u < 2 && v > 0) return NaN;
      return (u === 1 ? 9 : 8) * (v === 1 ? 9 : 8);
    });
    expect(await gradKernel.read()).toEqual(expected);
  });
});

const valid = (device: Device) => ({
  grad: Tensor.zeros(device, [2, 3, 4, 6]),
  x: Tensor.zeros(device, [2, 5, 6, 4]),
  gradKernel: Tensor.zeros(device, [6, 3, 3, 2]),
  groups: 2,
});
describe.each(onlyCpu)('conv2dBackwardKernel', () => {
  it.each([
    [3, 1],
    [32, 1],
    [16, 16],
  ])('an infinite grad of %i channels in %i groups leaves the zeros beyond the edges', async (channels, groups) => {
    const device = Device.open('cpu');
    const data = new Float32Array(9 * 9 * channels).fill(1);
    data[0] = Infinity; // at the first pixel
    data[(9 * 9 - 1) * channels + 1] = NaN; // at the last one
    const grad = Tensor.from(device, data, [1, 9, 9, channels]);
    const x = Tensor.full(device, [1, 9, 9, channels], 1);
    const own = channels / groups;
    const gradKernel = Tensor.zeros(device, [channels, 3, 3, own]);
    ops.conv2dBackwardKernel(device, { grad, x, gradKernel, padding: [1], groups });
    const expected = Float32Array.from({ length: gradKernel.size }, (_, at) => {
      const [o, place] = [Math.floor(at / own / 9), Math.floor(at / own) % 9];
      const [u, v] = [Math.floor(place / 3), place % 3];
      if (o === 0 && u > 0 && v > 0) return Infinity;
      if (o === 1 && u < 2 && v < 2) return NaN;
      return (u === 1 ? 9 : 8) * (v === 1 ? 9 : 8);
    });
    expect(await gradKernel.read()).toEqual(expected);
    await device.close();
  });

  it('taps that lie on no pixel stay 0 with a grad of NaN', async () => {
    const device = Device.open('cpu');
    const grad = Tensor.full(device, [3, 5, 1, 13], NaN);
    const x = Tensor.full(device, [3, 5, 1, 5], 1);
    const gradKernel = Tensor.zeros(device, [13, 3, 3, 5]);
    ops.conv2dBackwardKernel(device, { grad, x, gradKernel, padding: [1] });
    const expected = Float32Array.from({ length: gradKernel.size }, (_, at) =>
      Math.floor(at / 5) % 3 === 1 ? NaN : 0,
    );
    expect(await gradKernel.read()).toEqual(expected);
    await device.close();
  });
  refusesWrongFields('conv2dBackwardKernel', valid);
  refuses('conv2dBackwardKernel', valid, (device) => {
    const op = 'conv2dBackwardKernel:';
    const zeros = (...shape: number[]) => Tensor.zeros(device, shape);
    const f64 = (...shape: number[]) => Tensor.zeros(device, shape, { dtype: 'f64' });
    return [
      [{ grad: zeros(2, 3, 4, 6).cast('i32') }, 'ERR_DTYPE', `${op} grad must be floating, got i32[2, 3, 4, 6]`],
      [{ x: f64(2, 5, 6, 4) }, 'ERR_DTYPE', `${op} x must have grad's dtype, got f64[2, 5, 6, 4]`],
      [{ gradKernel: f64(6, 3, 3, 2) }, 'ERR_DTYPE', `${op} gradKernel must have grad's dtype, got f64[6, 3, 3, 2]`],
      [{ x: zeros(2, 5, 24) }, 'ERR_SHAPE', `${op} x must be images [N, H, W, C], got f32[2, 5, 24]`],
      [
        { gradKernel: zeros(6, 3, 6) },
        'ERR_SHAPE',
        `${op} gradKernel must be [O, height, width, C / groups], or so many for each sample, got f32[6, 3, 6]`,
      ],
      [{ stride: [0] }, 'ERR_ARGUMENT', `${op} stride must be one or two whole numbers from 1 to 2^20, got 0`],
      [
        { groups: 1 },
        'ERR_SHAPE',
        `${op} gradKernel must have x's channels / groups, got f32[6, 3, 3, 2] for x f32[2, 5, 6, 4]`,
      ],
      [
        { gradKernel: zeros(5, 3, 3, 2) },
        'ERR_SHAPE',
        `${op} gradKernel must be equally many for each of the groups, got f32[5, 3, 3, 2]`,
      ],
      [
        { gradKernel: zeros(3, 6, 3, 3, 2) },
        'ERR_SHAPE',
        `${op} gradKernel must have samples of equally many images, got f32[3, 6, 3, 3, 2] for x f32[2, 5, 6, 4]`,
      ],
      [
        { dilation: [3] },
        'ERR_SHAPE',
        `${op} gradKernel must fit into x and its padding, got f32[6, 3, 3, 2] for x f32[2, 5, 6, 4]`,
      ],
      [
        { padding: [1] },
        'ERR_SHAPE',
        `${op} grad must be [N, rows, columns, O] of the places where gradKernel fits, got f32[2, 3, 4, 6] for x f32[2, 5, 6, 4] and gradKernel f32[6, 3, 3, 2]`,
      ],
    ];
  });

  it.each([
    ['a kernel of one pixel', 1, 16],
    ['many channels', 3, 32],
    ['few channels', 3, 4],
  ] as const)(
    'gives the same bits on any number of threads, and for each sample as alone: %s',
    async (_, size, channels) => {
      const of = (device: Device, shape: number[], seed: number, from: number, count: number) => {
        const whole = drawn(device, [6, ...shape], seed, 'f32');
        return whole.rows(from, from + count);
      };
      const [kernel, padding] = [[33, size, size, channels], [(size - 1) / 2]];
      const run = (device: Device, gradKernel: Tensor, from: number, count: number) =>
        ops.conv2dBackwardKernel(device, {
          grad: of(device, [18, 18, 33], 1, from, count),
          x: of(device, [18, 18, channels], 2, from, count),
          gradKernel,
          padding,
        });
      await expectSameBits((device) => {
        const [all, each] = [Tensor.zeros(device, kernel), Tensor.zeros(device, [3, ...kernel])];
        run(device, all, 0, 6);
        run(device, each, 0, 6);
        return [all, each];
      });
      const device = Device.open('cpu');
      const [each, alone] = [Tensor.zeros(device, [3, ...kernel]), Tensor.zeros(device, kernel)];
      run(device, each, 0, 6);
      run(device, alone, 2, 2);
      const [parts, part] = [await each.read(), await alone.read()];
      expect(part).toEqual(parts.slice(part.length, 2 * part.length));
      await device.close();
    },
  );
});
