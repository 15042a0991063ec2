import type { Device } from '../../core/device.ts';
import { ops } from '../../core/native-ops.ts';
import { Tensor } from '../../core/tensor.ts';
import type { Report } from '../report.ts';
import type { Guard } from './guard.ts';
import type { Lost } from './lost-updates.ts';

/** A number of a method's own, of which its kernels leave one for each parameter: its name in the report. */
export interface OwnNumber {
  readonly name: Exclude<
    keyof Report,
    'step' | 'gradNorm' | 'updateRms' | 'nonFinite' | 'skipped' | 'fallbacks' | 'lostUpdates'
  >;
  readonly combine: keyof typeof combining;
}

type Combine = (a: number, b: number) => number;
const combining: { readonly max: Combine; readonly sum: Combine } = { max: Math.max, sum: (a, b) => a + b };

/** A report, how many elements were stepped, and which number of its own the method has. */
export interface Measured {
  readonly report: Report;
  readonly elements: number;
  readonly number: OwnNumber | undefined;
  /** The count of lost updates, if some weights have 16 bits. */
  readonly lost?: Lost;
}

const shareOf = ({ count, elements }: Lost): number => count / elements;

/** Adds the share of updates that were lost. */
export const withLost = (measured: Measured, lost: Lost): Measured => ({
  ...measured,
  lost,
  report: { ...measured.report, lostUpdates: shareOf(lost) },
});

/** The numbers of several reports that not every method has, each combined with those of its name. */
export function combinedNumbers(all: readonly Measured[]): Partial<Report> {
  const numbers: Partial<Record<OwnNumber['name'] | 'fallbacks' | 'lostUpdates', number>> = {};
  const lost = all.flatMap((one) => one.lost ?? []);
  if (lost.length > 0)
    numbers.lostUpdates = shareOf({
      count: lost.reduce((sum, { count }) => sum + count, 0),
      elements: lost.reduce((sum, { elements }) => sum + elements, 0),
    });
  for (const { report, number } of all) {
    if (report.fallbacks !== undefined) numbers.fallbacks = (numbers.fallbacks ?? 0) + report.fallbacks;
    if (!number) continue;
    const { name, combine } = number;
    const [before, value] = [numbers[name], report[name]!];
    numbers[name] = before === undefined ? value : combining[combine](before, value);
  }
  return numbers;
}

interface Used {
  readonly table: Tensor;
  /** The number of rows of each parameter. */
  readonly rows: number;
  readonly elements: number;
}

/** Sums that the kernels leave on the device: one table of three columns a group, with a row a block of a parameter. */
export class Statistics {
  readonly #device: Device;
  readonly #tables = new Map<string, Tensor>();
  readonly #used: Used[] = [];
  readonly #countsFallbacks: boolean;
  #fallbacks: Tensor | undefined;
  #mayHold = false;

  constructor(device: Device, countsFallbacks: boolean) {
    this.#device = device;
    this.#countsFallbacks = countsFallbacks;
  }

  begin(mayHold: boolean): void {
    this.#used.length = 0;
    this.#mayHold = mayHold;
    if (!this.#countsFallbacks) return;
    if (this.#fallbacks) ops.fill(this.#device, { x: [this.#fallbacks], value: 0 });
    else this.#fallbacks = Tensor.zeros(this.#device, [1], { dtype: 'f64' });
  }

  /** The field that counts fallbacks, of all groups, for an op that has it. */
  fallbacks(): { readonly fallbacks?: Tensor } {
    return this.#fallbacks ? { fallbacks: this.#fallbacks } : {};
  }

  /** The table of a group with so many parameters, in so many blocks; `elements` is what they hold together. */
  table(group: number, parameters: number, blocks: number, elements: number): Tensor {
    const key = `${group} ${parameters}`;
    let table = this.#tables.get(key);
    if (!table) {
      table = Tensor.zeros(this.#device, [blocks, 3], { dtype: 'f64' });
      this.#tables.set(key, table);
    }
    // A step that does not run writes no sums: what remains must not look like the step before.
    if (this.#mayHold) ops.fill(this.#device, { x: [table], value: Number.NaN });
    this.#used.push({ table, rows: blocks / parameters, elements });
    return table;
  }

  async measure(step: number, guard: Guard, number: OwnNumber | undefined): Promise<Measured> {
    const used = [...this.#used];
    const [held, counted, ...tables] = await Promise.all([
      guard.read(),
      this.#fallbacks?.read(),
      ...used.map(({ table }) => table.read()),
    ]);
    let [grad, update, own, nonFinite, elements] = [0, 0, 0, 0, 0];
    // A guard lets only finite gradients step: infinite sums are of large ones.
    const isBad = guard.mode === 'propagate' ? (squares: number) => !Number.isFinite(squares) : Number.isNaN;
    for (const [i, table] of tables.entries()) {
      elements += used[i]!.elements;
      const width = 3 * used[i]!.rows;
      for (let begin = 0; begin < table.length; begin += width) {
        let isGood = true;
        for (let row = begin; row < begin + width; row += 3) {
          const [squares = 0, moved = 0, value = 0] = table.subarray(row, row + 3);
          grad += squares;
          update += moved;
          if (number) own = combining[number.combine](own, value);
          if (isBad(squares)) isGood = false;
        }
        if (!isGood) nonFinite += 1;
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
      ...(number ? { [number.name]: own } : {}),
      ...(this.#countsFallbacks ? { fallbacks: counted?.[0] ?? 0 } : {}),
    };
    return { report, elements, number };
  }

  dispose(): void {
    for (const table of this.#tables.values()) table.dispose();
    this.#fallbacks?.dispose();
  }
}
