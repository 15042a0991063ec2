import { Tensor } from '../../../lib/index.ts';
import { type Oracle, project } from '../../../lib/solvers/index.ts';
import { dense, hostOracle, vector } from '../../solvers/problems.ts';
import type { Call, Scene } from '../call.ts';

const matrix = [
  [4, 1, 0],
  [1, 3, 1],
  [0, 1, 2],
];
const operator = ({ device }: Scene) => dense(device, matrix);
const b = ({ device }: Scene) => vector(device, [1, 2, 3]);
/** |x − 1|². */
const oracle = ({ device }: Scene): Oracle =>
  hostOracle([vector(device, [3, -2])], (x) => ({
    value: x.reduce((sum, value) => sum + (value - 1) ** 2, 0),
    gradient: Array.from(x, (value) => 2 * (value - 1)),
  }));
const plane = ({ device }: Scene) =>
  [Tensor.from(device, Float64Array.of(1, 1, 1), [1, 3]), vector(device, [1])] as const;

export const calls: Record<string, Call> = {
  cg: {
    args: (on) => [operator(on), b(on)],
    options: (on) => ({ tol: 1e-8, x0: b(on), preconditioner: operator(on) }),
  },
  minres: { args: (on) => [operator(on), b(on)], options: (on) => ({ tol: 1e-8, x0: b(on) }) },
  lanczos: { args: (on) => [operator(on)], options: (on) => ({ steps: 2, v0: b(on) }) },
  matrixOperator: { args: ({ device }) => [Tensor.from(device, Float64Array.of(2, 1, 1, 3), [2, 2])] },
  blockLanczos: { args: (on) => [operator(on)], options: () => ({ block: 2, steps: 3 }) },
  sparseOperator: {
    args: ({ device }) => [
      device,
      { rows: Int32Array.of(1, 0), cols: Int32Array.of(0, 1), values: Float64Array.of(1, 2), shape: [2, 2] },
    ],
    options: () => ({}),
  },
  slq: { args: (on) => [operator(on), (x: number) => x], options: () => ({ probes: 2 }) },
  lbfgs: { takes: ['any rank'], args: (on) => [oracle(on)], options: () => ({ maxIterations: 3 }), changes: [0] },
  fista: {
    args: (on) => [oracle(on), (x: readonly Tensor[]) => project.ball(x[0]!, 1)],
    options: () => ({ maxIterations: 3 }),
    changes: [0],
    takes: ['any rank'],
  },
  fistaStronglyConvex: {
    args: (on) => [oracle(on)],
    options: () => ({ mu: 0.5, lipschitz: 10, accuracy: 0.1 }),
    refused: [{ lipschitz: 0.4 }],
    changes: [0],
    takes: ['any rank'],
  },
  checkAdjoint: { args: (on) => [operator(on)], options: () => ({ seed: 1 }) },
  checkGradient: { takes: ['any rank'], args: (on) => [oracle(on)], options: () => ({ seed: 1 }) },
  withDifferences: { takes: ['any rank'], args: (on) => [oracle(on)] },
  'project.simplex': { args: (on) => [b(on), 1], changes: [0] },
  'project.l1Ball': { args: (on) => [b(on), 1], changes: [0] },
  'project.ball': { args: (on) => [b(on), 1], changes: [0] },
  'project.box': { takes: ['any rank'], args: (on) => [b(on), 0, 2], changes: [0] },
  'project.halfspace': { args: (on) => [b(on), b(on), 1], changes: [0] },
  'project.affine': { args: (on) => [b(on), ...plane(on)], changes: [0] },
  'project.dykstra': {
    args: (on) => [b(on), [(x: Tensor) => project.ball(x, 1), (x: Tensor) => project.box(x, 0, 1)]],
    options: () => ({ maxIterations: 3 }),
    changes: [0],
  },
  'project.AffineSet.of': { args: (on) => [...plane(on)] },
  'project.AffineSet.project': { of: (on) => project.AffineSet.of(...plane(on)), args: (on) => [b(on)], changes: [0] },
};
