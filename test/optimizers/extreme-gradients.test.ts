// Devices: cpu, cuda
// Gradients in f64 whose squares leave the range of f64: steps that divide by a norm are what they are for others.
import { afterAll, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../lib/index.ts';
import { coefficientSets } from '../reference/newton-schulz.ts';
import { normal } from '../support/data.ts';
import { devices } from '../support/devices.ts';
import { tensorOf, valuesOf } from '../support/tensors.ts';

const coefficients = coefficientSets.jordan;
const shape = [20, 30];

interface Fields {
  readonly weights: Tensor[];
  readonly grads: Tensor[];
  readonly momenta: Tensor[];
  readonly lr: number;
  readonly eps: number;
}
const steps: Record<string, (device: Device, fields: Fields) => void> = {
  muon: (device, fields) => ops.muon(device, { ...fields, coefficients }),
  'auon, paper': (device, fields) => ops.auon(device, fields),
  'auon, paper, large gamma': (device, fields) => ops.auon(device, { ...fields, gamma: 20 }),
  'auon, rms': (device, fields) => ops.auon(device, { ...fields, variant: 'rms', gamma: 0.5 }),
  'hybrid_auon, paper': (device, fields) => ops.hybridAuon(device, { ...fields, coefficients }),
  'hybrid_auon, head': (device, fields) => ops.hybridAuon(device, { ...fields, coefficients, variant: 'head' }),
  'hybrid_auon, rms': (device, fields) =>
    ops.hybridAuon(device, { ...fields, coefficients, variant: 'rms', gamma: 0.5 }),
};

describe.each(devices)('gradients of f64 on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  /** The update of a step for lr 1, and the momentum after it, in units of the gradients. */
  async function stepped(name: string, scale: number): Promise<Float64Array[]> {
    const weights = [Tensor.zeros(device, shape, { dtype: 'f64' })];
    const scaled = (seed: number) => [tensorOf(device, normal(600, seed).map((x) => scale * x), shape, 'f64')]; // biome-ignore format: one line
    const [grads, momenta] = [scaled(1), scaled(2)];
    steps[name]!(device, { weights, grads, momenta, lr: 1, eps: 0 });
    return [await valuesOf(weights[0]!), (await valuesOf(momenta[0]!)).map((x) => x / scale)];
  }

  // Powers of two change no bit.
  const cases = Object.keys(steps).flatMap((name) => [-1000, -600, 500, 520, 1000].map((power) => ({ name, power })));
  it.each(cases)('$name: those of size 2^$power move weights as others do', async ({ name, power }) => {
    const plain = await stepped(name, 1);
    expect(plain[0]!.some((x) => x !== 0)).toBe(true);
    expect(await stepped(name, 2 ** power)).toEqual(plain);
  });
});
