// Devices: cpu, cuda
// Source: closed form "of a kernel with one element moves the images: %i wide, %i channels"
// Source: closed form "counts the pixels under a kernel of ones"
import { afterAll, describe, expect, it } from 'vitest';
import { Device, type Dtype, ops, Tensor } from '../../../lib/index.ts';
import {
  convolutions,
  drawn,
  infiniteKernels,
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
import { tensorOf, valuesOf } from '../../support/tensors.ts';

describe.each(devices)('conv2d on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  describe.each(floatingDtypes)('in %s', (dtype) => {
    it.each(convolutions.map((c) => [titleOf(c), c] as const))('%s', async (_, c) => {
      const shapes = shapesOf(c);
      const fields = (on: Device) => ({
        x: drawn(on, shapes.x, 1, dtype),
        kernel: drawn(on, shapes.kernel, 2, dtype),
        out: Tensor.full(on, shapes.out, NaN, { dtype }),
        ...movesOf(c),
      });
      const terms = 1 + c.kernel[0] * c.kernel[1] * shapes.kernel[3]!;
      const bound = { ulps: ulpsOf(terms, dtype), of: 'largest' } as const;
      await expectLikeReference('conv2d', device, fields, bound);
      const bias = (on: Device) => drawn(on, [c.channels[1]], 3, dtype);
      await expectLikeReference('conv2d', device, (on) => ({ ...fields(on), bias: bias(on) }), bound);
    });
  });

  it.each([
    [3, 16],
    [3, 3],
    [2, 5],
  ])('of a kernel with one element moves the images: %i wide, %i channels', async (size, channels) => {
    const data = Float32Array.from({ length: 7 * 6 * channels }, (_, i) => i - 20);
    const x = Tensor.from(device, data, [1, 7, 6, channels]);
    for (let u = 0; u < size; ++u)
      for (let v = 0; v < size; ++v) {
        const taps = new Float32Array(channels * size * size * channels);
        for (let c = 0; c < channels; ++c) taps[((c * size + u) * size + v) * channels + c] = 1;
        const shape = [1, 8 - size, 7 - size, channels];
        const out = new Tensor(device, shape);
        ops.conv2d(device, { x, kernel: Tensor.from(device, taps, [channels, size, size, channels]), out });
        const moved = Float32Array.from({ length: out.size }, (_, at) => {
          const [c, pixel] = [at % channels, Math.floor(at / channels)];
          const [i, j] = [Math.floor(pixel / shape[2]!) + u, (pixel % shape[2]!) + v];
          return data[(i * 6 + j) * channels + c]!;
        });
        expect(await out.read()).toEqual(moved);
      }
  });

  it('counts the pixels under a kernel of ones', async () => {
    const out = new Tensor(device, [1, 3, 4, 1]);
    const [x, kernel] = [Tensor.full(device, [1, 3, 4, 2], 1), Tensor.full(device, [1, 3, 3, 2], 1)];
    ops.conv2d(device, { x, kernel, out, padding: [1] });
    expect(await out.read()).toEqual(Float32Array.of(8, 12, 12, 8, 12, 18, 18, 12, 8, 12, 12, 8));
  });

  // Sums whose terms are small beside what comes on the way, such as those of neighbouring pixels. With a column of
  // zeros at the end of kernels and images the sums are the same, and the CPU takes the way of any kernel in place of
  // Winograd's transforms.
  // Two are not held: by kernel, over pixels of all sizes, Winograd's error is some three times the direct one; by input,
  // with kernels of all sizes, pixels at an edge see one column of a kernel, and the transforms round beside the largest.
  const all = ['forward', 'by input', 'by kernel'];
  it.each([
    ['a large mean', (v: number) => v + 1000, (v: number) => v, all],
    ['no sign', Math.abs, Math.abs, all],
    ['pixels of all sizes', (v: number, i: number) => v * Math.exp(3 * Math.sin(i)), (v: number) => v, all.slice(0, 2)],
    ['kernels of all sizes', (v: number) => v, (v: number, i: number) => v * 1e3 ** (i % 3), all.slice(0, 1)],
  ] as const)(
    'is as near as the direct way and sums in f32 are, of data with %s',
    async (_, ofPixels, ofKernels, held) => {
      const [rows, columns, kernels] = [9, 10, 16];
      const of = async (shape: number[], seed: number, f: (v: number, i: number) => number) =>
        tensorOf(device, (await valuesOf(drawn(device, shape, seed, 'f32'))).map(f), shape);
      const wide = (t: Tensor) => t.cast('f64');
      const absolute = (t: Tensor) => {
        const a = wide(t);
        ops.map(device, { x: [a], out: [a], function: 'abs' });
        return a;
      };
      /** The first columns, on the third axis, and zeros behind them. */
      const withColumns = async (t: Tensor, to: number) => {
        const [n, height, width, c] = t.shape as [number, number, number, number];
        const from = await valuesOf(t);
        const values = new Float32Array(n * height * to * c);
        for (let row = 0; row < n * height; ++row)
          values.set(from.subarray(row * width * c, (row * width + Math.min(width, to)) * c), row * to * c);
        return tensorOf(device, values, [n, height, to, c]);
      };
      for (const channels of [32, 48]) {
        const x = await of([1, rows, columns, channels], 1, ofPixels);
        const kernel = await of([kernels, 3, 3, channels], 2, ofKernels);
        const grad = await of([1, rows, columns, kernels], 3, ofPixels);
        const zeros = (dtype: Dtype, ...shape: number[]) => Tensor.zeros(device, shape, { dtype });
        const there = (a: Tensor, b: Tensor) => {
          const out = zeros(a.dtype, 1, rows, columns, kernels);
          ops.conv2d(device, { x: a, kernel: b, out, padding: [1] });
          return out;
        };
        const toInput = (a: Tensor, b: Tensor) => {
          const gradX = zeros(a.dtype, 1, rows, columns + b.shape[2]! - 3, channels);
          ops.conv2dBackwardInput(device, { grad: a, kernel: b, gradX, padding: [1] });
          return gradX;
        };
        const toKernel = (a: Tensor, b: Tensor) => {
          const gradKernel = zeros(a.dtype, kernels, 3, 3 + a.shape[2]! - columns, channels);
          ops.conv2dBackwardKernel(device, { x: a, grad: b, gradKernel, padding: [1] });
          return gradKernel;
        };
        const [wideX, wideKernel] = [await withColumns(x, columns + 1), await withColumns(kernel, 4)];
        const ways = [
          ['forward', there(x, kernel), there(wideX, wideKernel), there, x, kernel],
          [
            'by input',
            toInput(grad, kernel),
            await withColumns(toInput(grad, wideKernel), columns),
            toInput,
            grad,
            kernel,
          ],
          ['by kernel', toKernel(x, grad), await withColumns(toKernel(wideX, grad), 3), toKernel, x, grad],
        ] as const;
        for (const [name, own, direct, way, a, b] of ways.filter(([name]) => held.includes(name))) {
          const [expected, terms] = [
            await valuesOf(way(wide(a), wide(b))),
            await valuesOf(way(absolute(a), absolute(b))),
          ];
          const worst = async (t: Tensor) =>
            Math.max(...(await valuesOf(t)).map((y, i) => Math.abs(y - expected[i]!) / terms[i]!));
          const [error, other] = [await worst(own), await worst(direct)];
          expect(error, name).toBeLessThan(2e-6);
          // Products that are not fused with their sums are rounded, and Winograd's way has more of them.
          const most = device.info.isa === 'portable' ? 1.1 * other : other;
          if (kind === 'cpu') expect(error, name).toBeLessThanOrEqual(most);
        }
      }
    },
  );

  // The numerics of conv2d hold for any data: terms are those of all pixels under a kernel with all its elements.
  it.each([
    ['kernels of all sizes', (v: number) => v, (v: number, i: number) => v * 1e3 ** (i % 3)],
    ['a large element', (v: number) => v, (v: number, i: number) => (Math.floor(i / 32) % 9 === 4 ? v * 1e6 : v)],
    ['pixels of all sizes', (v: number, i: number) => v * Math.exp(3 * Math.sin(i)), (v: number) => v],
  ] as const)(
    'rounds beside all elements under a kernel, channel by channel, of %s',
    async (_, ofPixels, ofKernels) => {
      const [rows, columns, channels, kernels] = [9, 10, 32, 16];
      const of = async (shape: number[], seed: number, f: (v: number, i: number) => number) =>
        tensorOf(device, (await valuesOf(drawn(device, shape, seed, 'f32'))).map(f), shape);
      const mapped = async (t: Tensor, f: (values: readonly number[]) => readonly number[]) =>
        Tensor.from(device, Float64Array.from(f(Array.from(await valuesOf(t)))), t.shape);
      const wide = (t: Tensor) => mapped(t, (values) => values);
      const absolute = (t: Tensor) => mapped(t, (values) => values.map(Math.abs));
      /** For each element of a kernel the sum of all nine of its channel. */
      const ofAllNine = (t: Tensor) =>
        mapped(t, (values) => {
          const sums = new Float64Array(kernels * channels);
          const place = (i: number) => Math.floor(i / (9 * channels)) * channels + (i % channels);
          for (const [i, v] of values.entries()) sums[place(i)]! += Math.abs(v);
          return values.map((__, i) => sums[place(i)]!);
        });
      /** For each pixel the sum of the nine around it. */
      const around = async (t: Tensor) => {
        const [out, ones] = [new Tensor(device, t.shape, 'f64'), [channels, 3, 3, 1]];
        const kernel = Tensor.full(device, ones, 1, { dtype: 'f64' });
        ops.conv2d(device, { x: await absolute(t), kernel, out, padding: [1], groups: channels });
        return out;
      };
      const x = await of([1, rows, columns, channels], 1, ofPixels);
      const kernel = await of([kernels, 3, 3, channels], 2, ofKernels);
      const grad = await of([1, rows, columns, kernels], 3, ofPixels);
      const there = (a: Tensor, b: Tensor) => {
        const out = Tensor.zeros(device, grad.shape, { dtype: a.dtype });
        ops.conv2d(device, { x: a, kernel: b, out, padding: [1] });
        return valuesOf(out);
      };
      const toInput = (a: Tensor, b: Tensor) => {
        const gradX = Tensor.zeros(device, x.shape, { dtype: a.dtype });
        ops.conv2dBackwardInput(device, { grad: a, kernel: b, gradX, padding: [1] });
        return valuesOf(gradX);
      };
      const toKernel = (a: Tensor, b: Tensor) => {
        const gradKernel = Tensor.zeros(device, kernel.shape, { dtype: a.dtype });
        ops.conv2dBackwardKernel(device, { x: a, grad: b, gradKernel, padding: [1] });
        return valuesOf(gradKernel);
      };
      const [wideX, wideKernel, wideGrad] = [await wide(x), await wide(kernel), await wide(grad)];
      const all = await ofAllNine(wideKernel);
      // The element in the middle meets the pixels of a kernel's place; the others' terms are those of that.
      const middle = await toKernel(await around(wideX), await absolute(wideGrad));
      const centre = (i: number) => (9 * Math.floor(i / (9 * channels)) + 4) * channels + (i % channels);
      for (const [name, found, expected, terms] of [
        ['forward', await there(x, kernel), await there(wideX, wideKernel), await there(await absolute(wideX), all)],
        ['by input', await toInput(grad, kernel), await toInput(wideGrad, wideKernel), await toInput(await absolute(wideGrad), all)], // biome-ignore format: one line
        ['by kernel', await toKernel(x, grad), await toKernel(wideX, wideGrad), middle.map((__, i) => middle[centre(i)]!)], // biome-ignore format: one line
      ] as const) {
        const worst = Math.max(...found.map((y, at) => Math.abs(y - expected[at]!) / terms[at]!));
        expect(worst, name).toBeLessThan(5e-7);
        expect(worst, name).toBeGreaterThan(0);
        if (name !== 'by input') continue;
        // Beside the sum of its own terms, an element may lose more: the guide says so.
        const own = await toInput(await absolute(wideGrad), await absolute(wideKernel));
        const most = Math.max(...found.map((y, at) => Math.abs(y - expected[at]!) / own[at]!));
        expect(most).toBeLessThan(3e-4);
      }
    },
  );

  it.each([3, 32])(
    'NaN and infinities touch the places whose kernel lies on them, of %i channels',
    async (channels) => {
      const data = new Float32Array(9 * 9 * channels).fill(1);
      data[(2 * 9 + 3) * channels + 1] = Infinity;
      data[(7 * 9 + 7) * channels] = NaN;
      const x = Tensor.from(device, data, [1, 9, 9, channels]);
      const out = Tensor.zeros(device, [1, 9, 9, 17]);
      ops.conv2d(device, { x, kernel: Tensor.full(device, [17, 3, 3, channels], 1), out, padding: [1] });
      const beside = (a: number, b: number) => Math.abs(a - b) <= 1;
      const expected = sumsOfOnes(17, channels, (i, j) => {
        if (beside(i, 7) && beside(j, 7)) return NaN;
        return beside(i, 2) && beside(j, 3) ? Infinity : undefined;
      });
      expect(await out.read()).toEqual(expected);
    },
  );

  it('keeps sums of the largest numbers', async () => {
    const out = Tensor.zeros(device, [1, 8, 8, 16]);
    const x = Tensor.full(device, [1, 8, 8, 16], 1e38);
    ops.conv2d(device, { x, kernel: Tensor.full(device, [16, 3, 3, 16], 1e-3), out, padding: [1] });
    const rows = await out.read();
    expect(rows.every((v) => v > 6e36 && v < 1.5e37)).toBe(true);
  });
});

