import { expect } from 'vitest';
import { Device, type Tensor, type TypedArray } from '../../lib/index.ts';

const bytesOf = ({ buffer, byteOffset, byteLength }: TypedArray) => Buffer.from(buffer, byteOffset, byteLength);

/** True for two arrays of the same bits: quicker than comparing elements, and −0 is not 0. */
export const sameBits = (a: TypedArray, b: TypedArray): boolean => bytesOf(a).equals(bytesOf(b));

/** Runs the same on CPUs of 1, 2 and 3 threads: the tensors that come back must hold the same bits. */
export async function expectSameBits(run: (device: Device) => readonly Tensor[]): Promise<void> {
  const results: TypedArray[][] = [];
  for (const threads of [1, 2, 3]) {
    const device = Device.open('cpu', { threads });
    results.push(await Promise.all(run(device).map((tensor) => tensor.read())));
    await device.close();
  }
  const [one, two, three] = results as [TypedArray[], TypedArray[], TypedArray[]];
  for (const [i, array] of one.entries()) {
    expect(array.some((x) => x !== 0)).toBe(true);
    expect(sameBits(two[i]!, array), '2 threads against 1').toBe(true);
    expect(sameBits(three[i]!, array), '3 threads against 1').toBe(true);
  }
}
