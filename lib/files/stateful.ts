import type { TransferOptions } from './transfer.ts';

/** Options of everything that saves. */
export interface SaveOptions extends TransferOptions {
  /** Texts of the caller's to store beside the tensors, such as the state of random streams. Default: none. */
  metadata?: Record<string, string> | undefined;
}

/** Content of a saved state besides the state itself. */
export interface LoadResult {
  /** The texts that were given to `save`. */
  readonly metadata: Record<string, string>;
}

/**
 * Whatever keeps state on a device from one call to the next, such as an optimizer: its state goes to a safetensors
 * file and comes back bit for bit, also in another process and with another number of threads.
 */
export interface Stateful {
  /** Bytes of state on the device; 0 once disposed. */
  readonly stateBytes: number;
  /**
   * Stores the state of the moment of the call in a safetensors file, which replaces `path` at once and whole.
   * @throws ERR_ARGUMENT, ERR_DISPOSED, ERR_IO; the signal's reason when aborted
   */
  save(path: string, options?: SaveOptions): Promise<void>;
  /**
   * Brings back what `save` stored. The file is checked whole before anything changes.
   * @throws ERR_STATE for a state that does not fit, ERR_FORMAT for a file that is not what it says, ERR_DISPOSED,
   * ERR_IO; the signal's reason when aborted
   */
  load(path: string, options?: TransferOptions): Promise<LoadResult>;
  /** Gives the memory of the state back. What belongs to the caller, such as parameters, stays. */
  dispose(): void;
}
