import { ops } from '../../core/native-ops.ts';
import { Owned } from '../../core/owned.ts';
import { Tensor } from '../../core/tensor.ts';
import { Leaf } from './leaf.ts';
import { atOnce } from './linear.ts';
import type { Reach } from './reach.ts';

/** A function of each element. */
export type ContinualMapWord = 'relu' | 'gelu' | 'silu' | 'tanh' | 'sigmoid' | 'softplus';
export const mapWords: readonly ContinualMapWord[] = ['relu', 'gelu', 'silu', 'tanh', 'sigmoid', 'softplus'];

export class Mapped extends Leaf {
  readonly name = 'map';
  readonly reach: Reach = atOnce;
  readonly settings: Readonly<Record<string, unknown>>;
  readonly #word: ContinualMapWord;

  constructor(word: ContinualMapWord) {
    super();
    this.#word = word;
    this.settings = { word };
  }

  protected channelsOf(_where: string, given: number): number {
    return given;
  }
  statePlaces(): Readonly<Record<string, never>> {
    return {};
  }
  protected take(x: Tensor): Tensor {
    return this.forward(x);
  }
  forward(x: Tensor): Tensor {
    using owned = new Owned<Tensor>();
    const out = owned.add(new Tensor(x.device, x.shape, x.dtype));
    ops.map(x.device, { x: [x], out: [out], function: this.#word });
    return owned.release(out);
  }
}
