import { AdamW, AdaptiveBatch, type AnyOptimizer, combine, Muon, Tensor } from '../../../lib/index.ts';
import { classes, fullState, tensor } from '../../optimizers/classes.ts';
import type { Call, Scene, State } from '../call.ts';

const matrix = ({ device }: Scene) => Tensor.from(device, [1, 2, 3, 4, 5, 6], [2, 3]);
const combination = (weights: Tensor[]) =>
  combine([
    { optimizer: Muon, params: weights.slice(0, 1) },
    { optimizer: AdamW, params: weights.slice(1) },
  ]);
const combined = (on: Scene) => combination([matrix(on), matrix(on)]);
const saved = async (on: Scene, one: AnyOptimizer): Promise<readonly unknown[]> => {
  await one.save(on.folder.file('saved'));
  one.dispose();
  for (const { params } of one.groups) for (const weight of params) weight.dispose();
  return [on.folder.file('saved')];
};

const adaptive = () => new AdaptiveBatch({ batchSize: 2, maxBatchSize: 8 });

const weightsOf = (one: AnyOptimizer): Tensor[] => one.groups.flatMap(({ params }) => params);
/** Steps with gradients by number; another object is made by `make` for copies of the weights. */
const stateOf = (make: (weights: Tensor[]) => AnyOptimizer): State => ({
  advance(one: AnyOptimizer, step) {
    one.step(weightsOf(one).map(({ device, shape }, i) => tensor(device, shape, 10 * step + i)));
  },
  async again(one: AnyOptimizer, { device }) {
    const copy = async (weight: Tensor) => Tensor.from(device, await weight.read(), weight.shape);
    return make(await Promise.all(weightsOf(one).map(copy)));
  },
  beside: weightsOf,
});

/** Every class is called in the same way. */
const each = classes.flatMap(([name, Class]): [string, Call][] => {
  const build = (weights: Tensor[]) => new Class(weights, { ...fullState[name] });
  const make = (on: Scene) => build([matrix(on)]);
  return [
    [name, { args: (on) => [[matrix(on)]], options: () => ({}), takes: ['any rank'] }],
    [`${name}.step`, { of: make, args: (on) => [[matrix(on)]] }],
    [
      `${name}.save`,
      { state: stateOf(build), of: make, args: ({ folder }) => [folder.file('state')], options: () => ({}) },
    ],
    [`${name}.load`, { of: make, args: (on) => saved(on, make(on)), options: () => ({}) }],
  ];
});

export const calls: Record<string, Call> = {
  ...Object.fromEntries(each),
  combine: {
    args: (on) => [
      [
        { optimizer: Muon, params: [matrix(on)] },
        { optimizer: AdamW, params: [matrix(on)] },
      ],
    ],
    options: () => ({}),
    says: 'Muon|AdamW',
    takes: ['any rank'],
  },
  'CombinedOptimizer.step': {
    says: 'combine.step|Muon.step|AdamW.step',
    of: combined,
    args: (on) => [[matrix(on), matrix(on)]],
  },
  'CombinedOptimizer.save': {
    says: 'combine.save',
    of: combined,
    state: stateOf(combination),
    args: ({ folder }) => [folder.file('state')],
    options: () => ({}),
  },
  'CombinedOptimizer.load': {
    says: 'combine.load',
    of: combined,
    args: (on) => saved(on, combined(on)),
    options: () => ({}),
  },
  clipCoordinates: {
    ...{ args: (on) => [[matrix(on)]], options: () => ({}), changes: [0], takes: ['any rank'] },
    refused: [{ fraction: 0.5, threshold: 1 }],
  },
  multiplicativeStep: {
    ...{ args: (on) => [matrix(on), matrix(on)], options: () => ({}), changes: [0], takes: ['any rank'] },
  },
  initLogNormal: {
    args: (on) => [matrix(on)],
    options: () => ({ gain: 1, fan: 3, ratio: 1.5, seed: 1 }),
    ...{ changes: [0], takes: ['any rank'] },
  },
  clipGradNorm: { args: (on) => [[matrix(on)], 1], changes: [0], takes: ['any rank'] },
  qkClip: {
    args: (on) => [matrix(on), matrix(on), Tensor.from(on.device, [200, 1], [2])],
    options: () => ({ threshold: 100 }),
    changes: [0, 1],
  },
  largestLogits: {
    args: (on) => [Tensor.randn(on.device, [2, 3, 8], { seed: 1 })],
    options: () => ({ heads: 2, keyHeads: 1, causal: true, scale: 1, block: 2 }),
    refused: [{ heads: 3, keyHeads: 2 }],
  },
  AdaptiveBatch: {
    options: () => ({
      batchSize: 2,
      maxBatchSize: 8,
      test: 'augmented',
      theta: 0.5,
      nu: 1,
      interval: 2,
      perTensor: true,
    }),
    refused: [
      { maxBatchSize: 1 },
      { eta: 1 },
      { test: 'inner-product' },
      { test: 'norm', theta: undefined, nu: undefined },
    ],
  },
  'AdaptiveBatch.observe': { of: adaptive, args: (on) => [[matrix(on), matrix(on)]] },
  'AdaptiveBatch.restore': { of: adaptive, args: () => [{ batchSize: 4, step: 3 }] },
  'schedules.constant': { options: () => ({ peak: 2 }) },
  'schedules.linearWarmup': { options: () => ({ warmup: 2 }) },
  'schedules.cosine': {
    options: () => ({ steps: 4, peak: 1, warmup: 2, floor: 0.5 }),
    refused: [{ warmup: 5 }, { floor: 2 }],
  },
  'schedules.trapezoid': {
    options: () => ({ steps: 4, decay: 2, peak: 1, warmup: 2, floor: 0.5 }),
    refused: [{ warmup: 3 }, { decay: 3 }, { floor: 2 }],
  },
  polarExpress: { options: () => ({ steps: 6 }) },
  orthogonalize: {
    ...{ args: (on) => [matrix(on)], options: () => ({ nsSteps: 1 }), takes: ['any rank'] },
    refused: [{ method: 'polar', scaling: 'aol', nsSteps: undefined }],
  },
};
