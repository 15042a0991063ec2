// Devices: emulator
// Blocks that wait for each other, and one block that does their work where a device has no room for them.
import { describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../lib/index.ts';
import { emulator } from '../support/emulator.ts';
import { valuesOf } from '../support/tensors.ts';
import { empty, numbers, vector } from '../support/transport.ts';

const [n, m, perRow] = [4000, 3900, 3];

async function solve(): Promise<Float64Array[]> {
  const device = Device.open('cuda');
  const count = n * perRow;
  const starts = Int32Array.from({ length: n + 1 }, (_, i) => i * perRow);
  const columns = Int32Array.from({ length: count }, (_, k) => (11 * k) % m);
  const [step, statistics] = [empty(device, n), empty(device, 4)];
  ops.sparseNewtonStep(device, {
    starts: Tensor.from(device, starts, [n + 1]),
    columns: Tensor.from(device, columns, [count]),
    values: vector(device, numbers(count, 1, 0.1, 1)),
    rowMass: vector(device, numbers(n, 2, 4, 5)),
    rowSums: vector(device, numbers(n, 3, 4, 5)),
    columnMass: vector(device, numbers(m, 4, 4, 5)),
    ...{ step, statistics },
    tol: 1e-9,
  });
  const results = [await valuesOf(step), await valuesOf(statistics)];
  await device.close();
  return results;
}

describe('a crew of blocks', () => {
  it('has the bits of one block that does its work', async () => {
    const together = await solve();
    expect(together[1]![0]).toBeGreaterThan(3);
    expect(emulator.control('sms=1')).toBe(0);
    try {
      expect(await solve()).toEqual(together);
    } finally {
      emulator.control('sms=132');
    }
  });
});
