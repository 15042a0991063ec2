import { Owned } from '../../core/owned.ts';
import { Tensor } from '../../core/tensor.ts';
import { Leaf, type Sizes, type StatePlace } from './leaf.ts';
import type { Reach } from './reach.ts';
import { Ring } from './ring.ts';

/** The same, so many steps later. */
export class Delay extends Leaf {
  readonly name = 'delay';
  readonly reach: Reach;
  readonly settings: Readonly<Record<string, unknown>>;
  readonly #ring: Ring | undefined;

  constructor(steps: number) {
    super();
    this.reach = { receptiveField: 1, padding: 0, stride: 1, delay: steps };
    this.settings = { steps };
    this.#ring = steps > 0 ? new Ring(steps, 1) : undefined;
  }

  protected channelsOf(_where: string, given: number): number {
    return given;
  }
  statePlaces(sizes: Sizes): Readonly<Record<string, StatePlace>> {
    return this.#ring?.places(sizes) ?? {};
  }
  protected override opened(state: Readonly<Record<string, Tensor>>, views: Owned<Tensor>): void {
    this.#ring?.open(state, views);
  }
  protected take(x: Tensor, index: number, isReady: boolean): Tensor | undefined {
    if (!this.#ring) return x.copy();
    using owned = new Owned<Tensor>();
    const old = isReady ? owned.add(new Tensor(x.device, x.shape, x.dtype)) : undefined;
    this.#ring.write(x, index, old);
    return old && owned.release(old);
  }
  forward(x: Tensor): Tensor {
    return x.copy();
  }
}
