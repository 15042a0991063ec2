// Devices: emulator
// Copies between host and device where pinned memory is short.
import { afterEach, describe, expect, it } from 'vitest';
import { Device, Tensor } from '../../lib/index.ts';
import { emulator } from '../support/emulator.ts';
import { sameBits } from '../support/same-bits.ts';

const control = (command: string): number => emulator.control(command);

describe('pinned memory', () => {
  afterEach(() => {
    control('streams=eager');
    control('clear');
  });

  it('that is short makes copies wait for the segments that there are', async () => {
    const values = Float32Array.from({ length: 3 << 20 }, (_, i) => i); // 12 MB: six segments
    const device = Device.open('cuda');
    const x = Tensor.zeros(device, [values.length]);
    // A segment each way, and no more.
    const small = tensorOfOne(device);
    await small.read();
    control('streams=deferred');
    const refused = 100;
    for (let i = 0; i < refused; i++) control('fail=cudaHostAlloc:1:2');
    const before = control('calls?cudaHostAlloc');
    x.write(values);
    await device.synchronize();
    const uploads = control('calls?cudaHostAlloc');
    expect(uploads).toBeGreaterThan(before);
    expect(sameBits(await x.read(), values)).toBe(true);
    expect(control('calls?cudaHostAlloc')).toBeGreaterThan(uploads);
    expect(control('calls?cudaHostAlloc') - before).toBeLessThan(refused);
    await device.close();
  });
});

function tensorOfOne(device: Device): Tensor {
  const one = Tensor.zeros(device, [1]);
  one.write(new Float32Array(1));
  return one;
}
