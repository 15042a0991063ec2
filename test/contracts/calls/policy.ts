import { type Device, Tensor } from '../../../lib/index.ts';
import {
  Harpg,
  LinearGaussianPolicy,
  LinearSoftmaxPolicy,
  linearValue,
  NPgIgt,
  type OdiceBatch,
  OdiceValueLearner,
  type PolicyBatch,
  type ValueOracle,
} from '../../../lib/policy/index.ts';
import { quadratic, start } from '../../policy/quadratic.ts';
import type { Call, Scene, State } from '../call.ts';

type Method = NPgIgt | Harpg;
const theta = ({ device }: Scene): Tensor => start(device, 'f64');
const parameters = new WeakMap<Method, Tensor>();
const methods: Readonly<Record<string, (x: Tensor) => Method>> = {
  NPgIgt: (x) => new NPgIgt([x]),
  Harpg: (x) => new Harpg([x], { seed: 1 }),
};

const each = Object.entries(methods).flatMap(([name, plain]): [string, Call][] => {
  const make = (x: Tensor): Method => {
    const method = plain(x);
    parameters.set(method, x);
    return method;
  };
  const build = (on: Scene): Method => make(theta(on));
  const saved = async (on: Scene): Promise<readonly unknown[]> => {
    const method = build(on);
    await method.save(on.folder.file('saved'));
    method.dispose();
    parameters.get(method)!.dispose();
    return [on.folder.file('saved')];
  };
  const state: State = {
    advance: async (one: Method, step) => {
      await one.step(quadratic(parameters.get(one)!.device, 'f64'), step);
    },
    async again(one: Method, { device }) {
      const x = parameters.get(one)!;
      return make(Tensor.from(device, await x.read(), x.shape));
    },
    beside: (one: Method) => [parameters.get(one)!],
  };
  return [
    [name, { args: (on) => [[theta(on)]], options: () => ({}), takes: ['any rank'] }],
    [`${name}.step`, { of: build, args: ({ device }) => [quadratic(device, 'f64'), 1] }],
    [`${name}.save`, { state, of: build, args: ({ folder }) => [folder.file('state')], options: () => ({}) }],
    [`${name}.load`, { of: build, args: (on) => saved(on), options: () => ({}) }],
  ];
});

const f32 = ({ device }: Scene, shape: number[], seed: number): Tensor => Tensor.randn(device, shape, { seed });
const chosen = ({ device }: Scene): Tensor => Tensor.from(device, Int32Array.of(0, 1, 1, 0, 1, 0), [2, 3]);
const softmax = ({ device }: Scene): LinearSoftmaxPolicy =>
  new LinearSoftmaxPolicy(device, { stateDim: 4, actions: 2 });
const gaussian = ({ device }: Scene): LinearGaussianPolicy =>
  new LinearGaussianPolicy(device, { stateDim: 4, actionDim: 2, learned: true });
const played = (on: Scene, actions: Tensor): PolicyBatch => ({
  states: f32(on, [2, 3, 4], 1),
  actions,
  weights: f32(on, [2, 3], 2),
  lengths: [3, 2],
});
const [states, params] = [
  (on: Scene) => f32(on, [5, 4], 3),
  (on: Scene, count: number) => [f32(on, [4, 2], 4), f32(on, [2], 5)].slice(0, count),
];

