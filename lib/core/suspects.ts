import type { Device } from './device.ts';
import { ownCall } from './own-call.ts';
import type { Owned } from './owned.ts';
import { Tensor } from './tensor.ts';

const copyAll = ownCall('copy');
const fill = ownCall('fill');
const norms = ownCall('norms');

/** Who has given numbers that are not finite: lengths of the results of functions in the last step looked at. */
export class Suspects {
  readonly #device: Device;
  readonly #names: readonly string[];
  /** Lengths of the present step, and the part of each call. */
  readonly #sizes: Tensor;
  readonly #parts: readonly Tensor[];
  /** Lengths of the first step that failed, or the last one. */
  readonly #told: Tensor;

  /** `calls` are those of a step in their order: who is called, and how many tensors it gives. */
  constructor(device: Device, calls: readonly (readonly [name: string, tensors: number])[], owned: Owned<Tensor>) {
    this.#device = device;
    this.#names = calls.flatMap(([name, tensors]) => Array(tensors).fill(name));
    const make = () => owned.add(Tensor.zeros(device, [this.#names.length], { dtype: 'f64' }));
    [this.#sizes, this.#told] = [make(), make()];
    let end = 0;
    this.#parts = calls.map(([, tensors]) => {
      const start = end;
      end += tensors;
      return owned.add(this.#sizes.rows(start, end));
    });
  }

  /** Queues the look at what a call has given, by its place among all calls. `length` becomes the length of it all. */
  look(call: number, given: readonly Tensor[], length?: Tensor): void {
    const out = this.#parts[call]!;
    norms(this.#device, { x: given, out });
    if (length === undefined) return;
    if (given.length === 1) copyAll(this.#device, { x: [out], out: [length] });
    else norms(this.#device, { x: [out], out: length });
  }

  /** The same of all calls, whose results follow one another. */
  lookAtAll(given: readonly Tensor[]): void {
    norms(this.#device, { x: given, out: this.#sizes });
  }

  /** Queues the end of a step; `commit` holds it back where an earlier step has failed. */
  end(commit: (state: readonly Tensor[], x: readonly Tensor[]) => void): void {
    commit([this.#told], [this.#sizes]);
  }

  /** Queues that nobody is suspected: the next step may not call all. */
  clear(): void {
    fill(this.#device, { x: [this.#sizes, this.#told] });
  }

  /** The first one of the step that failed, or nobody; from then on nobody is. */
  async culprit(): Promise<string | undefined> {
    const sizes = await this.#told.read();
    this.clear();
    return this.#names[sizes.findIndex((size) => !Number.isFinite(size))];
  }
}
