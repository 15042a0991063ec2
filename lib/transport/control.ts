import { abortable } from '../core/abortable.ts';
import type { Device } from '../core/device.ts';
import type { Tensor } from '../core/tensor.ts';
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

/**
 * Exponentials of costs that a device may have before it beyond the operation at work, in sum: some tens of milliseconds of one
 * thread. An abort ends what has not been queued only.
 */
export const mostQueued = 1e7;

/** Lets a device catch up whenever so much has been queued since the last time. */
export class Pace {
  readonly #device: Device;
  readonly #signal: AbortSignal | undefined;
  #queued = 0;

  constructor(device: Device, signal: AbortSignal | undefined) {
    this.#device = device;
    this.#signal = signal;
  }

  /** After so many exponentials have been queued; rejects with the signal's reason as soon as it is aborted. */
  async step(work: number): Promise<void> {
    this.#queued += work;
    if (this.#queued < mostQueued) return;
    this.#queued = 0;
    this.#signal?.throwIfAborted();
    await abortable(this.#device.synchronize(), this.#signal);
  }
}

/** Counts what a solver does, tells of it, and stops it where the caller wants. */
export class Control {
  readonly iterations: TransportIterations = { sweeps: 0, newton: 0, cg: 0, evaluations: 0 };
  /** The numbers of an f64 tensor; rejects with the signal's reason as soon as it is aborted. */
  readonly read: Read;
  readonly #settings: Settings;
  #pace: Pace | undefined;

  constructor(settings: Settings) {
    this.#settings = settings;
    this.read = reader(settings.signal);
  }

  report(eps: number, marginalError: number): void {
    this.#settings.onProgress?.({ eps, marginalError, iterations: { ...this.iterations } });
  }

  /** After so many exponentials have been queued. */
  async pace(device: Device, work: number): Promise<void> {
    this.#pace ??= new Pace(device, this.#settings.signal);
    await this.#pace.step(work);
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
