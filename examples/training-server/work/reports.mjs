import { told } from '../runs/non-finite.mjs';

/**
 * @import { AnyOptimizer, Device } from 'orthokit'
 * @import { Control } from './worker.mjs'
 */

/** Steps, and milliseconds, whose numbers are read and sent together. */
const most = 32;
const period = 100;

/** Numbers of steps, which are read some steps later: the queue of the device never runs empty for them. */
export class Reports {
  /** @type {Promise<Record<string, number>>[]} */
  #pending = [];
  #first = 0;
  #since = performance.now();
  /** Seconds of training, those before the last start included. */
  seconds = 0;
  /** The loss of the last step that was sent. @type {import('../runs/non-finite.mjs').Told | undefined} */
  loss;

  /** @param {Device} device @param {AnyOptimizer} optimizer @param {Control} control */
  constructor(device, optimizer, control) {
    this.device = device;
    this.optimizer = optimizer;
    this.control = control;
  }

  get isDue() {
    return this.#pending.length >= most || performance.now() - this.#since >= period;
  }

  /** @param {number} step @param {{ read(): Promise<ArrayLike<number>> }} loss @param {number} lr */
  add(step, loss, lr) {
    if (this.#pending.length === 0) this.#first = step;
    const numbers = Promise.all([loss.read(), this.optimizer.report()]);
    this.#pending.push(
      numbers.then(([values, { gradNorm, updateRms, brake }]) => ({
        loss: values[0],
        gradNorm,
        updateRms,
        lr,
        ...(brake === undefined ? {} : { brake }),
      })),
    );
  }

  /** Sends what there is, and lets messages in. */
  async flush() {
    const steps = await Promise.all(this.#pending.splice(0));
    const now = performance.now();
    const ms = (now - this.#since) / Math.max(1, steps.length);
    this.#since = now;
    this.seconds += (ms * steps.length) / 1000;
    if (steps.length > 0) {
      const names = Object.keys(steps[0]);
      /** @type {Record<string, import('../runs/non-finite.mjs').Told[]>} */
      const columns = Object.fromEntries(names.map((name) => [name, steps.map((numbers) => told(numbers[name]))]));
      this.loss = columns.loss[steps.length - 1];
      const rounded = Math.round(1000 * ms) / 1000;
      columns.ms = steps.map(() => rounded);
      const thousandths = Math.round(1000 * this.seconds);
      columns.seconds = steps.map((_, i) => (thousandths - Math.round(ms * (steps.length - 1 - i))) / 1000);
      columns.memory = steps.map(() => this.device.info.memory.bytes);
      this.control.post({ type: 'metrics', first: this.#first, columns });
    }
    await this.control.room();
  }
}
