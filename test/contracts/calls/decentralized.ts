import { DadaoGraph, DadaoNode, DadaoSimulation } from '../../../lib/decentralized/index.ts';
import type { Device, Tensor } from '../../../lib/index.ts';
import { graphs, quadratics } from '../../decentralized/quadratics.ts';
import { vector } from '../../solvers/problems.ts';
import type { Call, Scene } from '../call.ts';

const numbers = { dim: 3, mu: 1, lipschitz: 10, chi1Star: 2 };
const make = (device: Device): DadaoNode => new DadaoNode(device, { ...numbers, dtype: 'f64' });
const node = ({ device }: Scene): DadaoNode => make(device);
const message = ({ device }: Scene, by: number): Tensor => vector(device, [1, 2, by]);
const simulationOn = (device: Device): DadaoSimulation =>
  new DadaoSimulation(new DadaoGraph(8, graphs.star), quadratics(device), { mu: 1, lipschitz: 10, seed: 1 });
const simulation = ({ device }: Scene): DadaoSimulation => simulationOn(device);
const saved = async (on: Scene): Promise<readonly unknown[]> => {
  const one = node(on);
  await one.save(on.folder.file('saved'));
  one.dispose();
  return [on.folder.file('saved')];
};

export const calls: Record<string, Call> = {
  DadaoGraph: { args: () => [8, graphs.ring], options: () => ({ rates: Array.from(graphs.ring, () => 1) }) },
  'DadaoGraph.of': { args: () => [8, graphs.ring], options: () => ({ rates: Array.from(graphs.ring, () => 1) }) },
  DadaoNode: {
    args: ({ device }) => [device],
    options: (on) => ({ ...numbers, x0: message(on, 3), dtype: 'f64' }),
    refused: [{ lipschitz: 0.5 }],
  },
  'DadaoNode.gradientEvent': { of: node, args: () => [1, (_: Tensor, out: Tensor) => out.write(new Float64Array(3))] },
  'DadaoNode.message': { of: node, args: () => [1] },
  'DadaoNode.receive': { of: node, args: (on) => [1, message(on, 1), message(on, 2)] },
  'DadaoNode.save': {
    state: {
      advance: (one: DadaoNode, step) =>
        one.gradientEvent(step, (_, out) => out.write(Float64Array.of(step, 1, -step))),
      again: async (_: DadaoNode, { device }) => make(device),
      beside: () => [],
    },
    of: node,
    args: ({ folder }) => [folder.file('state')],
    options: () => ({}),
  },
  'DadaoNode.load': { of: node, args: saved, options: () => ({}) },
  DadaoSimulation: {
    args: ({ device }) => [new DadaoGraph(8, graphs.star), quadratics(device)],
    options: () => ({ mu: 1, lipschitz: 10, seed: 1, rate: 10 }),
  },
  'DadaoSimulation.save': {
    state: {
      advance: async (one: DadaoSimulation) => {
        await one.run(one.time + 0.7);
      },
      again: async (_: DadaoSimulation, { device }) => simulationOn(device),
      beside: () => [],
    },
    of: simulation,
    args: ({ folder }) => [folder.file('state')],
    options: () => ({}),
  },
  'DadaoSimulation.load': {
    of: simulation,
    args: async (on) => {
      const one = simulation(on);
      await one.save(on.folder.file('saved'));
      one.dispose();
      return [on.folder.file('saved')];
    },
    options: () => ({}),
  },
  'DadaoSimulation.run': { of: simulation, args: () => [1], options: () => ({ every: 0.5 }) },
};
