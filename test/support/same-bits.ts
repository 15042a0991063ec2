import { expect } from 'vitest';
import { Device, type Tensor } from '../../lib/index.ts';

/** Runs the same on CPUs of 1, 2 and 3 threads: the tensors that come back must hold the same bits. */
export async function expectSameBits(run: (device: Device) => readonly Tensor[]): Promise<void> {
  const results = [];
  for (const threads of [1, 2, 3]) {
    const device = Device.open('cpu', { threads });
    const arrays = await Promise.all(run(device).map((tensor) => tensor.read()));
    results.push(arrays.map(({ buffer }) => new Uint8Array(buffer)));
    await device.close();
  }
  expect(results[0]!.some((bytes) => bytes.some((byte) => byte !== 0))).toBe(true);
  expect(results[1]).toEqual(results[0]);
  expect(results[2]).toEqual(results[0]);
}
