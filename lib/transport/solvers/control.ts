import type { Device } from '../../core/device.ts';
import { Lane } from '../../core/lane.ts';
import type { Settings, TransportIterations } from '../options.ts';

/**
 * Exponentials of costs that a device may have before it beyond the operation at work, in sum: some tens of milliseconds of one
 * thread. An abort ends nothing that CUDA has been given.
 */
export const mostQueued = 1e7;

/** Lets a device catch up whenever so much has been queued since the last time. */
export class Pace {
  readonly #lane: Lane;
  #queued = 0;

  constructor(lane: Lane) {
    this.#lane = lane;
  }

  /** After so many exponentials have been queued; rejects with the signal's reason as soon as it is aborted. */
  async step(work: number): Promise<void> {
    this.#queued += work;
    if (this.#queued < mostQueued) return;
    this.#queued = 0;
    await this.#lane.synchronize();
  }
}

/** Takes a solver's operations, counts what it does, tells of it, and stops it where the caller wants. */
export class Control extends Lane {
  readonly iterations: TransportIterations = { sweeps: 0, newton: 0, cg: 0, evaluations: 0 };
  readonly #settings: Settings;
  readonly #pace = new Pace(this);

  constructor(device: Device, settings: Settings) {
    super(device, settings.signal);
    this.#settings = settings;
  }

  report(eps: number, marginalError: number): void {
    this.#settings.onProgress?.({ eps, marginalError, iterations: { ...this.iterations } });
  }

  /** After so many exponentials have been queued. */
  pace(work: number): Promise<void> {
    return this.#pace.step(work);
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
