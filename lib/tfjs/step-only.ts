// A step of some parameters and of no others.
import type { Device } from '../core/device.ts';
import { Owned } from '../core/owned.ts';
import { Tensor } from '../core/tensor.ts';
import type { Made } from './spec.ts';

/** Gradients of zeros, one a shape. */
export class Zeros {
  readonly #device: Device;
  readonly #owned = new Owned<Tensor>();
  readonly #all = new Map<string, Tensor>();

  constructor(device: Device) {
    this.#device = device;
  }

  of(shape: readonly number[]): Tensor {
    const key = shape.join();
    const zero = this.#all.get(key) ?? this.#owned.add(Tensor.zeros(this.#device, shape));
    this.#all.set(key, zero);
    return zero;
  }

  dispose(): void {
    this.#owned.dispose();
  }
}

/** Steps the parameters with a gradient; where a missing one counts as zeros, these are in the map already. */
export function stepOnly(optimizer: Made['optimizer'], gradients: ReadonlyMap<Tensor, Tensor | null>): void {
  const groups = optimizer.groups.filter(({ missingGrad }) => missingGrad === 'zero');
  for (const group of groups) group.missingGrad = 'skip';
  try {
    optimizer.step(gradients);
  } finally {
    for (const group of groups) group.missingGrad = 'zero';
  }
}
