import type { Device } from '../../core/device.ts';
import { Task, type TaskOptions } from '../../core/task.ts';
import type { TransportIterations, TransportProgress } from '../options.ts';

/**
 * Exponentials of costs that a device may have before it beyond the operation at work, in sum: some tens of
 * milliseconds of one thread. An abort ends nothing that CUDA has been given.
 */
export const mostQueued = 1e7;

/** Options that end a solver. */
interface ControlOptions<P> extends TaskOptions<P> {
  readonly maxSweeps: number;
  readonly maxNewton?: number;
}

/** Takes a solver's operations, counts its work, tells of it, and stops it where the caller wants. */
export class Control<P = TransportProgress> extends Task<P> {
  readonly iterations: TransportIterations = { sweeps: 0, newton: 0, cg: 0, evaluations: 0 };
  readonly #maxSweeps: number;
  readonly #maxNewton: number;
  #queued = 0;

  constructor(device: Device, { maxSweeps, maxNewton = 0, ...watchers }: ControlOptions<P>) {
    super(device, watchers);
    this.#maxSweeps = maxSweeps;
    this.#maxNewton = maxNewton;
  }

  reportError(this: Control, eps: number, marginalError: number): void {
    this.report({ eps, marginalError, iterations: { ...this.iterations } });
  }

  /** Lets the device catch up whenever so many exponentials have been queued since the last time. */
  async pace(work: number): Promise<void> {
    this.#queued += work;
    if (this.#queued < mostQueued) return;
    this.#queued = 0;
    await this.synchronize();
  }

  /** Sweeps that are left of `maxSweeps`. */
  get sweepsLeft(): number {
    return this.#maxSweeps - this.iterations.sweeps;
  }
  /** Newton steps that are left of `maxNewton`. */
  get newtonLeft(): number {
    return this.#maxNewton - this.iterations.newton;
  }
}
