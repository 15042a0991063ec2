import type { Device } from '../../core/device.ts';
import { isHalf } from '../../core/dtypes.ts';
import { OrthokitError } from '../../core/errors.ts';
import { ops } from '../../core/native-ops.ts';
import { Owned } from '../../core/owned.ts';
import { Tensor } from '../../core/tensor.ts';
import type { CommonOptions } from './common-options.ts';
import type { Guard } from './guard.ts';
import type { Group } from './params.ts';

/** Elements that one step has left as they were, though their gradient was not 0, of so many. */
export interface Lost {
  readonly count: number;
  readonly elements: number;
}

/** A step that is being counted: `end` once it is queued; `dispose`, however it ends. */
interface Counting {
  end(): void;
  dispose(): void;
}

/**
 * Updates that the rounding of weights in 16 bits loses. Counting takes a copy of the weights, so only some
 * steps are counted: the first one, and the one after each look at the count.
 */
export class LostUpdates {
  readonly #device: Device;
  readonly #weights: ReadonlySet<Tensor>;
  #isDue = true;
  #counts: Tensor | undefined;
  #elements = 0;

  /** Counts the weights of these groups that have 16 bits and no masters; nothing, if there are none. */
  constructor(device: Device, groups: readonly Group<CommonOptions>[]) {
    this.#device = device;
    this.#weights = new Set(
      groups
        .filter(({ masterWeights }) => masterWeights === 'none')
        .flatMap(({ params }) => params.filter(({ dtype }) => isHalf(dtype))),
    );
  }

  /** Queues copies, where the step is to be counted. */
  begin(params: readonly Tensor[], grads: readonly (Tensor | null)[], guard: Guard): Counting | undefined {
    if (!this.#isDue || this.#weights.size === 0) return undefined;
    const x: Tensor[] = [];
    const given: Tensor[] = [];
    for (const [i, weight] of params.entries()) {
      const grad = grads[i];
      if (!grad || !this.#weights.has(weight)) continue;
      x.push(weight);
      given.push(grad);
    }
    if (x.length === 0) return undefined;
    const owned = new Owned<Tensor>();
    try {
      const before = x.map(({ shape, dtype }) => owned.add(new Tensor(this.#device, shape, dtype)));
      const out = owned.add(new Tensor(this.#device, [x.length], 'f64'));
      ops.copy(this.#device, { out: before, x });
      return {
        end: () => {
          ops.countUnmoved(this.#device, { x, before, grads: given, out, ...guard.field() });
          this.#counts?.dispose();
          this.#counts = owned.release(out);
          this.#elements = x.reduce((sum, { size }) => sum + size, 0);
          this.#isDue = false;
        },
        dispose: () => owned.dispose(),
      };
    } catch (error) {
      owned.dispose();
      // A step that fits without a copy is taken, and not counted.
      if (error instanceof OrthokitError && error.code === 'ERR_MEMORY') return undefined;
      throw error;
    }
  }

  /** The count of the last step that was counted, and has the next one counted; undefined where nothing ever is. */
  async read(): Promise<Lost | undefined> {
    if (this.#weights.size === 0) return undefined;
    this.#isDue = true;
    const elements = this.#elements;
    const counts = (await this.#counts?.read()) ?? [];
    return { count: [...counts].reduce((sum, count) => sum + count, 0), elements };
  }

  dispose(): void {
    this.#counts?.dispose();
  }
}
