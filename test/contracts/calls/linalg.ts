import { Tensor } from '../../../lib/index.ts';
import type { Call, Scene } from '../call.ts';

/** A positive definite matrix of side 3. */
const positive = ({ device }: Scene) => Tensor.from(device, Float64Array.of(4, 1, 0, 1, 3, 1, 0, 1, 2), [3, 3]);
const tall = ({ device }: Scene) => Tensor.from(device, Float64Array.of(1, 2, 3, 4, 5, 7), [3, 2]);
const right = ({ device }: Scene) => Tensor.from(device, Float64Array.of(1, 2, 3), [3, 1]);

export const calls: Record<string, Call> = {
  cholesky: { args: (on) => [positive(on)], options: () => ({}) },
  eigh: { args: (on) => [positive(on)], options: () => ({ vectors: true }) },
  lu: { args: (on) => [positive(on)] },
  qr: { args: (on) => [tall(on)] },
  svd: { args: (on) => [tall(on)], options: () => ({ vectors: true }) },
  polar: { args: (on) => [tall(on)], options: () => ({}) },
  randomizedSvd: {
    args: (on) => [tall(on)],
    options: () => ({ rank: 1 }),
    refused: [{ rank: 3 }],
  },
  lstsq: { args: (on) => [tall(on), right(on)], options: () => ({}) },
  solve: { args: (on) => [positive(on), right(on)], options: () => ({}) },
};
