// Devices: cpu, cuda
// The parts of a plan, some rows at a time, against a walk over all pairs.
import { afterAll, describe, expect, it } from 'vitest';
import { Lane } from '../../lib/core/lane.ts';
import { Device, Tensor } from '../../lib/index.ts';
import { PartsFinder } from '../../lib/transport/pullback/parts.ts';
import { uniform } from '../support/data.ts';
import { devices } from '../support/devices.ts';

describe.each(devices)('parts on %s:', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  const lane = new Lane(device);
  const least = 2 ** -44;

  /** Numbers of parts in the order in which rows, then columns, come to them: by passing the least number on until none changes. */
  function walked(plan: Float64Array, rows: Float64Array, columns: Float64Array): number[] {
    const [n, m] = [rows.length, columns.length];
    const label = Array.from({ length: n + m }, (_, i) => i);
    for (let isChanged = true; isChanged; ) {
      isChanged = false;
      for (let at = 0; at < n * m; at++) {
        const [i, j] = [Math.floor(at / m), at % m];
        if (!(plan[at]! > least * rows[i]! || plan[at]! > least * columns[j]!)) continue;
        const low = Math.min(label[i]!, label[n + j]!);
        isChanged ||= label[i] !== low || label[n + j] !== low;
        label[i] = low;
        label[n + j] = low;
      }
    }
    const order = new Map<number, number>();
    return label.map((x, i) => {
      if (!((i < n ? rows[i]! : columns[i - n]!) > 0)) return -1;
      if (!order.has(x)) order.set(x, order.size);
      return order.get(x)!;
    });
  }

  it.each([
    [1, 1, 0.5, 1],
    [9, 7, 0.02, 2],
    [30, 20, 0.02, 3],
    [30, 40, 0.05, 4],
    [40, 30, 0.5, 5],
    [25, 25, 0.9, 6],
  ])('of %i × %i entries, a share of %d of them large', async (n, m, share, panel) => {
    for (let seed = 1; seed <= 10; seed++) {
      const next = uniform(seed);
      // Masses of many sizes: an entry may be all of a light column and nothing to its row.
      const sizes = Array.from({ length: n + m }, () => 10 ** (-20 * next()));
      const plan = Float64Array.from({ length: n * m }, (_, at) => {
        const size = Math.min(sizes[Math.floor(at / m)]!, sizes[n + (at % m)]!);
        const kind = next();
        return size * (kind < share ? next() : kind < 0.7 ? 0 : 1e-16 * next());
      });
      const rows = Float64Array.from({ length: n }, (_, i) =>
        plan.subarray(i * m, (i + 1) * m).reduce((s, x) => s + x, 0),
      );
      const columns = new Float64Array(m);
      for (const [at, x] of plan.entries()) columns[at % m] = columns[at % m]! + x;
      const parts = await new PartsFinder({ rows, columns }, least, lane).find(async (visit) => {
        for (let first = 0; first < n; first += panel) {
          const some = plan.subarray(first * m, Math.min(n, first + panel) * m);
          using tensor = Tensor.from(device, some, [some.length / m, m]);
          await visit(first, tensor);
        }
      });
      const expected = walked(plan, rows, columns);
      expect([...parts.rows, ...parts.columns]).toEqual(expected);
      expect(parts.count).toBe(Math.max(...expected) + 1);
    }
  });
});
