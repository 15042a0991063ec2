import { sum } from './sums.ts';
import { distance, type Side } from './transport.ts';

/** The scales after a step, the row sums there, and [error, increase, largest |ln|]. */
export function semidual(
  kernel: Float64Array,
  masses: Side,
  scales: Side,
  step: Float64Array,
): { u: Float64Array; v: Float64Array; sums: Float64Array; statistics: number[] } {
  const [n, m] = [masses.rows.length, masses.columns.length];
  const u = masses.rows.map((r, i) => (r === 0 ? 0 : scales.rows[i]! * Math.exp(step[i]!)));
  const v = masses.columns.map((c, j) => (c === 0 ? 0 : c / sum(n, (i) => u[i]! * kernel[i * m + j]!)));
  const sums = u.map((x, i) => (x === 0 ? 0 : x * sum(m, (j) => kernel[i * m + j]! * v[j]!)));
  const logs = [...u.filter((_, i) => masses.rows[i] !== 0), ...v.filter((_, j) => masses.columns[j] !== 0)].map((x) =>
    Math.abs(Math.log(x)),
  );
  if (!logs.every(Number.isFinite)) return { u, v, sums, statistics: [Infinity, -Infinity, Infinity] };
  const gain = (j: number): number =>
    masses.columns[j] === 0 ? 0 : masses.columns[j]! * Math.log(v[j]! / scales.columns[j]!);
  const increase = sum(n, (i) => (masses.rows[i] === 0 ? 0 : masses.rows[i]! * step[i]!)) + sum(m, gain);
  return { u, v, sums, statistics: [distance(masses.rows, sums), increase, Math.max(...logs, 0)] };
}
