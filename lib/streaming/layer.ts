import { refusal } from '../core/errors.ts';
import { Owned } from '../core/owned.ts';
import { readOptions } from '../core/schema.ts';
import type { Tensor } from '../core/tensor.ts';
import { type ContinualStepOptions, stepSchema } from './options.ts';
import type { Part } from './parts/leaf.ts';
import { nobody } from './parts/reach.ts';
import { byTime } from './parts/whole.ts';
import { StreamedLayer } from './streamed.ts';

/**
 * A layer of one input that takes a sequence step by step, of many streams side by side, at the same cost a step
 * however long the sequence is: its outputs are those of the layer over the whole sequence, `delay` steps later.
 *
 * @example
 * using layer = continual.conv1d(weight, bias, { padding: 1 });
 * using y = layer.step(x); // x [streams, channels]; null until `delay` inputs have been
 */
export class ContinualLayer extends StreamedLayer {
  /** @internal */
  constructor(part: Part) {
    super('ContinualLayer', part);
  }

  /**
   * The next input of each stream: the output that is ready by it, a new tensor `[streams, outputs]`, or null: at first
   * after `delay` inputs, then every `stride` steps. Queued. The first step settles the number of streams, and what
   * weights leave open: device, dtype and channels.
   *
   * @param x `[streams, channels]`, f32 or f64 as the weights.
   * @throws ERR_ARGUMENT, ERR_SHAPE, ERR_DTYPE, ERR_DEVICE, ERR_DISPOSED, ERR_MEMORY; ERR_STATE for a part of another
   * layer, after a step that threw half-way, and while `load` runs
   */
  step(x: Tensor, options: ContinualStepOptions = {}): Tensor | null {
    const where = 'ContinualLayer.step';
    const part = this.ready(where);
    const { update } = readOptions(where, options, stepSchema);
    this.checkInput(where, 'x', x, 2);
    this.checkStep(where, 'x', x);
    return this.stepped(x, 1, update, () => part.push(x, nobody)?.out ?? null);
  }

  /**
   * Several steps: the outputs that are ready by them, `[streams, outputs, count]`, or null for none.
   *
   * @param x `[streams, channels, time]`, the first step at time 0.
   * @throws ERR_ARGUMENT, ERR_SHAPE, ERR_DTYPE, ERR_DEVICE, ERR_DISPOSED, ERR_MEMORY, ERR_STATE, as `step`
   */
  steps(x: Tensor): Tensor | null {
    const where = 'ContinualLayer.steps';
    const part = this.ready(where);
    this.checkInput(where, 'x', x, 3);
    this.checkStep(where, 'x', x);
    const time = x.shape[2]!;
    using sequence = byTime(x);
    const shape = sequence.shape.slice(1);
    return this.stepped(x, time, true, () => {
      using owned = new Owned<Tensor>();
      const outputs: Tensor[] = [];
      for (let t = 0; t < time; ++t) {
        using row = sequence.rows(t, t + 1);
        using input = row.reshape(shape);
        const output = part.push(input, nobody);
        if (output) outputs.push(owned.add(output.out));
      }
      return this.stacked(outputs);
    });
  }

  /**
   * The layer over whole sequences at once, with its padding at both ends: a new tensor `[streams, outputs, count]`.
   * States are neither read nor changed. Queued.
   *
   * @param x `[streams, channels, time]`, long enough for one output.
   * @throws ERR_ARGUMENT, ERR_SHAPE, ERR_DTYPE, ERR_DEVICE, ERR_DISPOSED, ERR_MEMORY; ERR_STATE for a part of another
   * layer, and while `load` runs
   */
  forward(x: Tensor): Tensor {
    const where = 'ContinualLayer.forward';
    const part = this.ready(where);
    this.checkInput(where, 'x', x, 3);
    if (part.places(x.shape[2]!) < 1)
      throw refusal(where, 'x', 'have places enough for one output', x.shape[2]!, 'ERR_SHAPE');
    return part.forward(x);
  }
}
