import { sinkhorn, sinkhornDivergence, Tensor, transportBatch } from '../../../lib/index.ts';
import type { Call, Scene } from '../call.ts';

const cost = ({ device }: Scene) => Tensor.from(device, Float64Array.of(0, 1, 2, 1, 0, 3), [2, 3]);
const batch = ({ device }: Scene) => Tensor.from(device, Float64Array.of(0, 1, 2, 1, 0, 3), [1, 2, 3]);
const vector = ({ device }: Scene, ...values: number[]) =>
  Tensor.from(device, Float64Array.from(values), [values.length]);
const clouds = ({ device }: Scene) => ({
  x: Tensor.from(device, Float64Array.of(0, 0, 1, 0), [2, 2]),
  y: Tensor.from(device, Float64Array.of(1, 1, 2, 0, 0, 1), [3, 2]),
});
const eps = 0.5;
const solved = (on: Scene) => sinkhorn(cost(on), { eps });

export const calls: Record<string, Call> = {
  sinkhorn: {
    args: (on) => [cost(on)],
    options: (on) => ({ eps, a: vector(on, 0.5, 0.5), b: vector(on, 0.25, 0.25, 0.5) }),
    refused: [{ paper: {}, method: 'lbfgs' }, { unbalanced: {} }, { a: [1, 1], b: [1, 1, 2] }],
  },
  sinkhornDivergence: { args: (on) => [clouds(on)], options: () => ({ eps }) },
  barycenter: {
    args: (on) => [Tensor.from(on.device, Float64Array.of(0, 1, 1, 0), [2, 2]), [vector(on, 0.5, 0.5), [0.25, 0.75]]],
    options: () => ({ eps }),
  },
  transportBatch: { args: (on) => [batch(on)], options: () => ({ eps }) },
  'TransportResult.plan': { of: solved, options: () => ({ threshold: 1e-3 }) },
  'TransportResult.apply': { of: solved, args: (on) => [vector(on, 1, 2, 3)], options: () => ({}) },
  'TransportResult.gradient': { of: solved, args: () => ['cost'] },
  'TransportResult.pullback': {
    of: solved,
    args: (on) => [{ f: vector(on, 1, -1), g: vector(on, 1, 2, -3) }, 'cost'],
    options: () => ({ tol: 1e-6 }),
  },
  'TransportBatch.gradient': { of: (on) => transportBatch(batch(on), { eps }), args: () => ['cost'] },
  'Divergence.gradient': { of: (on) => sinkhornDivergence(clouds(on), { eps }), args: () => ['x'] },
};
