// Devices: cuda
import { afterAll, describe, expect, it } from 'vitest';
import { Device, Tensor } from '../../lib/index.ts';
import { devices } from '../support/devices.ts';

describe.each(devices)('on %s', (kind) => {
  const device = Device.open(kind);
  const cpu = Device.open('cpu', { threads: 1 });
  afterAll(() => Promise.all([device.close(), cpu.close()]));

  it('no tensor is shared, and none is changed', async () => {
    using x = Tensor.full(device, [4], 3);
    await expect(x.share()).rejects.toMatchObject({ code: 'ERR_UNSUPPORTED', message: /^share: .* got cuda$/ });
    expect(await x.read()).toEqual(new Float32Array(4).fill(3));
    using y = Tensor.full(cpu, [4], 3);
    const handle = await y.share();
    expect(() => Tensor.fromShared(device, handle)).toThrow(expect.objectContaining({ code: 'ERR_UNSUPPORTED' }));
  });
});
