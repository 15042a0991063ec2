import { LearnedProximal } from '../../../lib/constrained/index.ts';
import { ops, Tensor } from '../../../lib/index.ts';
import { circle } from '../../constrained/lagrangian/problems.ts';
import { dense, vector } from '../../solvers/problems.ts';
import type { Call, Scene } from '../call.ts';

const operator = ({ device }: Scene) => dense(device, [[2, 1], [1, 3]]); // biome-ignore format: one line
const b = ({ device }: Scene) => vector(device, [1, 2]);
const itself = (r: Tensor, out: Tensor) => ops.copy(r.device, { x: [r], out: [out] });

const signals = ({ device }: Scene, seed = 1) => Tensor.randn(device, [3, 2], { seed });
const network = ({ device }: Scene) => new LearnedProximal(device, { dim: 2, hidden: 3, layers: 1, seed: 1 });
const trained = (name: string): Record<string, Call> => ({
  [`LearnedProximal.${name}`]: { of: network, args: (on) => [signals(on)], options: () => ({ maxIterations: 5 }) },
});

export const calls: Record<string, Call> = {
  cdmSolve: { args: (on) => [operator(on), b(on), itself], options: (on) => ({ maxIterations: 3, x0: b(on) }) },
  cdmLoss: { args: (on) => [operator(on), b(on), b(on)], options: () => ({}) },
  ritzDataset: { args: (on) => [operator(on)], options: () => ({ vectors: 2, samples: 2 }) },
  LearnedProximal: { args: ({ device }) => [device], options: () => ({ dim: 2, hidden: 3, layers: 1, seed: 1 }) },
  'LearnedProximal.potential': { of: network, args: (on) => [signals(on)] },
  'LearnedProximal.prox': { of: network, args: (on) => [signals(on)] },
  'LearnedProximal.pullback': { of: network, args: (on) => [signals(on), signals(on, 2)] },
  'LearnedProximal.trainStep': {
    of: network,
    args: (on) => [signals(on), signals(on, 2)],
    options: () => ({}),
    refused: [{ loss: 'l2', gamma: 0.1 }],
  },
  ...trained('invert'),
  ...trained('prior'),
  'LearnedProximal.save': {
    of: network,
    args: ({ folder }) => [folder.file('state')],
    options: () => ({}),
    state: {
      advance: async (one: LearnedProximal, step) => {
        using clean = Tensor.randn(one.device, [3, 2], { seed: step });
        using noisy = Tensor.randn(one.device, [3, 2], { seed: 100 + step });
        (await one.trainStep(clean, noisy)).dispose();
      },
      again: async (_, on) => network(on),
      beside: () => [],
    },
  },
  'LearnedProximal.load': {
    of: network,
    args: async (on) => {
      using one = network(on);
      await one.save(on.folder.file('saved'));
      return [on.folder.file('saved')];
    },
    options: () => ({}),
  },
  adaSketchNewton: {
    args: () => [circle, Float64Array.of(-1.2, -0.5), Float64Array.of(1)],
    options: ({ device }) => ({ maxIterations: 3, device }),
    refused: [{ sketch: 'direct', block: 1 }, { block: 4 }],
    takes: ['any device'],
  },
  pnpAdmm: {
    args: (on) => [{ operator: operator(on), y: b(on), prox: itself }],
    options: () => ({ iterations: 3 }),
  },
  poissonOperator: { args: ({ device }) => [device, [2, 3]], options: () => ({}) },
};
