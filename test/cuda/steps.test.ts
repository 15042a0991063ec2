// Devices: emulator
// The cost of a step on a GPU besides the bytes that it moves, counted by the emulator.
import { describe, expect, it } from 'vitest';
import { Device, ops, Tensor } from '../../lib/index.ts';
import { expectSame } from '../support/compare.ts';
import { normal } from '../support/data.ts';
import { emulator } from '../support/emulator.ts';
import { tensorOf } from '../support/tensors.ts';

type Op = 'sgd' | 'adamw' | 'adagrad' | 'adagradNorm' | 'lion' | 'auon' | 'applyUpdate';
type State = 'like' | 'sum' | 'row sums';
interface Case {
  name: string;
  op: Op;
  options: Record<string, unknown>;
  states?: Record<string, State>;
  counts?: boolean;
  /** Kernels without statistics, and with. */
  launches: [number, number];
}

const momenta = { momenta: 'like' } as const;
const cases: Case[] = [
  { name: 'sgd', op: 'sgd', options: { momentum: 0 }, launches: [1, 2] },
  { name: 'sgd, momentum', op: 'sgd', options: { momentum: 0.9 }, states: momenta, counts: true, launches: [2, 3] },
  { name: 'apply update', op: 'applyUpdate', options: {}, launches: [1, 2] },
  { name: 'lion', op: 'lion', options: {}, states: momenta, launches: [1, 2] },
  { name: 'adagrad', op: 'adagrad', options: {}, states: { roots: 'like' }, counts: true, launches: [2, 3] },
  {
    name: 'adamw',
    op: 'adamw',
    options: {},
    states: { momenta: 'like', roots: 'like' },
    counts: true,
    launches: [2, 3],
  },
  { name: 'adagrad norm', op: 'adagradNorm', options: {}, states: { squares: 'sum' }, counts: true, launches: [4, 5] },
  {
    name: 'adagrad norm, global',
    op: 'adagradNorm',
    options: { scope: 'global' },
    states: { squares: 'sum' },
    counts: true,
    launches: [5, 6],
  },
  {
    name: 'adagrad norm, rows',
    op: 'adagradNorm',
    options: { scope: 'rows' },
    states: { squares: 'row sums' },
    counts: true,
    launches: [4, 5],
  },
  { name: 'auon, paper', op: 'auon', options: {}, states: momenta, launches: [5, 7] },
  { name: 'auon, head', op: 'auon', options: { variant: 'head', gamma: 1.5 }, states: momenta, launches: [5, 7] },
  { name: 'auon, rms', op: 'auon', options: { variant: 'rms', gamma: 0.5 }, states: momenta, launches: [5, 7] },
];

// Short rows and long ones, more than one piece, and enough elements for the single pass of AuON's head.
const shapes: readonly (readonly number[])[] = [[33, 31], [31], [17, 700]];

interface Step {
  fields: Record<string, unknown>;
  all: Tensor[];
}

function stepOf(device: Device, { options, states = {}, counts }: Case, repeats: number, measured: boolean): Step {
  const list = Array.from({ length: repeats }, () => shapes).flat();
  const filled = (seed: number) =>
    list.map((shape, i) =>
      tensorOf(
        device,
        normal(
          shape.reduce((a, b) => a * b, 1),
          100 * seed + i,
        ),
        shape,
      ),
    );
  const zeros = (shapes: readonly (readonly number[])[], dtype: 'f32' | 'f64' | 'i32') =>
    shapes.map((shape) => Tensor.zeros(device, shape, { dtype }));
  const fields: Record<string, Tensor[]> = { weights: filled(1), grads: filled(2) };
  for (const [name, kind] of Object.entries(states)) {
    if (kind === 'like') fields[name] = zeros(list, 'f32');
    else
      fields[name] = zeros(
        list.map((shape) => [kind === 'sum' ? 1 : shape[0]!]),
        'f64',
      );
  }
  if (counts)
    fields['steps'] = zeros(
      list.map(() => [1]),
      'i32',
    );
  const statistics = Tensor.zeros(device, [list.length, 3], { dtype: 'f64' });
  return {
    fields: { ...fields, ...options, lr: 0.1, ...(measured ? { statistics } : {}) },
    all: [...Object.values(fields).flat(), statistics],
  };
}

const run = (device: Device, op: Op, fields: object): void => ops[op](device, fields as never);
// Everything by which the host could wait for the device.
const waits = [
  'cudaStreamSynchronize',
  'cudaDeviceSynchronize',
  'cudaEventSynchronize',
  'cudaStreamQuery',
  'cudaMemcpy',
];

describe('steps on the emulator', () => {
  const control = (command: string): number => emulator.control(command);
  const calls = (name: string): number => control(`calls?${name}`);
  // Those of a graph too, which the second step makes.
  const launches = () => calls('cudaLaunchKernelEx') + calls('cudaGraphAddKernelNode');

  describe.each(cases)('$name', (one) => {
    it.each([1, 5])('launches a fixed number of kernels and waits for none, %i times the shapes', async (repeats) => {
      const device = Device.open('cuda');
      for (const [i, measured] of [false, true].entries()) {
        const { fields } = stepOf(device, one, repeats, measured);
        run(device, one.op, fields); // brings the lists of tensors
        await device.synchronize();
        const before = { launches: launches(), waits: waits.map(calls) };
        run(device, one.op, fields);
        // The queue's thread is done with the step when its answer to a later one is there.
        await device.synchronize();
        expect(launches() - before.launches).toBe(one.launches[i]);
        expect(waits.map(calls).map((n, j) => n - before.waits[j]!)).toEqual([0, 0, 1, 0, 0]); // synchronize()'s own
      }
      await device.close();
    });

    it('gives the same bits in every order of blocks and threads', async () => {
      const results: ArrayLike<number>[][] = [];
      for (const order of ['forward', 'reverse', 'random']) {
        control(`order=${order}`);
        const device = Device.open('cuda');
        const { fields, all } = stepOf(device, one, 1, true);
        for (let t = 0; t < 2; t++) run(device, one.op, fields);
        results.push(await Promise.all(all.map((tensor) => tensor.read())));
        await device.close();
      }
      control('order=forward');
      const [first, ...others] = results;
      for (const other of others) for (const [i, values] of other.entries()) expectSame(values, first![i]!);
    });
  });
});
