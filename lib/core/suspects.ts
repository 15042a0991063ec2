import type { Device } from './device.ts';
import { ops } from './native-ops.ts';
import type { Owned } from './owned.ts';
import { Tensor } from './tensor.ts';

/** Who has given numbers that are not finite: lengths of the results of functions in the last step looked at. */
export class Suspects {
  readonly #device: Device;
  readonly #names: readonly string[];
  /** Of the present step. */
  readonly #sizes: Tensor;
  /** Of the first step that failed, or the last one. */
  readonly #told: Tensor;

  /** `names` are those of the tensors, in the order in which they are given. */
  constructor(device: Device, names: readonly string[], owned: Owned<Tensor>) {
    [this.#device, this.#names] = [device, names];
    const make = () => owned.add(Tensor.zeros(device, [names.length], { dtype: 'f64' }));
    [this.#sizes, this.#told] = [make(), make()];
  }

  /** Queues the look at a step; `commit` holds it back where an earlier step has failed. */
  look(given: readonly Tensor[], commit: (state: readonly Tensor[], x: readonly Tensor[]) => void): void {
    ops.norms(this.#device, { x: given, out: this.#sizes });
    commit([this.#told], [this.#sizes]);
  }

  /** The first one of the step that failed, or nobody. */
  async culprit(): Promise<string | undefined> {
    const sizes = await this.#told.read();
    return this.#names[sizes.findIndex((size) => !Number.isFinite(size))];
  }
}
