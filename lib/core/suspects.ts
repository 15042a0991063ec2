import type { Device } from './device.ts';
import { ownCall } from './own-call.ts';
import type { Owned } from './owned.ts';
import { Tensor } from './tensor.ts';

const fill = ownCall('fill');
const norms = ownCall('norms');

/** Who has given numbers that are not finite: lengths of the results of functions in the last step looked at. */
export class Suspects {
  readonly #device: Device;
  readonly #names: readonly (string | undefined)[];
  /** Lengths of the present step, which are looked at when it ends, f64. */
  readonly sizes: Tensor<'f64'>;
  /** Those of the first step that failed, or of the last one. */
  readonly told: Tensor<'f64'>;

  /**
   * `names` say who is called, for each length that a step makes, in order; nobody is named for those without one, and
   * for `others` that follow.
   */
  constructor(device: Device, names: readonly (string | undefined)[], owned: Owned<Tensor>, others = 0) {
    [this.#device, this.#names] = [device, names];
    const make = () => owned.add(Tensor.zeros(device, [names.length + others], { dtype: 'f64' }));
    [this.sizes, this.told] = [make(), make()];
  }

  /** A view of `count` lengths from one of them on. */
  lengths(first: number, owned: Owned<Tensor>, count = 1): Tensor<'f64'> {
    return owned.add(this.sizes.rows(first, first + count));
  }

  /** Queues the look at one tensor for each name. */
  lookAtAll(given: readonly Tensor[]): void {
    norms(this.#device, { x: given, out: this.sizes });
  }

  /** Queues that nobody is suspected: the next step may not call all. */
  clear(): void {
    fill(this.#device, { x: [this.sizes, this.told] });
  }

  /** The first one of the step that failed, or nobody; from then on nobody is. */
  async culprit(): Promise<string | undefined> {
    const sizes = await this.told.read();
    this.clear();
    return this.#names[sizes.findIndex((size) => !Number.isFinite(size))];
  }
}
