import type { Task } from '../../core/task.ts';
import { quantile, type Scan, scanRows } from './scan.ts';
import type { Table } from './table.ts';

/** More than there are ids. */
const placeCount = 2 ** 24;

/** Pairs of rows that the approximation stands on, and how many were left out, and why. */
export interface Anchors {
  readonly base: Int32Array;
  readonly donor: Int32Array;
  readonly skipped: { readonly zero: number; readonly nonFinite: number; readonly duplicate: number };
}

/**
 * Leaves out pairs of which a row is zero or not finite, and rows that the donor has already: duplicates make the
 * dictionary singular, and rows that were never trained teach nothing.
 */
export async function chooseAnchors(
  task: Task,
  shared: { base: Int32Array; donor: Int32Array },
  donor: Table,
  bases: readonly Table[],
): Promise<Anchors> {
  const own = await scanRows(task, donor, shared.donor, { digests: true });
  const others: Float64Array[] = [];
  for (const base of bases) {
    // Ids of the base need not rise, reading wants them to.
    const order = orderOf(shared.base);
    const ids = order.map((at) => shared.base[at]!);
    const { norms } = await scanRows(task, base, ids);
    const byPosition = new Float64Array(norms.length);
    for (const [place, at] of order.entries()) byPosition[at] = norms[place]!;
    others.push(byPosition);
  }
  const skipped = { zero: 0, nonFinite: 0, duplicate: 0 };
  const seen = new Set<string>();
  const kept: number[] = [];
  for (let at = 0; at < shared.donor.length; ++at) {
    const norms = [own.norms[at]!, ...others.map((other) => other[at]!)];
    const digest = own.digests[at]!;
    if (!norms.every(Number.isFinite)) skipped.nonFinite += 1;
    else if (norms.includes(0)) skipped.zero += 1;
    else if (seen.has(digest)) skipped.duplicate += 1;
    else {
      seen.add(digest);
      kept.push(at);
    }
  }
  const pick = (ids: Int32Array): Int32Array => Int32Array.from(kept, (at) => ids[at]!);
  return { base: pick(shared.base), donor: pick(shared.donor), skipped };
}

/** The places of ids in rising order; a sort with a function to compare would hold the event loop. */
function orderOf(ids: Int32Array): Int32Array {
  const keys = Float64Array.from(ids, (id, place) => id * placeCount + place).sort();
  return Int32Array.from(keys, (key) => key % placeCount);
}

/** The norm to which longer rows are cut: the 99.9 % quantile of the base's finite rows. */
export function normLimit({ norms }: Scan): number {
  return quantile(norms.filter(Number.isFinite), 0.999);
}
