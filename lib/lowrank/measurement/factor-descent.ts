import * as check from '../../core/check.ts';
import type { Owned } from '../../core/owned.ts';
import type { Tensor } from '../../core/tensor.ts';
import type { BlockDescent } from './blocks.ts';
import { checkMeasurement, type MeasurementOperator } from './operator.ts';

/** @internal Takes all that goes when a descent that is being made is disposed of; moved out of `owned`. */
export let keepDescent: (method: FactorDescent, descent: BlockDescent, owned: Owned<Tensor>) => void;
/** @internal @throws ERR_DISPOSED */
export let checkDescent: (where: string, word: string, method: FactorDescent, needsNumbers?: boolean) => void;

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

  // No methods: a class of a caller's that extends one of ours may have any names.
  static {
    keepDescent = (method, descent, owned) => {
      method.#descent = descent;
      method.#owned = owned.move();
    };
    checkDescent = (where, word, method, needsNumbers = false) => {
      check.alive(where, word, { disposed: method.#disposed });
      if (needsNumbers) check.alive(where, 'y', method.#y);
    };
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
