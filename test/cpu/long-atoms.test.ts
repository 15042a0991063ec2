// Devices: cpu
// Products of few signals at a time, where all of them would take too much scratch memory.
import { expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../lib/index.ts';
import { sameBits } from '../support/same-bits.ts';

it('correlations of long atoms have the same bits for many signals and for one', async () => {
  await using device = Device.open('cpu');
  const [signals, count, length] = [230, 60, 40_000];
  const x = Tensor.randn(device, [signals, length], { seed: 1 });
  const atoms = Tensor.randn(device, [count, length], { seed: 2 });
  const of = async (rows: Tensor) => {
    const out = new Tensor(device, [rows.shape[0]!, count], 'f32');
    ops.correlations(device, { x: rows, atoms, out });
    return await out.read();
  };
  const all = await of(x);
  for (const row of [0, 191, 192, 229]) {
    const one = new Tensor(device, [1, length], 'f32');
    ops.gatherRows(device, { x, index: Tensor.from(device, Int32Array.of(row), [1]), out: one });
    expect(sameBits(await of(one), all.slice(row * count, (row + 1) * count))).toBe(true);
  }
});
