import * as check from '../../core/check.ts';
import type { Device } from '../../core/device.ts';
import { refusal } from '../../core/errors.ts';
import type { Lane } from '../../core/lane.ts';
import { shown } from '../../core/options.ts';
import { isTensor } from '../../core/tensor.ts';
import type { Masses } from '../options.ts';
import type { Cost, Side } from './cost.ts';

/** True if two totals differ by no more than rounding of masses to f32 does to them. */
export const haveOneTotal = (one: number, other: number): boolean =>
  Math.abs(one - other) <= 1e-6 * Math.max(one, other);

/** Masses of rows and columns, each of total 1. */
export interface Marginals {
  readonly a: Float64Array;
  readonly b: Float64Array;
  /** The total that the caller gave. */
  readonly mass: number;
}

async function numbersOf(
  op: string,
  name: string,
  masses: Masses,
  device: Device,
  size: number,
  lane: Lane,
): Promise<Float64Array> {
  if (isTensor(masses)) {
    check.tensor(op, name, masses, { dtypes: check.arithmetic, shape: [size], device });
    return Float64Array.from(await lane.read(masses));
  }
  return arrayOf(op, name, masses, size, 'a Tensor, ');
}

/** A copy of masses that are no tensor. */
export function arrayOf(op: string, name: string, masses: unknown, size: number, others = ''): Float64Array {
  if (!Array.isArray(masses) && !(masses instanceof Float64Array) && !(masses instanceof Float32Array))
    throw refusal(op, name, `be ${others}an array of numbers, Float32Array or Float64Array`, shown(masses));
  if (masses.length !== size) throw refusal(op, name, `have ${size} elements`, masses.length, 'ERR_SHAPE');
  return Float64Array.from(masses);
}

/** The total. @throws ERR_ARGUMENT unless all is finite, none negative, and some positive */
export function totalOf(op: string, name: string, masses: Float64Array): number {
  let total = 0;
  for (const [i, mass] of masses.entries()) {
    if (!(mass >= 0 && mass < Infinity)) throw refusal(op, name, 'be finite and not negative', `${mass} at ${i}`);
    total += mass;
  }
  if (!(total > 0 && total < Infinity)) throw refusal(op, name, 'have a positive, finite total', total);
  return total;
}

/** The total; each mass becomes its share of it. */
function normalize(op: string, name: string, masses: Float64Array): number {
  const total = totalOf(op, name, masses);
  for (let i = 0; i < masses.length; ++i) masses[i] = masses[i]! / total;
  return total;
}

/**
 * Reads and checks both; they get the total 1 where they have to be kept.
 * @throws ERR_ARGUMENT for masses that are negative, not finite, or of unequal totals; ERR_SHAPE, ERR_DTYPE, ERR_DEVICE
 */
export async function marginalsOf(
  op: string,
  { device, rows, columns }: Pick<Cost, 'device' | Side>,
  { a, b }: { readonly a?: Masses | undefined; readonly b?: Masses | undefined },
  lane: Lane,
  isKept = true,
): Promise<Marginals> {
  const read = (name: string, masses: Masses | undefined, size: number) =>
    masses === undefined ? new Float64Array(size).fill(1 / size) : numbersOf(op, name, masses, device, size, lane);
  const [rowMasses, columnMasses] = await Promise.all([read('a', a, rows), read('b', b, columns)]);
  if (!isKept) {
    totalOf(op, 'a', rowMasses);
    totalOf(op, 'b', columnMasses);
    return { a: rowMasses, b: columnMasses, mass: 1 };
  }
  const mass = normalize(op, 'a', rowMasses);
  const other = normalize(op, 'b', columnMasses);
  if (a !== undefined && b !== undefined && !haveOneTotal(mass, other))
    throw refusal(op, 'b', `have the total of a, ${mass}`, other);
  // The side that was given sets the total, so that uniform masses go with any.
  return { a: rowMasses, b: columnMasses, mass: a === undefined ? other : mass };
}
