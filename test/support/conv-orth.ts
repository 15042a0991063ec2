import { readFileSync } from 'node:fs';
import type { Device, Tensor } from '../../lib/index.ts';
import { splitmixMatrix } from './splitmix.ts';
import { tensorOf } from './tensors.ts';

export interface Convolution {
  readonly shape: readonly [outputs: number, channels: number, side: number];
  readonly stride: number;
  /** Side of the images. */
  readonly size: number;
  readonly seed: number;
  readonly scale: number;
}
interface Problem extends Convolution {
  readonly loss: number;
  readonly gradient: readonly number[];
  readonly singularValues: readonly number[];
}
interface Descent extends Convolution {
  readonly rate: number;
  readonly steps: number;
  readonly losses: readonly [first: number, later: number, last: number];
  readonly first: readonly [least: number, most: number];
  readonly last: readonly [least: number, most: number];
}

/** L_orth of small convolutions by PyTorch and NumPy: scripts/golden/conv_orth.py. */
export const { problems, descents } = JSON.parse(
  readFileSync(new URL('../golden/conv-orth.json', import.meta.url), 'utf8'),
) as { problems: readonly Problem[]; descents: readonly Descent[] };

/** The kernels that its numbers are of. */
export function kernelOf(device: Device, { shape, seed, scale }: Convolution, dtype: 'f32' | 'f64' = 'f64'): Tensor {
  const [outputs, channels, side] = shape;
  const data = splitmixMatrix(outputs * side ** 2, channels, seed).map((x) => x * scale);
  return tensorOf(device, data, [outputs, side, side, channels], dtype);
}
