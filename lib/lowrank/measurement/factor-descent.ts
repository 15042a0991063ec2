import * as check from '../../core/check.ts';
import type { Owned } from '../../core/owned.ts';
import type { Tensor } from '../../core/tensor.ts';
import type { BlockDescent } from './blocks.ts';
import { checkMeasurement, type MeasurementOperator } from './operator.ts';

/** A descent on factors toward numbers that were measured. */
export abstract class FactorDescent {
  readonly #y: Tensor;
  #descent: BlockDescent | undefined;
  #owned: Owned<Tensor> | undefined;
  #disposed = false;

  constructor(where: string, measurement: MeasurementOperator, y: Tensor) {
    checkMeasurement(where, 'measurement', measurement);
    const { device, shape, dtype } = measurement;
    check.tensor(where, 'y', y, { dtypes: [dtype], shape: [shape[0]], device });
    this.#y = y;
  }

  /** @internal All that goes when the descent is disposed of; moved out of here. */
  protected keep(descent: BlockDescent, owned: Owned<Tensor>): void {
    this.#descent = descent;
    this.#owned = owned.move();
  }

  /** @internal @throws ERR_DISPOSED */
  protected checkAlive(where: string, word: string, needsNumbers = false): void {
    check.alive(where, word, this);
    if (needsNumbers) check.alive(where, 'y', this.#y);
  }

  /** True once `dispose` has been called. */
  get disposed(): boolean {
    return this.#disposed;
  }

  /** Steps made so far. */
  get steps(): number {
    return this.#descent!.steps;
  }

  /** Gives the memory back; later use throws `ERR_DISPOSED`. Measurement and y stay. */
  dispose(): void {
    this.#disposed = true;
    this.#owned!.dispose();
  }

  /** Disposes, at the end of a block that begins with `using descent = …`. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}
