import { refusal } from '../../core/errors.ts';
import { ops } from '../../core/native-ops.ts';
import { Owned } from '../../core/owned.ts';
import { Tensor } from '../../core/tensor.ts';
import { Leaf, type Sizes, type StatePlace } from './leaf.ts';
import type { Place, Reach, StreamDtype } from './reach.ts';
import { Ring } from './ring.ts';
import { byStream, rearranged, windows } from './whole.ts';

/** The taps of a kernel along time. */
export interface Taps {
  readonly kernel: number;
  readonly stride: number;
  readonly padding: number;
  readonly dilation: number;
}

export const reachOf = ({ kernel, stride, padding, dilation }: Taps): Reach => {
  const receptiveField = dilation * (kernel - 1) + 1;
  return { receptiveField, padding, stride, delay: receptiveField - 1 - padding };
};

/** A convolution over time: one product a step, of the ring as it lies with the taps in its order. */
export class Conv1d extends Leaf {
  readonly name = 'conv1d';
  readonly reach: Reach;
  readonly settings: Readonly<Record<string, unknown>>;
  override readonly place: Place;
  override readonly inner: number;
  readonly #taps: Taps;
  readonly #outer: number;
  readonly #ring: Ring;
  readonly #bias: Tensor | undefined;
  /** Weights by the row of the newest input in the ring: `[taps · channels, outputs]`, views of taps that lie twice. */
  readonly #turned: readonly Tensor[];

  /** @param weight `[outputs, channels, taps]` */
  constructor(weight: Tensor, bias: Tensor | undefined, taps: Taps) {
    super();
    const [outer, inner, kernel] = weight.shape as [number, number, number];
    const { device, dtype } = weight;
    this.#taps = taps;
    [this.inner, this.#outer] = [inner, outer];
    this.reach = reachOf(taps);
    this.place = { device, dtype: dtype as StreamDtype };
    this.settings = { ...taps, inner, outer };
    this.#ring = new Ring(kernel, taps.dilation);
    using owned = new Owned<Tensor>();
    const twice = owned.add(new Tensor(device, [2 * kernel * inner, outer], dtype));
    const half = [0, 1].map((i) => owned.add(twice.rows(i * kernel * inner, (i + 1) * kernel * inner)));
    for (const out of half) ops.rearrange(device, { x: weight, out, axes: [2, 1, 0] });
    // The newest input is that of the last tap: where it lies in row s, row 0 holds tap kernel − 1 − s.
    this.#turned = Array.from({ length: kernel }, (_, slot) => {
      const first = (kernel - 1 - slot) * inner;
      return owned.add(twice.rows(first, first + kernel * inner));
    });
    this.#bias = bias && owned.add(bias.copy());
    for (const tensor of [...owned]) this.weights.add(owned.release(tensor));
  }

  protected channelsOf(where: string, given: number): number {
    if (given !== this.inner) throw refusal(where, 'x', `have ${this.inner} channels`, given, 'ERR_SHAPE');
    return this.#outer;
  }
  statePlaces(sizes: Sizes): Readonly<Record<string, StatePlace>> {
    return this.#ring.places(sizes);
  }
  protected override opened(state: Readonly<Record<string, Tensor>>, views: Owned<Tensor>): void {
    this.#ring.open(state, views);
  }

  protected take(x: Tensor, index: number, isReady: boolean): Tensor | undefined {
    const { flat, slot } = this.#ring.write(x, index);
    return isReady ? this.#product(flat, this.#turned[slot]!) : undefined;
  }

  forward(x: Tensor): Tensor {
    const [streams] = x.shape as [number, number, number];
    const { kernel, dilation } = this.#taps;
    using seen = windows(x, kernel, dilation, this.reach);
    const outputs = seen.shape[0]!;
    using parts = seen.reshape([outputs, kernel, streams, this.inner]);
    using rows = rearranged(parts, [0, 2, 1, 3], [outputs * streams, kernel * this.inner]);
    using all = this.#product(rows, this.#turned[kernel - 1]!);
    using out = all.reshape([outputs, streams, this.#outer]);
    return byStream(out);
  }

  #product(rows: Tensor, weight: Tensor): Tensor {
    using owned = new Owned<Tensor>();
    const out = owned.add(new Tensor(rows.device, [rows.shape[0]!, this.#outer], rows.dtype));
    ops.gemm(rows.device, { a: rows, b: weight, c: out, bias: this.#bias });
    return owned.release(out);
  }
}
