import {
  LanczosLrLearner,
  MFac,
  MFacOptimizer,
  MFacStatic,
  type SurrogateModel,
  TargetSurrogate,
} from '../../../lib/curvature/index.ts';
import { ops, Tensor } from '../../../lib/index.ts';
import type { Oracle } from '../../../lib/solvers/index.ts';
import { dense, hostOracle, vector } from '../../solvers/problems.ts';
import type { Call, Scene } from '../call.ts';

const operator = ({ device }: Scene) => dense(device, [[2, 1], [1, 3]]); // biome-ignore format: one line
const jacobian = ({ device }: Scene) => Tensor.from(device, Float64Array.of(1, 2, 3, 4, 5, 6), [3, 2]);
/** |x|². */
const oracle = ({ device }: Scene): Oracle => ({
  ...hostOracle([vector(device, [3, -2])], (x) => ({
    value: x.reduce((sum, value) => sum + value ** 2, 0),
    gradient: Array.from(x, (value) => 2 * value),
  })),
  hessianProduct: (v, out) => ops.linearCombination(device, { out, terms: v, coefficients: [2] }),
});

const system = (on: Scene) => [jacobian(on), vector(on.device, [1, 2, 3])];
/** z = w. */
const model = ({ device }: Scene): SurrogateModel => {
  const w = vector(device, [1, -2, 3]);
  return {
    params: [w],
    targets: [3],
    forward: (z) => ops.copy(device, { x: [w], out: [z] }),
    vjp: (u, grads) => ops.copy(device, { x: [u], out: grads }),
  };
};
const targetGrad = (z: Tensor, out: Tensor) => {
  ops.copy(z.device, { x: [z], out: [out] });
  return 7;
};
const gradient = ({ device }: Scene) => Tensor.from(device, [1, -2, 3], [3]);
const window = (on: Scene) => new MFac([gradient(on)], { window: 2, damp: 0.1 });
const filled = async (on: Scene) => {
  const one = window(on);
  using g = gradient(on);
  await one.push([g]);
  return one;
};
const gradients = ({ device }: Scene) => Tensor.from(device, [1, 2, 3, 4, 5, 6], [2, 3]);
const fixed = async (on: Scene) => {
  using g = gradients(on);
  return await MFacStatic.fromGradients(g);
};
/** Gradients by number. */
const advance = async (one: MFac, step: number): Promise<void> => {
  using g = Tensor.from(one.device, [step, 1, -step], [3]);
  await one.push([g]);
};

const parameters = new WeakMap<MFacOptimizer, Tensor>();
const stepper = (x: Tensor): MFacOptimizer => {
  const one = new MFacOptimizer([x], { window: 2, damp: 0.1, momentum: 0.5 });
  parameters.set(one, x);
  return one;
};
const optimizer = (on: Scene): MFacOptimizer => stepper(gradient(on));

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
  stabilityReport: {
    args: (on) => [{ operator: operator(on) }],
    options: () => ({ lr: 0.1, probes: 2 }),
  },
  sgdSecondMomentRadius: { args: (on) => [jacobian(on)], options: () => ({ lr: 0.1 }) },
  batchExtremal: { args: () => [3], options: () => ({ dOverB: 16, noise: 0.5 }) },
  scaleLr: { args: () => [0.1, 128, 512, 'sgd'] },
  LanczosLrLearner: { options: () => ({ mode: 'sgd' }) },
  'LanczosLrLearner.observe': {
    of: () => new LanczosLrLearner({ mode: 'sgd' }),
    args: (on) => [0, operator(on)],
    options: () => ({}),
    takes: ['any device'],
  },
  gnsMinimize: {
    args: (on) => [oracle(on)],
    options: () => ({ maxIterations: 3 }),
    changes: [0],
    takes: ['any rank'],
  },
  logSumExp: { args: (on) => system(on), options: (on) => ({ params: [vector(on.device, [1, 2])] }) },
  powerResidual: { args: (on) => system(on), options: (on) => ({ params: [vector(on.device, [1, 2])] }) },
  softmaxRegression: {
    args: (on) => [jacobian(on), Tensor.from(on.device, Int32Array.of(0, 1, 2), [3])],
    options: (on) => ({ params: [Tensor.zeros(on.device, [3, 2], { dtype: 'f64' })] }),
  },
  TargetSurrogate: {
    options: () => ({ targetStep: 1 }),
    refused: [{ schedule: 'exp' }, { horizon: 3 }, { lineSearch: { beta: 1 } }],
  },
  'TargetSurrogate.step': {
    of: () => new TargetSurrogate({ targetStep: 1 }),
    args: (on) => [model(on), targetGrad],
    options: () => ({}),
    changes: [0],
    takes: ['any device', 'any rank'],
  },
  'TargetSurrogate.restore': { of: () => new TargetSurrogate({ targetStep: 1 }), args: () => [3] },
  MFac: {
    args: (on) => [[gradient(on)]],
    options: () => ({ window: 2, dtype: 'f32', memoryLimit: 1e6 }),
    takes: ['any rank'],
  },
  'MFac.push': { of: window, args: (on) => [[gradient(on)]], options: () => ({}) },
  'MFac.solve': { of: window, args: (on) => [[gradient(on)], [gradient(on)]], changes: [1] },
  'MFac.solveSlot': { of: filled, args: (on) => [0, [gradient(on)]], changes: [1] },
  'MFac.save': {
    of: window,
    args: ({ folder }) => [folder.file('state')],
    options: () => ({}),
    state: { advance, again: async (_, on) => window(on), beside: () => [] },
  },
  'MFac.load': {
    of: window,
    args: async (on) => {
      using one = await filled(on);
      await one.save(on.folder.file('saved'));
      return [on.folder.file('saved')];
    },
    options: () => ({}),
  },
  MFacOptimizer: {
    args: (on) => [[gradient(on)]],
    options: () => ({ window: 2, dtype: 'f32', memoryLimit: 1e6 }),
    takes: ['any rank'],
  },
  'MFacOptimizer.step': { of: optimizer, args: (on) => [[gradient(on)]], options: () => ({}) },
  'MFacOptimizer.save': {
    of: optimizer,
    args: ({ folder }) => [folder.file('state')],
    options: () => ({}),
    state: {
      advance: async (one: MFacOptimizer, step) => {
        using g = Tensor.from(one.device, [step, 1, -step], [3]);
        await one.step([g]);
      },
      again: async (one: MFacOptimizer, { device }) => {
        const x = parameters.get(one)!;
        return stepper(Tensor.from(device, await x.read(), x.shape));
      },
      beside: (one: MFacOptimizer) => [parameters.get(one)!],
    },
  },
  'MFacOptimizer.load': {
    of: optimizer,
    args: async (on) => {
      const one = optimizer(on);
      await one.save(on.folder.file('saved'));
      one.dispose();
      parameters.get(one)!.dispose();
      return [on.folder.file('saved')];
    },
    options: () => ({}),
  },
  'MFacStatic.fromGradients': { args: (on) => [gradients(on)], options: () => ({ damp: 0.1 }) },
  'MFacStatic.solve': { of: fixed, args: (on) => [gradient(on)] },
  'MFacStatic.diagonal': { of: fixed, options: () => ({}) },
  'MFacStatic.element': { of: fixed, args: () => [0, 1] },
  obsPrune: { args: async (on) => [gradient(on), await fixed(on)], options: () => ({ drop: 1 }) },
  flat: { args: (on) => [oracle(on), 'hessian'], takes: ['any rank'] },
};
