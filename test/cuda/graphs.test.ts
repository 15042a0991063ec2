// Devices: emulator
// Steps as CUDA graphs: one launch where nothing but numbers and addresses changes, and the bits of single launches.
import { afterEach, describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../lib/index.ts';
import { runChild } from '../support/child.ts';
import { normal } from '../support/data.ts';
import { emulator } from '../support/emulator.ts';
import { sameBits } from '../support/same-bits.ts';
import { tensorOf } from '../support/tensors.ts';

const control = (command: string): number => emulator.control(command);
const names = ['cudaLaunchKernelEx', 'cudaGraphInstantiate', 'cudaGraphLaunch'];

/** The number of times that the work calls each of `names`. */
async function callsOf(device: Device, work: () => void): Promise<number[]> {
  await device.synchronize();
  const before = names.map((name) => control(`calls?${name}`));
  work();
  await device.synchronize();
  return names.map((name, i) => control(`calls?${name}`) - before[i]!);
}

function problemOf(device: Device) {
  const shapes = [[33, 31], [7], [17, 700]];
  const filled = (seed: number) =>
    shapes.map((shape, i) =>
      tensorOf(
        device,
        normal(
          shape.reduce((a, b) => a * b),
          seed + i,
        ),
        shape,
      ),
    );
  const zeros = () => shapes.map((shape) => Tensor.zeros(device, shape));
  const [weights, grads, momenta, roots] = [filled(1), filled(10), zeros(), zeros()];
  const steps = shapes.map(() => Tensor.zeros(device, [1], { dtype: 'i32' }));
  return {
    weights,
    adamw: (lr: number, by = grads) => ops.adamw(device, { weights, grads: by, momenta, roots, steps, lr }),
    auon: (lr: number) => ops.auon(device, { weights, grads, momenta, lr }),
    otherGrads: () => filled(20),
  };
}

/** Weights after steps at several rates, with what the calls of CUDA that are made to fail do to them. */
async function train(fail?: string): Promise<Float32Array[]> {
  const device = Device.open('cuda');
  const problem = problemOf(device);
  if (fail) control(fail);
  for (const lr of [0.1, 0.1, 0.05, 0.025]) {
    problem.adamw(lr);
    problem.auon(lr);
  }
  problem.adamw(0.1, problem.otherGrads());
  const weights = await Promise.all(problem.weights.map((tensor) => tensor.read()));
  await device.close();
  expect(control('graphs?')).toBe(0);
  return weights as Float32Array[];
}

describe('steps as graphs on the emulator', () => {
  afterEach(() => void control('clear'));

  it('are launched one by one, then made a graph of, then launched as one', async () => {
    const device = Device.open('cuda');
    const { adamw } = problemOf(device);
    const [first] = await callsOf(device, () => adamw(0.1));
    expect(first).toBe(3); // the table of tensors, the counters, the step
    expect(await callsOf(device, () => adamw(0.1))).toEqual([0, 1, 1]);
    expect(await callsOf(device, () => adamw(0.1))).toEqual([0, 0, 1]);
    await device.close();
  });

  it('take another rate without being made again', async () => {
    const device = Device.open('cuda');
    const { adamw } = problemOf(device);
    for (let i = 0; i < 2; i++) adamw(0.1);
    const updates = control('calls?cudaGraphExecKernelNodeSetParams');
    expect(await callsOf(device, () => adamw(0.2))).toEqual([0, 0, 1]);
    expect(control('calls?cudaGraphExecKernelNodeSetParams')).toBeGreaterThan(updates);
    await device.close();
  });

  it('take gradients at other addresses: a table more, and no graph', async () => {
    const device = Device.open('cuda');
    const { adamw, otherGrads } = problemOf(device);
    for (let i = 0; i < 2; i++) adamw(0.1);
    const other = otherGrads();
    expect(await callsOf(device, () => adamw(0.1, other))).toEqual([1, 0, 1]);
    await device.close();
  });

  it.each([
    ['cudaGraphCreate', 1],
    ['cudaGraphAddKernelNode', 1],
    ['cudaGraphAddKernelNode', 2],
    ['cudaGraphInstantiate', 1],
    ['cudaGraphExecKernelNodeSetParams', 1],
    ['cudaGraphLaunch', 1],
    ['cudaGraphLaunch', 2],
  ])('fall back to single launches with the same bits where %s fails, call %i', async (name, nth) => {
    const expected = await train();
    const launches = control('calls?cudaLaunchKernelEx');
    await train();
    const usual = control('calls?cudaLaunchKernelEx') - launches;
    const actual = await train(`fail=${name}:${nth}:999`);
    expect(control('calls?cudaLaunchKernelEx') - launches - usual).toBeGreaterThan(usual);
    for (const [i, weights] of actual.entries()) expect(sameBits(weights, expected[i]!)).toBe(true);
  });

  it.each(['eager', 'deferred', 'random'])('have the same bits with %s streams', async (streams) => {
    const expected = await train();
    control(`streams=${streams}`);
    const actual = await train();
    control('streams=eager');
    for (const [i, weights] of actual.entries()) expect(sameBits(weights, expected[i]!)).toBe(true);
  });

  it('are off where ORTHOKIT_GRAPHS is 0', async () => {
    const run = async (env: Record<string, string>) => (await runChild('graphs.mjs', { env })).stdout.split('\n');
    const [on, off] = await Promise.all([run({}), run({ ORTHOKIT_GRAPHS: '0' })]);
    expect(Number(on[0])).toBeGreaterThan(0);
    expect(off[0]).toBe('0');
    expect(off[1]).toBe(on[1]);
  });
});
