import { ops } from '../../core/native-ops.ts';
import type { Owned } from '../../core/owned.ts';
import type { Tensor } from '../../core/tensor.ts';
import type { Sizes, StatePlace } from './leaf.ts';

/** The last inputs that taps of a kernel stand at, of each of `dilation` phases: `[streams, taps, channels]`. */
export class Ring {
  readonly #taps: number;
  readonly #dilation: number;
  #phases: readonly Tensor[] = [];
  #flat: readonly Tensor[] = [];

  constructor(taps: number, dilation: number) {
    this.#taps = taps;
    this.#dilation = dilation;
  }

  places({ streams, channels, dtype }: Sizes): Readonly<Record<string, StatePlace>> {
    const place = { shape: [streams, this.#taps, channels], dtype };
    return Object.fromEntries(Array.from({ length: this.#dilation }, (_, i) => [`ring.${i}`, place]));
  }
  open(state: Readonly<Record<string, Tensor>>, views: Owned<Tensor>): void {
    this.#phases = Array.from({ length: this.#dilation }, (_, i) => state[`ring.${i}`]!);
    this.#flat = this.#phases.map((ring) => views.add(ring.reshape([ring.shape[0]!, ring.shape[1]! * ring.shape[2]!])));
  }

  /**
   * Input `index` over the oldest one, which goes to `old`. Then the ring holds the inputs at all taps, the newest in
   * row `slot`, the oldest in the next one.
   */
  write(x: Tensor, index: number, old?: Tensor): { ring: Tensor; flat: Tensor; slot: number } {
    const phase = index % this.#dilation;
    const slot = Math.floor(index / this.#dilation) % this.#taps;
    const ring = this.#phases[phase]!;
    ops.ringWrite(x.device, { ring, x, old, slot });
    return { ring, flat: this.#flat[phase]!, slot };
  }
}
