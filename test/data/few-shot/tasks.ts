// Tasks of few-shot learning that are drawn: centers 0.6 · N(0, I), unit noise, all rows of a task about their mean and of
// unit length.
import { normal } from '../../support/data.ts';

export interface Drawn {
  support: Float64Array;
  query: Float64Array;
  /** Labels of the support, and of the queries. */
  supportLabels: Int32Array;
  labels: Int32Array;
}

/** Rows of `tasks` tasks one after the other. */
export function drawTasks(tasks: number, seed: number, { ways = 5, shots = 1, queries = 15, d = 16 } = {}): Drawn {
  const [s, q] = [ways * shots, ways * queries]; // biome-ignore format: one line
  const out = {
    support: new Float64Array(tasks * s * d),
    query: new Float64Array(tasks * q * d),
    supportLabels: Int32Array.from({ length: tasks * s }, (_, i) => Math.floor((i % s) / shots)),
    labels: Int32Array.from({ length: tasks * q }, (_, i) => Math.floor((i % q) / queries)),
  };
  const each = shots + queries;
  const all = normal(tasks * ways * (1 + each) * d, seed);
  let at = 0;
  const take = (): Float64Array => {
    at += d;
    return all.slice(at - d, at);
  };
  for (let t = 0; t < tasks; ++t) {
    const rows: Float64Array[] = [];
    const center = new Float64Array(d);
    for (let k = 0; k < ways; ++k) {
      const middle = take();
      for (let i = 0; i < each; ++i) {
        const row = take().map((x, j) => x + 0.6 * middle[j]!);
        rows.push(row);
        for (const [j, x] of row.entries()) center[j]! += x / (ways * each);
      }
    }
    for (const [i, row] of rows.entries()) {
      const own = row.map((x, j) => x - center[j]!);
      const length = Math.hypot(...own);
      const [k, place] = [Math.floor(i / each), i % each]; // biome-ignore format: one line
      const unit = own.map((x) => x / length);
      if (place < shots) out.support.set(unit, (t * s + k * shots + place) * d);
      else out.query.set(unit, (t * q + k * queries + place - shots) * d);
    }
  }
  return out;
}
