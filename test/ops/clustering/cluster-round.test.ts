// Devices: cpu, cuda
// Source: property "never raises the energy of a graph that is positive semi-definite"
import { afterAll, describe, expect, it } from 'vitest';
import { Lane } from '../../../lib/core/lane.ts';
import { Device, ops, Tensor } from '../../../lib/index.ts';
import { productsOf, ringOf } from '../../support/cluster-problems.ts';
import { uniform } from '../../support/data.ts';
import { devices, onlyCpu } from '../../support/devices.ts';
import { expectLikeReference } from '../../support/reference.ts';
import { refuses, refusesWrongFields } from '../../support/refusals.ts';
import { expectSameBits } from '../../support/same-bits.ts';

interface Size {
  tasks: number;
  n: number;
  k: number;
  degree: number;
  fixed: number;
  steps: number;
}
const fieldsOf = (on: Device, { tasks, n, k, degree, fixed, steps }: Size) => {
  const random = uniform(5);
  const weights = Float64Array.from({ length: tasks * k * n }, () => random());
  for (let c = 0; c < tasks * k; ++c) {
    const row = weights.subarray(c * n, c * n + n);
    const sum = row.reduce((a, b) => a + b, 0);
    for (let i = 0; i < n; ++i) row[i]! /= sum;
  }
  const whole = (shape: number[], value: number) => Tensor.full(on, shape, value, { dtype: 'i32' });
  return {
    products: Tensor.from(on, productsOf(tasks, n, 1), [tasks, n, n]),
    neighbours: ringOf(on, tasks, n, degree, 0),
    ...(fixed > 0 && {
      fixed: Tensor.from(
        on,
        Int32Array.from({ length: tasks * fixed }, (_, i) => (i % fixed) % k),
        [tasks, fixed],
      ),
    }),
    weights: Tensor.from(on, weights, [tasks, k, n]),
    z: Tensor.full(on, [tasks, n, k], 1 / k, { dtype: 'f64' }),
    labels: whole([tasks, n], -1),
    energies: Tensor.zeros(on, [tasks, steps], { dtype: 'f64' }),
    taken: whole([tasks], 0),
    vanished: whole([tasks], 0),
  };
};
const sizes: Size[] = [
  { tasks: 3, n: 17, k: 3, degree: 2, fixed: 3, steps: 5 },
  { tasks: 2, n: 33, k: 4, degree: 3, fixed: 0, steps: 3 },
  { tasks: 1, n: 5, k: 1, degree: 0, fixed: 1, steps: 1 },
  { tasks: 0, n: 4, k: 2, degree: 1, fixed: 1, steps: 2 },
];

