import { Owned } from '../../core/owned.ts';
import type { Tensor } from '../../core/tensor.ts';
import * as vectors from '../../core/vectors.ts';
import { Delay } from './delay.ts';
import type { Leaf, Part } from './leaf.ts';
import { nobody, type Output, type Place, type Reach, type Waiting } from './reach.ts';
import { Sequential } from './sequential.ts';

/** The sum of several layers of the same input; those that are early wait for the latest. */
export class Parallel implements Part {
  readonly name: string;
  readonly reach: Reach;
  readonly place: Place | undefined;
  readonly inner: number | undefined;
  readonly leaves: readonly Leaf[];
  readonly #branches: readonly Part[];

  /** @param parts of one stride, which make a sequence as much shorter each. */
  constructor(name: 'parallel' | 'residual', parts: readonly Part[]) {
    this.name = name;
    const delay = Math.max(...parts.map(({ reach }) => reach.delay));
    // The inputs wait: those of a layer with a stride need not wait for a multiple of it.
    this.#branches = parts.map((part) =>
      part.reach.delay === delay ? part : new Sequential([new Delay(delay - part.reach.delay), part]),
    );
    const most = (of: (reach: Reach) => number): number => Math.max(...parts.map(({ reach }) => of(reach)));
    const receptiveField = most((reach) => reach.receptiveField);
    this.reach = { receptiveField, padding: most((reach) => reach.padding), stride: parts[0]!.reach.stride, delay };
    this.place = parts.find(({ place }) => place)?.place;
    this.inner = parts.find(({ inner }) => inner !== undefined)?.inner;
    this.leaves = this.#branches.flatMap((branch) => branch.leaves);
  }

  channels(where: string, given: number, tell?: (leaf: Leaf, channels: number) => void): number {
    // They give as many each.
    return this.#branches.map((branch) => branch.channels(where, given, tell))[0]!;
  }
  places(given: number): number {
    return Math.min(...this.#branches.map((branch) => branch.places(given)));
  }
  forward(x: Tensor): Tensor {
    using owned = new Owned<Tensor>();
    const [first, ...others] = this.#branches.map((branch) => owned.add(branch.forward(x)));
    for (const other of others) vectors.axpy(x.device, 1, other, first!);
    return owned.release(first!);
  }
  push(x: Tensor, waiting: Waiting): Output | undefined {
    using owned = new Owned<Tensor>();
    const all: Output[] = [];
    for (const branch of this.#branches) {
      const next = branch.push(x, waiting);
      if (!next) continue;
      owned.add(next.out);
      all.push(next);
    }
    if (all.length === 0) return undefined;
    const [{ out }, ...others] = all as [Output, ...Output[]];
    for (const other of others) vectors.axpy(x.device, 1, other.out, out);
    const late = all.flatMap((output) => [...output.waiting]);
    return { out: owned.release(out), waiting: late.length > 0 ? new Set(late) : nobody };
  }
  seek(count: number): number {
    return Math.max(...this.#branches.map((branch) => branch.seek(count)));
  }
  dispose(): void {
    for (const branch of this.#branches) branch.dispose();
  }
}
