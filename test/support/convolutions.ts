import { type Device, Tensor } from '../../lib/index.ts';
import { normal, sizeOf } from './data.ts';
import type { Floating } from './dtypes.ts';
import { tensorOf, valuesOf } from './tensors.ts';

/** Sizes of a convolution; pairs are the height's and the width's. */
export interface Convolution {
  images: number;
  size: readonly [height: number, width: number];
  /** Channels of x, and of the result. */
  channels: readonly [number, number];
  kernel: readonly [number, number];
  stride?: readonly number[];
  padding?: readonly number[];
  dilation?: readonly number[];
  groups?: number;
}

/**
 * Cases of all kinds: one channel and many, even kernels, strides that leave pixels out, padding beyond the kernel,
 * groups.
 */
export const convolutions: readonly Convolution[] = [
  { images: 1, size: [1, 1], channels: [1, 1], kernel: [1, 1] },
  { images: 2, size: [9, 9], channels: [3, 5], kernel: [3, 3], padding: [1] },
  { images: 2, size: [8, 8], channels: [17, 20], kernel: [3, 3], stride: [2], padding: [1] },
  { images: 1, size: [7, 11], channels: [16, 32], kernel: [5, 5], stride: [2], padding: [2] },
  { images: 3, size: [6, 6], channels: [8, 48], kernel: [1, 1] },
  { images: 2, size: [9, 9], channels: [10, 70], kernel: [3, 3] },
  { images: 2, size: [10, 9], channels: [16, 16], kernel: [3, 3], stride: [2], padding: [0, 1] },
  { images: 2, size: [8, 8], channels: [1, 4], kernel: [2, 2], stride: [2] },
  { images: 1, size: [7, 9], channels: [2, 3], kernel: [7, 7], stride: [2], padding: [3] },
  { images: 2, size: [9, 9], channels: [12, 33], kernel: [1, 1], stride: [2] },
  { images: 2, size: [5, 8], channels: [16, 16], kernel: [4, 4], stride: [3], padding: [1] },
  { images: 1, size: [9, 12], channels: [9, 7], kernel: [3, 2], stride: [1, 3], dilation: [2, 1] },
  { images: 2, size: [11, 7], channels: [8, 6], kernel: [3, 3], padding: [2], dilation: [2], groups: 2 },
  { images: 2, size: [7, 8], channels: [19, 19], kernel: [3, 3], padding: [1], groups: 19 },
  { images: 1, size: [9, 8], channels: [6, 12], kernel: [3, 3], stride: [2], padding: [1], groups: 6 },
  { images: 1, size: [3, 3], channels: [1, 3], kernel: [1, 1], stride: [3], padding: [3] },
  { images: 1, size: [40, 33], channels: [32, 33], kernel: [3, 3], padding: [1] },
  { images: 0, size: [4, 5], channels: [2, 3], kernel: [2, 2] },
];

const along = (numbers: readonly number[] | undefined, axis: number, otherwise: number): number =>
  numbers?.[numbers.length === 1 ? 0 : axis] ?? otherwise;

/** Shapes of the images, the kernels and the result. */
export function shapesOf(c: Convolution): { x: number[]; kernel: number[]; out: number[] } {
  const places = [0, 1].map((axis) => {
    const reach = along(c.dilation, axis, 1) * (c.kernel[axis]! - 1) + 1;
    return Math.floor((c.size[axis]! + 2 * along(c.padding, axis, 0) - reach) / along(c.stride, axis, 1)) + 1;
  });
  const [inputs, outputs] = c.channels;
  return {
    x: [c.images, ...c.size, inputs],
    kernel: [outputs, ...c.kernel, inputs / (c.groups ?? 1)],
    out: [c.images, ...places, outputs],
  };
}

/** The fields that all three operations have. */
export const movesOf = ({ stride = [], padding = [], dilation = [], groups = 1 }: Convolution) => ({
  stride,
  padding,
  dilation,
  groups,
});

/** Normal numbers of a seed, in a shape. */
export const drawn = (on: Device, shape: readonly number[], seed: number, dtype: Floating): Tensor =>
  tensorOf(on, normal(sizeOf(shape), seed), shape, dtype);

/** ⟨a, b⟩ of two tensors in f64. */
export async function innerProduct(a: Tensor, b: Tensor): Promise<number> {
  const [x, y] = [await valuesOf(a), await valuesOf(b)];
  return x.reduce((sum, v, i) => sum + v * y[i]!, 0);
}

/**
 * Results `[1, 9, 9, channels]` of ones under kernels of 3 × 3 ones with a padding of 1, each of so many channels, but for
 * what `special` says.
 */
export function sumsOfOnes(
  channels: number,
  each: number,
  special: (row: number, column: number, channel: number) => number | undefined,
): Float32Array {
  return Float32Array.from({ length: 9 * 9 * channels }, (_, at) => {
    const [i, j] = [Math.floor(at / channels / 9), Math.floor(at / channels) % 9];
    return special(i, j, at % channels) ?? each * (i % 8 === 0 ? 2 : 3) * (j % 8 === 0 ? 2 : 3);
  });
}

/** Kernels of ones, as many as channels, of which the first has an infinity over the pixel above and to the left. */
export function infiniteKernels(device: Device, channels: number, groups: number): Tensor {
  const taps = new Float32Array((channels * 9 * channels) / groups).fill(1);
  taps[0] = Infinity;
  return Tensor.from(device, taps, [channels, 3, 3, channels / groups]);
}

/** For a title. */
export const titleOf = (c: Convolution): string =>
  `${c.images} × ${c.size.join(' × ')}, ${c.channels.join(' → ')} by ${c.kernel.join(' × ')}${Object.entries(movesOf(c))
    .filter(([, value]) => [value].flat().length > 0 && value !== 1)
    .map(([name, value]) => `, ${name} ${value}`)
    .join('')}`;

/** The error of sums of so many products of normal numbers, relative to the largest one. */
export const ulpsOf = (terms: number, dtype: Floating): number =>
  dtype === 'f16' || dtype === 'bf16' ? 1 : 4 + 2 * Math.sqrt(terms);