describe.each(devices)('clusterRound on %s', (kind) => {
  const device = Device.open(kind);
  afterAll(() => device.close());

  it.each(sizes)('agrees with the reference: %j', async (size) => {
    for (const graph of ['psd', 'raw'] as const)
      for (const [update, start, modes] of [
        ['hard', 'costs', false],
        ['soft', 'kept', false],
        ['none', 'costs', true],
        ['hard', 'costs', true],
      ] as const) {
        const fields = (on: Device) => ({
          ...fieldsOf(on, size),
          ...(modes && { sigmaSquares: Tensor.full(on, [size.tasks], 0.7, { dtype: 'f64' }) }),
          lambda: 0.7,
          temperature: 2,
          graph,
          update,
          start,
        });
        await expectLikeReference('clusterRound', device, fields, { ulps: 1e6, of: 'largest' });
      }
  });

  it('counts nothing of a cluster whose cost is infinite', async () => {
    const f64 = (values: number[], shape: number[]) => Tensor.from(device, Float64Array.from(values), shape);
    const fields = {
      ...fieldsOf(device, { tasks: 1, n: 2, k: 2, degree: 0, fixed: 0, steps: 1 }),
      products: f64([0, 0, 0, 1e200], [1, 2, 2]),
      weights: f64([1, 0, 0, 1], [1, 2, 2]),
    };
    ops.clusterRound(device, { ...fields, temperature: 1e200 });
    expect(await fields.z.read()).toEqual(Float64Array.of(1, 0, 0, 1));
    expect(await fields.energies.read()).toEqual(Float64Array.of(0));
  });

  it('keeps the weights of a cluster of which rows have nothing', async () => {
    const f64 = (values: number[], shape: number[]) => Tensor.from(device, Float64Array.from(values), shape);
    const fields = {
      ...fieldsOf(device, { tasks: 1, n: 2, k: 2, degree: 0, fixed: 1, steps: 1 }),
      products: f64([0, 0, 0, 1], [1, 2, 2]),
      // The first row is said to be of a cluster that there is not, and has nothing of either.
      fixed: Tensor.from(device, Int32Array.of(7), [1, 1]),
      weights: f64([1, 0, 0, 1], [1, 2, 2]),
    };
    ops.clusterRound(device, { ...fields, temperature: 1e4, update: 'soft' });
    expect(await fields.z.read()).toEqual(Float64Array.of(0, 0, 0, 1));
    expect(await fields.vanished.read()).toEqual(Int32Array.of(0));
    expect(await fields.weights.read()).toEqual(Float64Array.of(1, 0, 0, 1));
  });

  it('never raises the energy of a graph that is positive semi-definite', async () => {
    const fields = fieldsOf(device, { tasks: 20, n: 24, k: 3, degree: 2, fixed: 3, steps: 40 });
    ops.clusterRound(device, { ...fields, lambda: 1 });
    const energies = await fields.energies.read();
    for (let at = 0; at < energies.length; ++at)
      if (at % 40 > 0) expect(energies[at]! - energies[at - 1]!).toBeLessThan(1e-9);
  });

  it('ends where the energy settles, and leaves tasks that are not active and clusters that vanish as they were', async () => {
    const size = { tasks: 2, n: 12, k: 3, degree: 2, fixed: 0, steps: 200 };
    const fields = fieldsOf(device, size);
    const active = Tensor.from(device, Int32Array.of(1, 0), [2]);
    ops.clusterRound(device, { ...fields, active, lambda: 0.3, tol: 1e-7 });
    const taken = await fields.taken.read();
    expect(taken[0]).toBeLessThan(200);
    expect(taken[1]).toBe(0);
    expect((await fields.labels.read()).slice(12)).toEqual(new Int32Array(12).fill(-1));
    // All rows alike: one cluster takes all, at first with labels, then without a change.
    const same = {
      ...fields,
      products: Tensor.full(device, [2, 12, 12], 1, { dtype: 'f64' }),
      update: 'hard' as const,
    };
    ops.clusterRound(device, { ...same, labels: Tensor.full(device, [2, 12], -1, { dtype: 'i32' }) });
    expect([...(await same.vanished.read())]).toEqual([2, 2]);
    const before = [await same.weights.read(), await same.z.read()];
    same.labels.write(new Int32Array(24).fill(2));
    ops.clusterRound(device, same);
    expect([await same.weights.read(), await same.z.read()]).toEqual(before);
    expect(await same.labels.read()).toEqual(new Int32Array(24).fill(2));
  });
});

