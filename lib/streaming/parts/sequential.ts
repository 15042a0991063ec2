import { Owned } from '../../core/owned.ts';
import type { Tensor } from '../../core/tensor.ts';
import type { Leaf, Part } from './leaf.ts';
import type { Output, Place, Reach, Waiting } from './reach.ts';

/** One after the other. */
export class Sequential implements Part {
  readonly name = 'sequential';
  readonly reach: Reach;
  readonly place: Place | undefined;
  readonly inner: number | undefined;
  readonly leaves: readonly Leaf[];
  readonly #parts: readonly Part[];

  constructor(parts: readonly Part[]) {
    this.#parts = parts;
    let [receptiveField, padding, stride, delay] = [1, 0, 1, 0];
    for (const { reach } of parts) {
      receptiveField += (reach.receptiveField - 1) * stride;
      padding += reach.padding * stride;
      delay += reach.delay * stride;
      stride *= reach.stride;
    }
    this.reach = { receptiveField, padding, stride, delay };
    this.place = parts.find(({ place }) => place)?.place;
    this.inner = parts.find(({ inner }) => inner !== undefined)?.inner;
    this.leaves = parts.flatMap((part) => part.leaves);
  }

  channels(where: string, given: number, tell?: (leaf: Leaf, channels: number) => void): number {
    return this.#parts.reduce((channels, part) => part.channels(where, channels, tell), given);
  }
  places(given: number): number {
    return this.#parts.reduce((places, part) => (places < 1 ? places : part.places(places)), given);
  }
  forward(x: Tensor): Tensor {
    using owned = new Owned<Tensor>();
    const last = this.#parts.reduce((given, part) => owned.add(part.forward(given)), x);
    return owned.release(last);
  }
  push(x: Tensor, waiting: Waiting): Output | undefined {
    using owned = new Owned<Tensor>();
    let at: Output = { out: x, waiting };
    for (const part of this.#parts) {
      const next = part.push(at.out, at.waiting);
      if (!next) return undefined;
      owned.add(next.out);
      at = next;
    }
    owned.release(at.out);
    return at;
  }
  seek(count: number): number {
    return this.#parts.reduce((inputs, part) => part.seek(inputs), count);
  }
  dispose(): void {
    for (const part of this.#parts) part.dispose();
  }
}
