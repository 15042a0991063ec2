// Devices: cpu, cuda
// Axes: products
// Source: values "Muon, Jordan’s coefficients" in test/optimizers/check-values.test.ts
import { describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { muon } from '../../reference/muon.ts';
import { coefficientSets } from '../../reference/newton-schulz.ts';
import { describeCheckValues } from '../../support/check-values.ts';
import { expectClose } from '../../support/compare.ts';
import { normal } from '../../support/data.ts';
import { devices } from '../../support/devices.ts';
import { describeStep, each, type Method } from '../../support/steps.ts';
import { tensorOf, thrownBy, valuesOf } from '../../support/tensors.ts';

const { jordan, you5, polarExpress, polarExpressKj } = coefficientSets;
const method: Method = {
  op: 'muon',
  reference: each(muon),
  // Two steps of Newton–Schulz show all that a step does, and leave rounding errors small.
  options: { lr: 0.02, coefficients: jordan.slice(0, 6), eps: 1e-7 },
  states: { momenta: 'like' },
  shapes: [[33, 31], [17, 65], [3, 17, 9], [4, 3, 2, 2], [3, 2, 2, 1, 5], [1, 1], [0, 4]], // biome-ignore format: one line
};
describeStep(method);
describeStep({
  ...method,
  options: { ...method.options, momentumForm: 'heavy-ball', dampening: 0.2, nesterov: 'off', shapeScale: 'spectral' },
});

const common = { lr: 0.02, weightDecay: 0.01, momentum: 0.95 };
describeCheckValues(method, [
  {
    name: 'jordan',
    options: { ...common, coefficients: jordan },
    wide: [0.4730244253, 0.0946415631, 0.0728958473],
    tall: [0.4774686063, 0.4647954092, 0.0895457269],
  },
  {
    name: 'jordan, match_rms_adamw',
    options: { ...common, coefficients: jordan, shapeScale: 'match_rms_adamw' },
    wide: [0.4815507313, 0.0939063423, 0.0356204156],
    tall: [0.4848310392, 0.4639947802, 0.0356966306],
  },
  {
    name: 'you5',
    options: { ...common, coefficients: you5 },
    wide: [0.4779920752, 0.0947955738, 0.0752186861],
    tall: [0.4821415958, 0.4691318547, 0.0911559232],
  },
  {
    name: 'polar express',
    options: { ...common, coefficients: polarExpress },
    wide: [0.4776708239, 0.092705759, 0.0769737551],
    tall: [0.4816139789, 0.4693217519, 0.0936092833],
  },
  {
    name: 'polar express, safety inside',
    options: { ...common, coefficients: polarExpressKj, normScale: 1.02, eps: 1e-6 },
    wide: [0.4793505688, 0.094165085, 0.070717949],
    tall: [0.4810828611, 0.468047456, 0.0956192572],
  },
  {
    name: 'jordan, cautious decay .1',
    options: { ...common, coefficients: jordan, weightDecay: 0.1, weightDecayMode: 'cautious' },
    wide: [0.4704351017, 0.0943326736, 0.075067054],
    tall: [0.4758219875, 0.4641189895, 0.0907313631],
  },
]);

describe.each(devices)('muon on %s', (kind) => {
  it.each(['original', 'match_rms_adamw', 'spectral', 'max', 'none'] as const)('shape scale %s', async (shapeScale) => {
    const device = Device.open(kind);
    for (const [rows, columns] of [
      [12, 5],
      [5, 12],
    ] as const) {
      const one = async (scale: typeof shapeScale) => {
        const weights = [Tensor.zeros(device, [rows, columns], { dtype: 'f64' })];
        const momenta = [Tensor.zeros(device, [rows, columns], { dtype: 'f64' })];
        const grads = [tensorOf(device, normal(60, 2), [rows, columns], 'f64')];
        ops.muon(device, { weights, grads, momenta, lr: 1, coefficients: jordan, shapeScale: scale });
        return weights[0]!.read();
      };
      const factor = {
        original: rows > columns ? Math.sqrt(12 / 5) : 1,
        match_rms_adamw: 0.2 * Math.sqrt(12),
        spectral: Math.sqrt(rows / columns),
        max: Math.sqrt(12),
        none: 1,
      }[shapeScale];
      const plain = Float64Array.from(await one('none'), (x) => x * factor);
      expectClose(await one(shapeScale), plain, { dtype: 'f64', ulps: 2 });
    }
    await device.close();
  });

  it('steps parameters of one shape together as it does one by one', async () => {
    const device = Device.open(kind);
    const shapes = [[20, 30], [30, 20], [20, 30], [0, 5], [2, 20, 30], [0, 5], [5, 2, 3], [16, 16], [0, 16, 16]]; // biome-ignore format: one line
    const sizes = shapes.map((shape) => shape.reduce((a, b) => a * b, 1));
    const all = (seed: number) => shapes.map((shape, i) => tensorOf(device, normal(sizes[i]!, seed + i), shape));
    const run = async (groups: number[][]) => {
      const [weights, grads, momenta] = [all(1), all(20), all(40)];
      const statistics: Tensor[] = [];
      for (const group of groups) {
        const of = (list: Tensor[]) => group.map((i) => list[i]!);
        statistics.push(Tensor.full(device, [group.length, 3], 7, { dtype: 'f64' }));
        const step = { weights: of(weights), grads: of(grads), momenta: of(momenta), statistics: statistics.at(-1)! };
        ops.muon(device, { ...step, lr: 0.1, coefficients: jordan, weightDecay: 0.1, weightDecayMode: 'l2' });
      }
      const read = async (list: Tensor[]) => (await Promise.all(list.map(valuesOf))).flatMap((x) => [...x]);
      return [await read(weights), await read(momenta), await read(statistics)];
    };
    const together = await run([shapes.map((_, i) => i)]);
    const alone = await run(shapes.map((_, i) => [i]));
    for (const [i, values] of together.entries())
      expectClose(values, alone[i]!, { dtype: 'f32', ulps: kind === 'cpu' ? 0 : 64, magnitude: 0.1 });
    await device.close();
  });

  it.each([
    ['f16', 1e-2],
    ['bf16', 6e-2],
  ] as const)('in %s its step is off f32 by less than %d', async (nsDtype, most) => {
    const device = Device.open(kind);
    const step = async (more: object) => {
      const weights = [Tensor.zeros(device, [48, 96])];
      const momenta = [Tensor.zeros(device, [48, 96])];
      const grads = [tensorOf(device, normal(48 * 96, 2), [48, 96])];
      ops.muon(device, { weights, grads, momenta, lr: 1, coefficients: polarExpress, ...more });
      return valuesOf(weights[0]!);
    };
    const exact = await step({});
    const apart = (await step({ nsDtype })).map((v, i) => v - exact[i]!);
    expect(Math.hypot(...apart) / Math.hypot(...exact)).toBeLessThan(most);
    expect(Math.hypot(...apart)).toBeGreaterThan(0);
    await device.close();
  });

  it('refuses vectors and bad coefficients', async () => {
    const device = Device.open(kind);
    const zeros = (...shape: number[]) => [Tensor.zeros(device, shape)];
    const step = (shape: number[], more: object) =>
      thrownBy(() =>
        ops.muon(device, { weights: zeros(...shape), grads: zeros(...shape), momenta: zeros(...shape), ...more }),
      );
    expect(step([6], {})).toEqual({ code: 'ERR_SHAPE', message: 'muon: weights must have rank 2 or more, got f32[6]' });
    expect(step([2, 3], { coefficients: [1, 2] }).code).toBe('ERR_ARGUMENT');
    expect(step([2, 3], { momentum: 1 }).code).toBe('ERR_ARGUMENT');
    await device.close();
  });
});
