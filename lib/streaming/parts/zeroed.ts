import { ops } from '../../core/native-ops.ts';
import { Owned } from '../../core/owned.ts';
import { Tensor } from '../../core/tensor.ts';

/** Runs of rows up to which each is filled through a view of its own. */
const mostViews = 8;

/** Rows that follow each other, as `[from, to]` without `to`. */
function runsOf(rows: Iterable<number>): [number, number][] {
  const runs: [number, number][] = [];
  for (const row of Int32Array.from(rows).sort()) {
    const last = runs.at(-1);
    if (last && last[1] === row) last[1] = row + 1;
    else runs.push([row, row + 1]);
  }
  return runs;
}
function fill(tensors: readonly Tensor[], runs: readonly (readonly [number, number])[]): void {
  using views = new Owned<Tensor>();
  const parts = tensors.flatMap((tensor) => runs.map(([from, to]) => views.add(tensor.rows(from, to))));
  if (parts.length > 0) ops.fill(parts[0]!.device, { x: parts, value: 0 });
}

/** Rows of some tensors are zeros: all of them or, where it throws, none. */
export function zeroRows(tensors: readonly Tensor[], rows: Iterable<number>): void {
  fill(tensors, runsOf(rows));
}

/** The same of one tensor with each step: in a few calls, however the rows lie. */
export function zeroScattered(tensor: Tensor, rows: ReadonlySet<number>): void {
  const runs = runsOf(rows);
  if (runs.length <= mostViews) {
    fill([tensor], runs);
    return;
  }
  const { device, dtype, shape } = tensor;
  using index = Tensor.from(device, Int32Array.from(rows), [rows.size]);
  using x = Tensor.zeros(device, [rows.size, ...shape.slice(1)], { dtype });
  ops.scatterRows(device, { out: tensor, index, x, mode: 'set' });
}
