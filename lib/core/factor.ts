import type { Tensor } from './tensor.ts';

/** A number, a tensor of one element on the device, or their product. */
export type Factor = number | Tensor | readonly [number, Tensor];
