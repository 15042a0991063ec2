import type { MadeTable } from './job.ts';
import { approximated, unused } from './origins.ts';
import { rowsPerStep } from './table.ts';

/** The new table, a step of rows at a time. */
export async function* newRows({
  base: table,
  origins,
  store,
  unusedRow,
}: MadeTable): AsyncGenerator<Uint8Array, void> {
  const { from, targets } = origins;
  const { rowBytes } = table;
  const step = rowsPerStep(table);
  let made = 0;
  for (let begin = 0; begin < from.length; begin += step) {
    const part = from.subarray(begin, begin + step);
    const bytes = new Uint8Array(part.length * rowBytes);
    // Reading wants rising ids; two tokens may take the same row.
    const ids = Int32Array.from(new Set(part.filter((id) => id >= 0))).sort();
    const rows = await table.read(ids);
    const placeOf = new Map(Array.from(ids, (id, place) => [id, place]));
    const count = part.filter((id) => id === approximated).length;
    const { rows: fresh } = await store.read(made, count);
    made += count;
    let next = 0;
    for (const [i, id] of part.entries()) {
      let row: Uint8Array;
      if (id === approximated) {
        row = fresh.subarray(next * rowBytes, (next + 1) * rowBytes);
        next += 1;
      } else if (id === unused) row = await unusedRow(begin + i);
      else {
        const place = placeOf.get(id)!;
        row = rows.subarray(place * rowBytes, (place + 1) * rowBytes);
      }
      bytes.set(row, i * rowBytes);
    }
    yield bytes;
  }
  if (made !== targets.length) throw new Error(`${table.name}: ${made} of ${targets.length} rows were made`);
}