const linearOn = (device: Device): ValueOracle => linearValue(4, { device });
const oracles = new WeakMap<OdiceValueLearner, ValueOracle>();
const learnerOf = (oracle: ValueOracle): OdiceValueLearner => {
  const learner = new OdiceValueLearner(oracle, { lr: 0.1 });
  oracles.set(learner, oracle);
  return learner;
};
const learner = ({ device }: Scene): OdiceValueLearner => learnerOf(linearOn(device));
const transitions = (device: Device, seed: number): OdiceBatch => ({
  states: Tensor.randn(device, [3, 4], { seed }),
  nextStates: Tensor.randn(device, [3, 4], { seed: seed + 1 }),
  rewards: Tensor.randn(device, [3], { seed: seed + 2 }),
  done: Tensor.zeros(device, [3]),
});
const savedLearner = async (on: Scene): Promise<readonly unknown[]> => {
  const one = learner(on);
  await one.save(on.folder.file('saved'));
  one.dispose();
  oracles.get(one)!.params[0]!.dispose();
  return [on.folder.file('saved')];
};
const learnerState: State = {
  advance: async (one: OdiceValueLearner, step) => {
    const { policyWeights } = await one.step(transitions(oracles.get(one)!.params[0]!.device, 10 * step));
    policyWeights.dispose();
  },
  async again(one: OdiceValueLearner, { device }) {
    const other = linearOn(device);
    other.params[0]!.write(await oracles.get(one)!.params[0]!.read());
    return learnerOf(other);
  },
  beside: (one: OdiceValueLearner) => oracles.get(one)!.params,
};

export const calls: Record<string, Call> = {
  ...Object.fromEntries(each),
  projectOut: {
    args: (on) => [[f32(on, [2, 3], 1)], [f32(on, [2, 3], 2)]],
    options: () => ({}),
    changes: [1],
    takes: ['any rank'],
  },
  linearValue: { args: () => [4], options: ({ device }) => ({ device }) },
  OdiceValueLearner: { args: ({ device }) => [linearOn(device)], options: () => ({}), takes: ['any rank'] },
  'OdiceValueLearner.step': {
    of: learner,
    args: ({ device }) => [transitions(device, 1)],
    takes: ['any rank'],
  },
  'OdiceValueLearner.save': {
    state: learnerState,
    of: learner,
    args: ({ folder }) => [folder.file('state')],
    options: () => ({}),
  },
  'OdiceValueLearner.load': { of: learner, args: savedLearner, options: () => ({}) },
  rewardToGo: { args: (on) => [f32(on, [2, 3], 1), [3, 2]], options: () => ({ discount: 0.9 }) },
  LinearSoftmaxPolicy: { args: ({ device }) => [device], options: () => ({ stateDim: 4, actions: 2 }) },
  'LinearSoftmaxPolicy.logProbabilities': {
    of: softmax,
    args: (on) => [states(on)],
    options: (on) => ({ params: params(on, 1) }),
  },
  'LinearSoftmaxPolicy.sample': {
    of: softmax,
    args: (on) => [states(on)],
    options: (on) => ({ params: params(on, 1), seed: 1 }),
  },
  'LinearSoftmaxPolicy.gradient': {
    of: softmax,
    args: (on) => [played(on, chosen(on)), params(on, 1)],
    options: (on) => ({ params: params(on, 1) }),
    changes: [1],
  },
  'LinearSoftmaxPolicy.hessianProduct': {
    of: softmax,
    args: (on) => [played(on, chosen(on)), params(on, 1), params(on, 1)],
    options: (on) => ({ params: params(on, 1) }),
    changes: [2],
  },
  LinearGaussianPolicy: { args: ({ device }) => [device], options: () => ({ stateDim: 4, actionDim: 2 }) },
  'LinearGaussianPolicy.logProbabilities': {
    of: gaussian,
    args: (on) => [states(on), f32(on, [5, 2], 6)],
    options: (on) => ({ params: params(on, 2) }),
  },
  'LinearGaussianPolicy.sample': {
    of: gaussian,
    args: (on) => [states(on)],
    options: (on) => ({ params: params(on, 2), seed: 1 }),
  },
  'LinearGaussianPolicy.gradient': {
    of: gaussian,
    args: (on) => [played(on, f32(on, [2, 3, 2], 6)), params(on, 2)],
    options: (on) => ({ params: params(on, 2) }),
    changes: [1],
  },
  'LinearGaussianPolicy.hessianProduct': {
    of: gaussian,
    args: (on) => [played(on, f32(on, [2, 3, 2], 6)), params(on, 2), params(on, 2)],
    options: (on) => ({ params: params(on, 2) }),
    changes: [2],
  },
};
