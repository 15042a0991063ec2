import type { Device } from '../../core/device.ts';
import type { Dtype } from '../../core/dtypes.ts';
import { refusal } from '../../core/errors.ts';
import { Owned } from '../../core/owned.ts';
import { Tensor } from '../../core/tensor.ts';

/** Sizes of the keys of all heads of one attention. */
interface Sizes {
  readonly streams: number;
  readonly width: number;
  readonly length: number;
}

/** Keys and values of one attention, as the operation takes them for so many heads. */
export class Cache {
  keys: Tensor;
  values: Tensor;
  readonly #sizes: Sizes;
  readonly #owned: Owned<Tensor>;
  #kvHeads = 0;

  constructor(device: Device, sizes: Sizes, dtype: Dtype) {
    const { streams, width, length } = sizes;
    using owned = new Owned<Tensor>();
    const make = () => owned.add(new Tensor(device, [streams, 1, width, length], dtype));
    [this.keys, this.values] = [make(), make()];
    this.#sizes = sizes;
    this.#owned = owned.move();
  }

  /** Takes so many heads from now on. @throws ERR_STATE where places lie there for another number */
  arrange(kvHeads: number, isEmpty: boolean): this {
    if (this.#kvHeads === kvHeads) return this;
    const { streams, width, length } = this.#sizes;
    if (width % kvHeads !== 0)
      throw refusal('nn.attention', "ring's width", `be that of ${kvHeads} heads`, String(width), 'ERR_SHAPE');
    if (!isEmpty)
      throw refusal('nn.attention', 'kvHeads', `be ${this.#kvHeads} until the ring is reset`, kvHeads, 'ERR_STATE');
    const size = width / kvHeads;
    const { keys, values } = this;
    this.keys = this.#owned.add(keys.reshape([streams, kvHeads, size, length]));
    this.values = this.#owned.add(values.reshape([streams, kvHeads, length, size]));
    for (const before of [keys, values]) this.#owned.drop(before);
    this.#kvHeads = kvHeads;
    return this;
  }

  dispose(): void {
    this.#owned.dispose();
  }
}
