// Devices: cpu, cuda
// Plans of POT, an independent program: test/golden/transport.json says which version, and how they were made.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { Device, sinkhorn, Tensor } from '../../lib/index.ts';
import { devices } from '../support/devices.ts';
import { valuesOf } from '../support/tensors.ts';

interface Golden {
  program: string;
  problems: {
    eps: number;
    rows: number;
    columns: number;
    cost: number[];
    a: number[];
    b: number[];
    plan: number[];
    linear: number;
  }[];
}
const file = path.join(import.meta.dirname, '..', 'golden', 'transport.json');
const { program, problems }: Golden = JSON.parse(readFileSync(file, 'utf8'));

describe.each(devices)(`${program} and sinkhorn on %s`, (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  it.each(problems)('agree on $rows × $columns, eps $eps', async ({ eps, rows, columns, cost, a, b, plan, linear }) => {
    using tensor = Tensor.from(device, Float64Array.from(cost), [rows, columns]);
    using result = await sinkhorn(tensor, { a, b, eps, tol: 1e-12, method: 'sns' });
    expect(result.status).toBe('converged');
    expect(result.cost).toBeCloseTo(linear, 12);
    for (const [k, p] of (await valuesOf(await result.plan())).entries())
      expect(Math.abs(p - plan[k]!)).toBeLessThan(1e-12);
  });
});
