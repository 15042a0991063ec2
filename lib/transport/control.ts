import { abortable } from '../abortable.ts';
import type { Tensor } from '../tensor.ts';
import type { Settings, TransportIterations } from './options.ts';

/** Reads the numbers of an f64 tensor. */
export type Read = (tensor: Tensor) => Promise<Float64Array>;

/** A reader that rejects with the signal's reason as soon as it is aborted. */
export function reader(signal: AbortSignal | undefined): Read {
  return async (tensor) => {
    signal?.throwIfAborted();
    return (await abortable(tensor.read(), signal)) as Float64Array;
  };
}

/** Counts what a solver does, tells of it, and stops it where the caller wants. */
export class Control {
  readonly iterations: TransportIterations = { sweeps: 0, newton: 0, cg: 0, evaluations: 0 };
  /** The numbers of an f64 tensor; rejects with the signal's reason as soon as it is aborted. */
  readonly read: Read;
  readonly #settings: Settings;

  constructor(settings: Settings) {
    this.#settings = settings;
    this.read = reader(settings.signal);
  }

  report(eps: number, marginalError: number): void {
    this.#settings.onProgress?.({ eps, marginalError, iterations: { ...this.iterations } });
  }

  /** How many sweeps are left of `maxSweeps`. */
  get sweepsLeft(): number {
    return this.#settings.maxSweeps - this.iterations.sweeps;
  }
  /** How many Newton steps are left of `maxNewton`. */
  get newtonLeft(): number {
    return this.#settings.maxNewton - this.iterations.newton;
  }
}