const valid = (device: Device) => ({
  x: Tensor.zeros(device, [2, 5, 6, 4]),
  kernel: Tensor.zeros(device, [6, 3, 3, 2]),
  bias: Tensor.zeros(device, [6]),
  out: Tensor.zeros(device, [2, 3, 4, 6]),
  groups: 2,
});
describe.each(onlyCpu)('conv2d', () => {
  it.each([
    [3, 1],
    [32, 1],
    [16, 16],
  ])('infinite kernels of %i channels in %i groups leave the zeros beyond the edges', async (channels, groups) => {
    const device = Device.open('cpu');
    const kernel = infiniteKernels(device, channels, groups);
    const x = Tensor.full(device, [1, 9, 9, channels], 1);
    const out = Tensor.zeros(device, [1, 9, 9, channels]);
    ops.conv2d(device, { x, kernel, out, padding: [1], groups });
    const expected = sumsOfOnes(channels, channels / groups, (i, j, o) =>
      o === 0 && i > 0 && j > 0 ? Infinity : undefined,
    );
    expect(await out.read()).toEqual(expected);
    await device.close();
  });
  refusesWrongFields('conv2d', valid, ['bias']);
  refuses('conv2d', valid, (device) => {
    const zeros = (...shape: number[]) => Tensor.zeros(device, shape);
    const f64 = (...shape: number[]) => Tensor.zeros(device, shape, { dtype: 'f64' });
    const [argument, number] = ['ERR_ARGUMENT', 'one or two whole numbers'];
    return [
      [{ x: zeros(2, 5, 6, 4).cast('i32') }, 'ERR_DTYPE', 'conv2d: x must be floating, got i32[2, 5, 6, 4]'],
      [{ kernel: f64(6, 3, 3, 2) }, 'ERR_DTYPE', "conv2d: kernel must have x's dtype, got f64[6, 3, 3, 2]"],
      [{ out: f64(2, 3, 4, 6) }, 'ERR_DTYPE', "conv2d: out must have x's dtype, got f64[2, 3, 4, 6]"],
      [{ bias: f64(6) }, 'ERR_DTYPE', "conv2d: bias must have x's dtype, got f64[6]"],
      [{ x: zeros(5, 6, 4) }, 'ERR_SHAPE', 'conv2d: x must be images [N, H, W, C], got f32[5, 6, 4]'],
      [{ x: zeros(2, 0, 6, 4) }, 'ERR_SHAPE', 'conv2d: x must be images [N, H, W, C], got f32[2, 0, 6, 4]'],
      [
        { kernel: zeros(6, 3, 0, 2) },
        'ERR_SHAPE',
        'conv2d: kernel must be [O, height, width, C / groups], got f32[6, 3, 0, 2]',
      ],
      [{ stride: [0] }, argument, `conv2d: stride must be ${number} from 1 to 2^20, got 0`],
      [{ stride: [1, 1.5] }, argument, `conv2d: stride must be ${number} from 1 to 2^20, got 1.5`],
      [{ stride: [1, 1, 1] }, argument, `conv2d: stride must be ${number} from 1 to 2^20, got 3`],
      [{ padding: [-1] }, argument, `conv2d: padding must be ${number} from 0 to 2^20, got -1`],
      [{ padding: [0, 2 ** 21] }, argument, `conv2d: padding must be ${number} from 0 to 2^20, got 2097152`],
      [{ dilation: [2, 0.5] }, argument, `conv2d: dilation must be ${number} from 1 to 2^20, got 0.5`],
      [{ groups: 0 }, argument, 'conv2d: groups must be positive, got 0'],
      [
        { groups: 1 },
        'ERR_SHAPE',
        "conv2d: kernel must have x's channels / groups, got f32[6, 3, 3, 2] for x f32[2, 5, 6, 4]",
      ],
      [
        { kernel: zeros(5, 3, 3, 2) },
        'ERR_SHAPE',
        'conv2d: kernel must be equally many for each of the groups, got f32[5, 3, 3, 2]',
      ],
      [
        { dilation: [1, 3] },
        'ERR_SHAPE',
        'conv2d: kernel must fit into x and its padding, got f32[6, 3, 3, 2] for x f32[2, 5, 6, 4]',
      ],
      [
        { padding: [1] },
        'ERR_SHAPE',
        'conv2d: out must be [N, rows, columns, O] of the places where kernel fits, got f32[2, 3, 4, 6] for x f32[2, 5, 6, 4] and kernel f32[6, 3, 3, 2]',
      ],
      [
        { bias: zeros(5) },
        'ERR_SHAPE',
        'conv2d: bias must have one element a kernel, got f32[5] for kernel f32[6, 3, 3, 2]',
      ],
    ];
  });

  it('gives the same bits on any number of threads, and for one image and many', async () => {
    const [x, kernel] = [normal4(5, 17), normal4(33, 17)];
    await expectSameBits((device) => {
      const out = Tensor.zeros(device, [5, 9, 9, 33]);
      ops.conv2d(device, { x: x(device), kernel: kernel(device), out, padding: [1] });
      return [out];
    });
    const device = Device.open('cpu');
    const [many, one] = [Tensor.zeros(device, [5, 9, 9, 33]), Tensor.zeros(device, [1, 9, 9, 33])];
    ops.conv2d(device, { x: x(device), kernel: kernel(device), out: many, padding: [1] });
    const third = Tensor.from(device, (await x(device).read()).subarray(2 * 81 * 17, 3 * 81 * 17), [1, 9, 9, 17]);
    ops.conv2d(device, { x: third, kernel: kernel(device), out: one, padding: [1] });
    expect(await one.read()).toEqual((await many.read()).slice(2 * 81 * 33, 3 * 81 * 33));
    await device.close();
  });
});

/** `[first, 9, 9, last]` images, or `[first, 3, 3, last]` kernels where there are 33. */
const normal4 = (first: number, last: number) => (device: Device) =>
  drawn(device, first === 33 ? [33, 3, 3, last] : [first, 9, 9, last], first, 'f32');
