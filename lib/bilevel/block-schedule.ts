import { shuffled } from '../core/shuffled.ts';

/**
 * The blocks that a step takes: all are shuffled in each epoch, and taken so many at a time. What an epoch has left
 * over waits for another one, so that no step has a block twice. Nothing is stored.
 */
export class BlockSchedule {
  readonly #count: number;
  readonly #perStep: number;
  readonly #seed: number;
  readonly #stepsOfEpoch: number;
  #epoch = -1;
  #blockAt: (place: number) => number = () => 0;
  /** The blocks of the last two steps that were asked for. */
  #known: { readonly step: number; readonly blocks: Int32Array<ArrayBuffer> }[] = [];
  /** For each block of the step before its place there; −1 for all others, and between calls. */
  readonly #placeBefore: Int32Array;

  constructor(count: number, perStep: number, seed: number) {
    [this.#count, this.#perStep, this.#seed] = [count, perStep, seed];
    this.#stepsOfEpoch = Math.floor(count / perStep);
    this.#placeBefore = new Int32Array(count).fill(-1);
  }

  /** The blocks of a step, which is counted from 0. */
  at(step: number): Int32Array<ArrayBuffer> {
    return this.#blocksOf(step).slice();
  }

  #blocksOf(step: number): Int32Array<ArrayBuffer> {
    const known = this.#known.find((one) => one.step === step);
    if (known) return known.blocks;
    const epoch = Math.floor(step / this.#stepsOfEpoch);
    if (epoch !== this.#epoch) [this.#epoch, this.#blockAt] = [epoch, shuffled(this.#count, this.#seed, epoch)];
    const first = (step % this.#stepsOfEpoch) * this.#perStep;
    const blocks = new Int32Array(this.#perStep);
    for (let i = 0; i < blocks.length; ++i) blocks[i] = this.#blockAt(first + i);
    this.#known = [...this.#known.slice(-1), { step, blocks }];
    return blocks;
  }

  /** For each block of a step its place in the step before, or −1. */
  placesBefore(step: number): Int32Array<ArrayBuffer> {
    if (step === 0) return new Int32Array(this.#perStep).fill(-1);
    const [before, now] = [this.#blocksOf(step - 1), this.#blocksOf(step)];
    const places = this.#placeBefore;
    for (let i = 0; i < before.length; ++i) places[before[i]!] = i;
    const found = new Int32Array(now.length);
    for (let i = 0; i < now.length; ++i) found[i] = places[now[i]!]!;
    for (let i = 0; i < before.length; ++i) places[before[i]!] = -1;
    return found;
  }
}
