import type { Oracle } from '../../../lib/solvers/index.ts';
import { dense, hostOracle, vector } from '../../solvers/problems.ts';
import type { Call, Scene } from '../call.ts';

const operator = ({ device }: Scene) => dense(device, [[2, 1], [1, 3]]); // biome-ignore format: one line
/** |x|². */
const oracle = ({ device }: Scene): Oracle => ({
  ...hostOracle([vector(device, [3, -2])], (x) => ({
    value: x.reduce((sum, value) => sum + value ** 2, 0),
    gradient: Array.from(x, (value) => 2 * value),
  })),
  hessianProduct: () => {},
});

export const calls: Record<string, Call> = {
  directionalSharpness: {
    args: (on) => [operator(on), vector(on.device, [1, 2])],
    options: () => ({}),
    takes: ['any rank'],
  },
  sharpnessProfile: {
    args: (on) => [operator(on), vector(on.device, [1, 2])],
    options: () => ({}),
    takes: ['any rank'],
  },
  flat: { args: (on) => [oracle(on), 'hessian'], takes: ['any rank'] },
};