const valid = (device: Device) => ({
  ...fieldsOf(device, { tasks: 2, n: 4, k: 2, degree: 1, fixed: 2, steps: 2 }),
  sigmaSquares: Tensor.full(device, [2], 1, { dtype: 'f64' }),
  active: Tensor.full(device, [2], 1, { dtype: 'i32' }),
});
describe.each(onlyCpu)('clusterRound', () => {
  it('ends in the middle of its steps once it is given up', { timeout: 60_000 }, async () => {
    await using device = Device.open('cpu', { threads: 1 });
    // NaN never settles: all steps are taken.
    const steps = 100_000;
    const fields = fieldsOf(device, { tasks: 1, n: 200, k: 5, degree: 3, fixed: 0, steps });
    fields.products.write(new Float64Array(200 * 200).fill(NaN));
    let taken = 0;
    // The machine may begin late, or keep this thread waiting.
    for (let wait = 10; (taken === 0 || taken === steps) && wait <= 160; wait *= 2) {
      fields.energies.write(new Float64Array(steps));
      await device.synchronize();
      using lane = new Lane(device);
      ops.clusterRound(lane.queue, { ...fields, lambda: 1 });
      await new Promise((resolve) => setTimeout(resolve, wait));
      lane.giveUp();
      taken = (await fields.energies.read()).filter(Number.isNaN).length;
    }
    expect(taken).toBeGreaterThan(0);
    expect(taken).toBeLessThan(steps);
  });
  refusesWrongFields('clusterRound', valid, ['fixed', 'sigmaSquares', 'active']);
  refuses('clusterRound', valid, (device) => {
    const f64 = (shape: number[]) => Tensor.zeros(device, shape, { dtype: 'f64' });
    const i32 = (shape: number[]) => Tensor.zeros(device, shape, { dtype: 'i32' });
    return [
      [{ products: f64([2, 4, 4]).cast('f32') }, 'ERR_DTYPE', 'clusterRound: products must be f64, got f32[2, 4, 4]'],
      [{ products: f64([2, 4, 5]) }, 'ERR_SHAPE', 'clusterRound: products must be square matrices of tasks, got f64[2, 4, 5]'],
      [{ z: f64([2, 4, 2]).cast('f32') }, 'ERR_DTYPE', 'clusterRound: weights, z and energies must be f64, got f32[2, 4, 2]'],
      [{ taken: f64([2]) }, 'ERR_DTYPE', 'clusterRound: neighbours, labels, taken and vanished must be i32, got f64[2]'],
      [{ neighbours: i32([2, 3, 1]) }, 'ERR_SHAPE', 'clusterRound: neighbours must have a row a row of the products, got i32[2, 3, 1] for products f64[2, 4, 4]'],
      [{ weights: f64([2, 2, 3]) }, 'ERR_SHAPE', 'clusterRound: weights must have clusters of one element a row, got f64[2, 2, 3] for products f64[2, 4, 4]'],
      [{ z: f64([2, 4, 3]) }, 'ERR_SHAPE', 'clusterRound: z must have one element a row and cluster, got f64[2, 4, 3] for weights f64[2, 2, 4]'],
      [{ labels: i32([2, 3]) }, 'ERR_SHAPE', 'clusterRound: labels must have one element a row, got i32[2, 3] for products f64[2, 4, 4]'],
      [{ energies: f64([2, 0]) }, 'ERR_SHAPE', 'clusterRound: energies must have a step and a row a task, got f64[2, 0] for products f64[2, 4, 4]'],
      [{ taken: i32([3]) }, 'ERR_SHAPE', 'clusterRound: taken and vanished must have one element a task, got i32[3] for products f64[2, 4, 4]'],
      [{ fixed: f64([2, 2]) }, 'ERR_DTYPE', 'clusterRound: fixed must be i32, got f64[2, 2]'],
      [{ fixed: i32([2, 5]) }, 'ERR_SHAPE', 'clusterRound: fixed must have the labels of first rows, a row a task, got i32[2, 5] for products f64[2, 4, 4]'],
      [{ sigmaSquares: i32([2]) }, 'ERR_DTYPE', 'clusterRound: sigmaSquares must be f64, got i32[2]'],
      [{ sigmaSquares: f64([1]) }, 'ERR_SHAPE', 'clusterRound: sigmaSquares must have one element a task, got f64[1] for products f64[2, 4, 4]'],
      [{ update: 'soft' }, 'ERR_ARGUMENT', 'clusterRound: sigmaSquares must not be given for soft means, got f64[2]'],
      [{ active: f64([2]) }, 'ERR_DTYPE', 'clusterRound: active must be i32, got f64[2]'],
      [{ active: i32([1]) }, 'ERR_SHAPE', 'clusterRound: active must have one element a task, got i32[1] for products f64[2, 4, 4]'],
      [{ lambda: -1 }, 'ERR_ARGUMENT', 'clusterRound: lambda must be finite and not negative, got -1'],
      [{ temperature: 0 }, 'ERR_ARGUMENT', 'clusterRound: temperature must be positive and finite, got 0'],
      [{ tol: -1 }, 'ERR_ARGUMENT', 'clusterRound: tol must not be negative, got -1'],
    ]; // biome-ignore format: a line each
  });
  it('gives the same bits on any number of threads', () =>
    expectSameBits((device) => {
      const fields = fieldsOf(device, { tasks: 9, n: 20, k: 3, degree: 2, fixed: 3, steps: 5 });
      ops.clusterRound(device, { ...fields, lambda: 0.7, update: 'hard' });
      return [fields.z, fields.weights, fields.energies];
    }));
});
