import * as check from '../../core/check.ts';
import { refusal } from '../../core/errors.ts';
import type { Tensor } from '../../core/tensor.ts';

/**
 * The side of a convolution's matrix that can be orthonormal: its rows, where there are no more outputs than inputs of
 * a step of the kernels, C · stride², else its columns.
 */
export type ConvOrthMode = 'row' | 'column';

/** Sizes of kernels `[outputs, side, side, channels]`. */
export interface KernelSizes {
  readonly outputs: number;
  readonly side: number;
  readonly channels: number;
}

/** @throws ERR_ARGUMENT, ERR_DTYPE, ERR_SHAPE, ERR_DISPOSED for what are no kernels as wide as they are high */
export function kernelSizes(where: string, name: string, kernel: Tensor): KernelSizes {
  check.tensor(where, name, kernel, { dtypes: check.floating, rank: 4, filled: true });
  const [outputs, side, width, channels] = kernel.shape as [number, number, number, number];
  if (side !== width) throw refusal(where, name, 'be [O, k, k, C], as wide as high', `[${kernel.shape}]`, 'ERR_SHAPE');
  return { outputs, side, channels };
}

export const modeOf = ({ outputs, channels }: KernelSizes, stride: number): ConvOrthMode =>
  outputs <= channels * stride ** 2 ? 'row' : 'column';
