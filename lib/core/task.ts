import { abortable } from './abortable.ts';
import type { Device } from './device.ts';
import { Lane } from './lane.ts';
import { isTensor, type Tensor } from './tensor.ts';
import { inTurns, type Steps } from './turns.ts';

/** Options of every call that may last. */
export interface TaskOptions<P> {
  /** Ends the call with the signal's reason; what was passed is then as it was. Default: none. */
  signal?: AbortSignal | undefined;
  /** Told how far the call is. Default: nobody. */
  onProgress?: ((progress: P) => void) | undefined;
}

type Elements<T extends readonly Tensor[]> = { -readonly [K in keyof T]: Awaited<ReturnType<T[K]['read']>> };

/**
 * A call that may last: a lane for its work, whom it tells how far it is, and how it waits. Every wait rejects with the
 * signal's reason as soon as the signal is aborted, whatever the device is at.
 *
 * @example
 * using task = new Task(device, { signal, onProgress });
 */
export class Task<P = never> extends Lane {
  readonly device: Device;
  readonly signal: AbortSignal | undefined;
  readonly #onProgress: ((progress: P) => void) | undefined;

  /** @throws the reason of a signal that is aborted already */
  constructor(device: Device, { signal, onProgress }: TaskOptions<P> = {}) {
    signal?.throwIfAborted();
    super(device, signal);
    this.device = device;
    this.signal = signal;
    this.#onProgress = onProgress;
  }

  /** @throws the signal's reason once it is aborted, even by who was told just now */
  report(progress: P): void {
    this.#onProgress?.(progress);
    this.check();
  }

  /** @throws the signal's reason once it is aborted */
  check(): void {
    this.signal?.throwIfAborted();
  }

  wait<T>(promise: Promise<T>): Promise<T> {
    return abortable(promise, this.signal);
  }

  /** A tensor, or a record of some, that another call makes: after an abort they are given back when they come. */
  async waitFor<T extends object>(promise: Promise<T>): Promise<T> {
    try {
      return await this.wait(promise);
    } catch (error) {
      promise.then(
        (late) => {
          for (const made of isTensor(late) ? [late] : Object.values(late)) if (isTensor(made)) made.dispose();
        },
        () => {}, // it has failed by itself
      );
      throw error;
    }
  }

  /** The elements of some tensors, whose reads are queued together and waited for once. */
  async readAll<const T extends readonly Tensor[]>(...tensors: T): Promise<Elements<T>> {
    this.check();
    return (await Promise.all(tensors.map((tensor) => this.read(tensor)))) as Elements<T>;
  }

  /** Runs steps to their end; others have turns of the event loop between them. */
  run<T>(steps: Steps<T>): Promise<T> {
    return inTurns(steps, this.signal);
  }
}
