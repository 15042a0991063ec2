import { refusal } from '../../core/errors.ts';
import { ops } from '../../core/native-ops.ts';
import { Owned } from '../../core/owned.ts';
import { Tensor } from '../../core/tensor.ts';
import { Leaf } from './leaf.ts';
import type { Place, Reach, StreamDtype } from './reach.ts';
import { byStream, byTime } from './whole.ts';

/** The same for every place. */
export const atOnce: Reach = { receptiveField: 1, padding: 0, stride: 1, delay: 0 };

export class Linear extends Leaf {
  readonly name = 'linear';
  readonly reach: Reach = atOnce;
  readonly settings: Readonly<Record<string, unknown>>;
  override readonly place: Place;
  override readonly inner: number;
  readonly #weight: Tensor;
  readonly #bias: Tensor | undefined;

  /** @param weight `[outputs, channels]` */
  constructor(weight: Tensor, bias: Tensor | undefined) {
    super();
    const [outer, inner] = weight.shape as [number, number];
    this.settings = { inner, outer };
    this.inner = inner;
    this.place = { device: weight.device, dtype: weight.dtype as StreamDtype };
    using owned = new Owned<Tensor>();
    this.#weight = owned.add(weight.copy());
    this.#bias = bias && owned.add(bias.copy());
    for (const tensor of [...owned]) this.weights.add(owned.release(tensor));
  }

  protected channelsOf(where: string, given: number): number {
    if (given !== this.inner) throw refusal(where, 'x', `have ${this.inner} channels`, given, 'ERR_SHAPE');
    return this.#weight.shape[0]!;
  }
  statePlaces(): Readonly<Record<string, never>> {
    return {};
  }
  protected take(x: Tensor): Tensor {
    using owned = new Owned<Tensor>();
    const out = owned.add(new Tensor(x.device, [x.shape[0]!, this.#weight.shape[0]!], x.dtype));
    ops.gemm(x.device, { a: x, b: this.#weight, c: out, bias: this.#bias, transB: 'transposed' });
    return owned.release(out);
  }
  forward(x: Tensor): Tensor {
    const [streams, channels, time] = x.shape as [number, number, number];
    using sequence = byTime(x);
    using rows = sequence.reshape([time * streams, channels]);
    using all = this.take(rows);
    using out = all.reshape([time, streams, all.shape[1]!]);
    return byStream(out);
  }
}
