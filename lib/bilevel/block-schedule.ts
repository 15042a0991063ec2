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

  constructor(count: number, perStep: number, seed: number) {
    [this.#count, this.#perStep, this.#seed] = [count, perStep, seed];
    this.#stepsOfEpoch = Math.floor(count / perStep);
  }

  /** The blocks of a step, which is counted from 0. */
  at(step: number): Int32Array<ArrayBuffer> {
    const epoch = Math.floor(step / this.#stepsOfEpoch);
    if (epoch !== this.#epoch) [this.#epoch, this.#blockAt] = [epoch, shuffled(this.#count, this.#seed, epoch)];
    const first = (step % this.#stepsOfEpoch) * this.#perStep;
    return Int32Array.from({ length: this.#perStep }, (_, i) => this.#blockAt(first + i));
  }

  /** For each block of a step its place in the step before, or −1. */
  placesBefore(step: number): number[] {
    const before = new Map(step === 0 ? [] : [...this.at(step - 1)].map((id, place) => [id, place]));
    return [...this.at(step)].map((id) => before.get(id) ?? -1);
  }
}
