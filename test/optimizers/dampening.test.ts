// Devices: cpu
import { expect, it } from 'vitest';
import { Device, EG, HybridAuON, Muon, SGD, Tensor } from '../../lib/index.ts';
import { thrownBy } from '../support/tensors.ts';

it.each([SGD, Muon, HybridAuON])('%o refuses a dampening that ema momentum would ignore', async (Class) => {
  const device = Device.open('cpu');
  const params = [Tensor.zeros(device, [2, 3])];
  const make = (momentumForm: 'ema' | 'heavy-ball') => () =>
    new Class(params, { momentum: 0.9, dampening: 0.5, momentumForm, nesterov: false });
  const { code, message } = thrownBy(make('ema'));
  expect(code).toBe('ERR_ARGUMENT');
  expect(message).toContain('dampening must be 0 for momentumForm ema, got');
  expect(make('heavy-ball')).not.toThrow();
  await device.close();
});

it.each([SGD, EG])('%o refuses a dampening without the momentum that takes it', async (Class) => {
  const device = Device.open('cpu');
  const params = [Tensor.zeros(device, [2, 3])];
  const { code, message } = thrownBy(() => new Class(params, { dampening: 0.5 }));
  expect(code).toBe('ERR_ARGUMENT');
  expect(message).toContain('dampening must be 0 without momentum, which alone takes it, got 0.5');
  const optimizer = new Class(params, { momentum: 0.9, dampening: 0.5 });
  optimizer.groups[0]!.momentum = 0;
  expect(thrownBy(() => optimizer.step([Tensor.zeros(device, [2, 3])])).message).toContain('dampening must be 0');
  await device.close();
});
