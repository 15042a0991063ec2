// Devices: cpu, cuda
// Operations of transport on matrices without rows or columns: panels of them, and shares of their capacity, must not divide by 0.
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../lib/index.ts';
import { devices } from '../support/devices.ts';

describe.each(devices)('transport of nothing on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());
  const f64 = (...shape: number[]) => Tensor.full(device, shape, 1, { dtype: 'f64' });

  const many = { cpu: 20_000, cuda: 4000 }[kind];
  it.each([
    [0, 5],
    [0, many],
    [5, 0],
    [many, 0],
    [0, 0],
  ])('%i rows of %i columns', async (n, m) => {
    const cost = f64(n, m);
    const kernel = f64(n, m);
    const masses = { rowMass: f64(n), columnMass: f64(m) };
    const potentials = { rowPotential: f64(n), columnPotential: f64(m) };
    const scales = { rowScale: f64(n), columnScale: f64(m) };
    const sums = { rowSums: f64(n), columnSums: f64(m) };
    const statistics = () => f64(4);
    ops.costRange(device, { cost, ...masses, statistics: f64(8) });
    ops.gibbsKernel(device, { cost, ...potentials, kernel });
    ops.logSweeps(device, { cost, ...masses, ...potentials, statistics: f64(1), sweeps: 2 });
    ops.scalingSweeps(device, { kernel, ...masses, ...scales, statistics: statistics(), maxSweeps: 2 });
    ops.planSums(device, { cost, ...masses, ...potentials, ...sums, statistics: statistics() });
    ops.semidual(device, {
      ...{ kernel, ...masses, ...scales },
      ...{ nextRowScale: f64(n), nextColumnScale: f64(m), rowSums: f64(n), statistics: f64(3) },
    });
    const starts = Tensor.zeros(device, [n + 1], { dtype: 'i32' });
    const columns = Tensor.zeros(device, [n + m], { dtype: 'i32' });
    for (const delta of [0, 0.1])
      ops.planSparsify(device, { kernel, ...scales, starts, columns, values: f64(n + m), statistics: f64(2), delta });
    ops.softmin(device, { cost, potential: f64(m), logSums: f64(n), of: 'rows' });
    ops.softmin(device, { cost, potential: f64(n), logSums: f64(m), of: 'columns' });
    await device.synchronize();
    expect((await starts.read()).every((start) => start === 0)).toBe(true);
  });
});
