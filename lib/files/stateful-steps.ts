import type { CountedSteps } from './counted-steps.ts';
import type { LoadResult, SaveOptions, Stateful } from './stateful.ts';
import type { TransferOptions } from './transfer.ts';

type KeptSteps = Pick<CountedSteps, 'stateBytes' | 'save' | 'load' | 'dispose'>;

/** @internal Gives a method that is being made its steps. */
export let keepSteps: (method: StatefulSteps, steps: KeptSteps) => void;

/** A method whose state is that of its steps. */
export abstract class StatefulSteps implements Stateful {
  #kept: KeptSteps | undefined;

  // No method: a class of a caller's that extends one of ours may have any names.
  static {
    keepSteps = (method, steps) => {
      method.#kept = steps;
    };
  }

  /** Bytes of state on the device; 0 once disposed. */
  get stateBytes(): number {
    return this.#kept!.stateBytes;
  }

  /**
   * Stores the state in a safetensors file; tensors that the caller gave, such as parameters, are the caller's to
   * store.
   * @throws ERR_ARGUMENT, also for a queued step that gave NaN or infinity; ERR_STATE while another call runs;
   * ERR_DISPOSED, ERR_IO; the signal's reason when aborted
   */
  save(path: string, options: SaveOptions = {}): Promise<void> {
    return this.#kept!.save(path, options);
  }

  /**
   * Brings back what `save` stored; with the same options, steps go on bit for bit. The file is checked whole before
   * anything changes.
   * @throws ERR_STATE for a state that does not fit or of other options, and while another call runs, ERR_FORMAT,
   * ERR_ARGUMENT, ERR_DISPOSED, ERR_IO; the signal's reason when aborted
   */
  load(path: string, options: TransferOptions = {}): Promise<LoadResult> {
    return this.#kept!.load(path, options);
  }

  /** Gives the memory of the state back; later use throws `ERR_DISPOSED`. Tensors that the caller gave stay. */
  dispose(): void {
    this.#kept!.dispose();
  }

  /** Disposes, at the end of a block that begins with `using method = …`. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}
