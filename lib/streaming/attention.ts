import { refusal } from '../core/errors.ts';
import { Owned } from '../core/owned.ts';
import { readOptions } from '../core/schema.ts';
import type { Tensor } from '../core/tensor.ts';
import { type ContinualStepOptions, stepSchema } from './options.ts';
import { Attention, type Window } from './parts/attention.ts';
import { nobody } from './parts/reach.ts';
import { byTime } from './parts/whole.ts';
import { StreamedLayer } from './streamed.ts';

/**
 * Attention in a window of the last `length` places of each stream, which moves by one with each step: of the newest
 * place, or of all of them. It takes three inputs, and so stands in no other layer.
 *
 * @example
 * using attention = continual.attention({ heads: 4, length: 64 });
 * using y = attention.step(q, k, v); // [streams, channels] each; null until the window is full
 */
export class ContinualAttention extends StreamedLayer {
  readonly #attention: Attention;

  /** @internal */
  constructor(window: Window, limit?: number) {
    const attention = new Attention(window, limit);
    super('ContinualAttention', attention);
    this.#attention = attention;
  }

  #check(where: string, inputs: readonly [Tensor, Tensor, Tensor], rank: number): void {
    const names = ['q', 'k', 'v'];
    for (const [i, x] of inputs.entries()) this.checkInput(where, names[i]!, x, rank);
    const [q] = inputs;
    for (const [i, x] of inputs.entries()) {
      if (String(x.shape) !== String(q.shape))
        throw refusal(where, names[i]!, `have q's shape [${q.shape}]`, `[${x.shape}]`, 'ERR_SHAPE');
      if (x.dtype !== q.dtype) throw refusal(where, names[i]!, `have q's dtype ${q.dtype}`, x.dtype, 'ERR_DTYPE');
      if (x.device !== q.device) throw refusal(where, names[i]!, "be on q's device", 'another one', 'ERR_DEVICE');
    }
  }

  /**
   * The next place of each stream. Until `length` of them have come it gives null; then of mode `'single'` the new
   * place's result `[streams, channels]`, and of `'retroactive'` those of all places, `[streams, channels, length]`,
   * the oldest first. Queued.
   *
   * @param q Queries `[streams, channels]`, the channels of one head after those of the other; f32 or f64.
   * @param k Keys, as the queries.
   * @param v Values, as the queries.
   * @throws ERR_ARGUMENT, ERR_SHAPE, ERR_DTYPE, ERR_DEVICE, ERR_DISPOSED, ERR_MEMORY; ERR_STATE after a step that threw
   * half-way, and while `load` runs
   */
  step(q: Tensor, k: Tensor, v: Tensor, options: ContinualStepOptions = {}): Tensor | null {
    const where = 'ContinualAttention.step';
    const part = this.ready(where);
    const { update } = readOptions(where, options, stepSchema);
    this.#check(where, [q, k, v], 2);
    this.checkStep(where, 'q', q);
    return this.stepped(q, 1, update, () => {
      this.#attention.give(k, v);
      return part.push(q, nobody)?.out ?? null;
    });
  }

  /**
   * Several steps: their results one behind the other along a new last axis, or null for none.
   *
   * @param q Queries `[streams, channels, time]`, the first step at time 0.
   * @param k Keys, as the queries.
   * @param v Values, as the queries.
   * @throws ERR_ARGUMENT, ERR_SHAPE, ERR_DTYPE, ERR_DEVICE, ERR_DISPOSED, ERR_MEMORY, ERR_STATE, as `step`
   */
  steps(q: Tensor, k: Tensor, v: Tensor): Tensor | null {
    const where = 'ContinualAttention.steps';
    const part = this.ready(where);
    this.#check(where, [q, k, v], 3);
    this.checkStep(where, 'q', q);
    const time = q.shape[2]!;
    using owned = new Owned<Tensor>();
    const sequences = [q, k, v].map((x) => owned.add(byTime(x)));
    const shape = [q.shape[0]!, q.shape[1]!];
    return this.stepped(q, time, true, () => {
      const outputs: Tensor[] = [];
      for (let t = 0; t < time; ++t) {
        using views = new Owned<Tensor>();
        const at = (x: Tensor): Tensor => views.add(views.add(x.rows(t, t + 1)).reshape(shape));
        const [query, key, value] = sequences.map(at) as [Tensor, Tensor, Tensor];
        this.#attention.give(key, value);
        const output = part.push(query, nobody);
        if (output) outputs.push(owned.add(output.out));
      }
      return this.stacked(outputs);
    });
  }

  /**
   * Attention in whole windows at once: of the last place `[streams, channels, 1]`, or of all, `[streams, channels,
   * length]`. States are neither read nor changed. Queued.
   *
   * @param q Queries `[streams, channels, length]`.
   * @param k Keys, as the queries.
   * @param v Values, as the queries.
   * @throws ERR_ARGUMENT; ERR_SHAPE, also for sequences of another length; ERR_DTYPE, ERR_DEVICE, ERR_DISPOSED,
   * ERR_MEMORY; ERR_STATE while `load` runs
   */
  forward(q: Tensor, k: Tensor, v: Tensor): Tensor {
    const where = 'ContinualAttention.forward';
    this.ready(where);
    this.#check(where, [q, k, v], 3);
    if (q.shape[2] !== this.receptiveField)
      throw refusal(where, 'q', `have the ${this.receptiveField} places of a window`, q.shape[2]!, 'ERR_SHAPE');
    return this.#attention.forwardOf(q, k, v);
  }
}
