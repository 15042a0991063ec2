// Devices: emulator
// Lists of tensors, sizes and offsets reach the device once, and again only when they are others.
import { describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../lib/index.ts';
import { emulator } from '../support/emulator.ts';
import { tensorOf } from '../support/tensors.ts';

const control = (command: string): number => emulator.control(command);
const ways = ['cudaLaunchKernelEx', 'cudaMemcpyAsync', 'cudaMallocAsync', 'cudaEventSynchronize'];

/** The number of times that each of these was called; one wait is the measurement's own. */
async function callsOf(device: Device, work: () => void): Promise<number[]> {
  await device.synchronize();
  const before = ways.map((name) => control(`calls?${name}`));
  work();
  await device.synchronize();
  return ways.map((name, i) => control(`calls?${name}`) - before[i]!);
}

const ones = (device: Device, count: number): Tensor[] =>
  Array.from({ length: count }, () => tensorOf(device, [1, 1, 1]));

const nothing = (device: Device, count: number): Tensor[] =>
  Array.from({ length: count }, () => Tensor.zeros(device, [0]));

describe('lists of tensors on the emulator', () => {
  it.each([
    ['one, as a parameter', 1, [2, 0]],
    // 32 bytes a tensor and 8 for its pieces: the most that 4 KB of parameters hold beside a kernel's others.
    ['ninety-eight, as a parameter', 98, [2, 0]],
    ['one more, by a staged copy', 99, [1, 1]],
    ['a thousand, by a staged copy', 1000, [1, 1]],
    ['ten thousand, by a staged copy', 10_000, [1, 1]],
  ])('%s, and nothing the next time', async (_, count, first) => {
    const device = Device.open('cuda');
    ops.fill(device, { x: ones(device, 200), value: 1 }); // what is made once per device is there
    const x = ones(device, count);
    expect((await callsOf(device, () => ops.fill(device, { x, value: 2 }))).slice(0, 2)).toEqual(first);
    expect(await callsOf(device, () => ops.fill(device, { x, value: 3 }))).toEqual([1, 0, 0, 1]);
    for (const i of [0, count - 1]) expect([...(await x[i]!.read())]).toEqual([3, 3, 3]);
    await device.close();
  });

  it('that are more than the device keeps come again, with the same results', async () => {
    const device = Device.open('cuda');
    const x = ones(device, 300);
    const none = nothing(device, 300);
    // Each list is 10 KB: three hundred of them are more than the ring holds.
    for (let round = 1; round <= 2; round++)
      for (const [i, tensor] of x.entries()) ops.fill(device, { x: [tensor, ...none], value: 1000 * round + i });
    const values = await Promise.all(x.map(async (tensor) => (await tensor.read())[1]!));
    expect(values).toEqual(x.map((_, i) => 2000 + i));
    await device.close();
  });

  it('that are large are kept too, the latest ones', async () => {
    const device = Device.open('cuda');
    const none = nothing(device, 10_000);
    const x = ones(device, 10);
    const lists = x.map((tensor) => [tensor, ...none]); // 320 KB each
    for (const list of lists) ops.fill(device, { x: list, value: 1 });
    const copies = async (i: number) => (await callsOf(device, () => ops.fill(device, { x: lists[i]!, value: i })))[1];
    expect(await copies(9)).toBe(0);
    expect(await copies(2)).toBe(0);
    expect(await copies(0)).toBe(1);
    expect(await copies(3)).toBe(1); // the one that made room
    expect([...(await x[9]!.read())]).toEqual([9, 9, 9]);
    expect([...(await x[0]!.read())]).toEqual([0, 0, 0]);
    await device.close();
  });
});
