import type { Device } from '../core/device.ts';
import { ops } from '../core/native-ops.ts';
import { Tensor } from '../core/tensor.ts';
import type { Guard } from './guard.ts';

/** What the last step did. */
export interface Report {
  /** Steps so far, skipped ones included. */
  readonly step: number;
  /** 2-norm of all gradients together, before decay; NaN after a step that was held back. */
  readonly gradNorm: number;
  /** Root mean square of what was subtracted from the weights, without decay. */
  readonly updateRms: number;
  /** Gradients that held NaN or infinity; NaN after a step that `nonFinite: 'throw'` held back. */
  readonly nonFinite: number;
  /** Steps that `nonFinite: 'skip'` has held back so far. */
  readonly skipped: number;
  /** AuON classes: the largest r − 1 of a parameter; near zero says that the scaling by cosh does nothing. */
  readonly brake?: number;
}

/** A report, and how many elements were stepped. */
export interface Measured {
  readonly report: Report;
  readonly elements: number;
}

interface Used {
  readonly table: Tensor;
  readonly elements: number;
}

/** Sums that the kernels leave on the device: one table of three columns a group. */
export class Statistics {
  readonly #device: Device;
  readonly #tables = new Map<string, Tensor>();
  readonly #used: Used[] = [];
  #mayHold = false;

  constructor(device: Device) {
    this.#device = device;
  }

  begin(mayHold: boolean): void {
    this.#used.length = 0;
    this.#mayHold = mayHold;
  }

  /** The table of a group with so many parameters; `elements` is what they hold together. */
  table(group: number, parameters: number, elements: number): Tensor {
    const key = `${group} ${parameters}`;
    let table = this.#tables.get(key);
    if (!table) {
      table = Tensor.zeros(this.#device, [parameters, 3], { dtype: 'f64' });
      this.#tables.set(key, table);
    }
    // A step that does not run writes no sums: what remains must not look like the step before.
    if (this.#mayHold) ops.fill(this.#device, { x: [table], value: Number.NaN });
    this.#used.push({ table, elements });
    return table;
  }

  async measure(step: number, guard: Guard, hasBrake: boolean): Promise<Measured> {
    const used = [...this.#used];
    const [held, ...tables] = await Promise.all([guard.read(), ...used.map(({ table }) => table.read())]);
    let [grad, update, brake, nonFinite, elements] = [0, 0, 0, 0, 0];
    for (const [i, table] of tables.entries()) {
      elements += used[i]?.elements ?? 0;
      for (let row = 0; row < table.length; row += 3) {
        const [squares = 0, moved = 0, own = 0] = table.subarray(row, row + 3);
        grad += squares;
        update += moved;
        brake = Math.max(brake, own);
        if (!Number.isFinite(squares)) ++nonFinite;
      }
    }
    if (held && held.nonFinite > 0) {
      grad = Number.NaN;
      update = 0;
      nonFinite = held.nonFinite;
    }
    // The guard tells nothing of a step that threw; one that ran had no such gradient.
    if (guard.mode === 'throw' && nonFinite > 0) [grad, update, nonFinite] = [Number.NaN, 0, Number.NaN];
    const report = {
      step,
      gradNorm: Math.sqrt(grad),
      updateRms: elements > 0 ? Math.sqrt(update / elements) : 0,
      nonFinite,
      skipped: held?.skipped ?? 0,
      ...(hasBrake ? { brake } : {}),
    };
    return { report, elements };
  }

  dispose(): void {
    for (const table of this.#tables.values()) table.dispose();
  }
}
