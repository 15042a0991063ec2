import { ops } from '../../core/native-ops.ts';
import { Owned } from '../../core/owned.ts';
import { Tensor } from '../../core/tensor.ts';
import { reachOf, type Taps } from './conv1d.ts';
import { Leaf, type Sizes, type StatePlace } from './leaf.ts';
import type { Reach } from './reach.ts';
import { Ring } from './ring.ts';
import { byStream, windows } from './whole.ts';

/** The mean or the maximum over time. */
export class Pool1d extends Leaf {
  readonly name: string;
  readonly reach: Reach;
  readonly settings: Readonly<Record<string, unknown>>;
  readonly #taps: Taps;
  readonly #ring: Ring;
  readonly #reduction: 'mean' | 'max';

  constructor(name: 'averagePool1d' | 'maxPool1d', taps: Taps) {
    super();
    this.name = name;
    this.#reduction = name === 'maxPool1d' ? 'max' : 'mean';
    this.#taps = taps;
    this.reach = reachOf(taps);
    this.settings = { ...taps };
    this.#ring = new Ring(taps.kernel, taps.dilation);
  }

  protected channelsOf(_where: string, given: number): number {
    return given;
  }
  statePlaces(sizes: Sizes): Readonly<Record<string, StatePlace>> {
    return this.#ring.places(sizes);
  }
  protected override opened(state: Readonly<Record<string, Tensor>>, views: Owned<Tensor>): void {
    this.#ring.open(state, views);
  }
  protected take(x: Tensor, index: number, isReady: boolean): Tensor | undefined {
    const { ring } = this.#ring.write(x, index);
    return isReady ? this.#reduced(ring, x.shape) : undefined;
  }
  forward(x: Tensor): Tensor {
    const [streams, channels] = x.shape as [number, number, number];
    using seen = windows(x, this.#taps.kernel, this.#taps.dilation, this.reach);
    using all = this.#reduced(seen, [seen.shape[0]!, streams * channels]);
    using out = all.reshape([seen.shape[0]!, streams, channels]);
    return byStream(out);
  }

  #reduced(x: Tensor, shape: readonly number[]): Tensor {
    using owned = new Owned<Tensor>();
    const out = owned.add(new Tensor(x.device, shape, x.dtype));
    ops.columnReduce(x.device, { x, out, reduction: this.#reduction });
    return owned.release(out);
  }
}
