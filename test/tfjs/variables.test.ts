// Devices: cpu
// Variables of TensorFlow.js that are not trainable, gone, there anew, or not there yet.
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AdamW, Device, Muon, SGD } from '../../lib/index.ts';
import { tfjsOptimizer } from '../../lib/tfjs/index.ts';
import { thrownBy } from '../support/tensors.ts';
import { numbers, tf, use } from './setup.ts';

const device = Device.open('cpu', { threads: 1 });
const own = { device };
afterAll(() => device.close());
beforeEach(() => use('cpu'));
afterEach(() => tf.disposeVariables());

const codeOf = (call: () => unknown): unknown => thrownBy(call).code;
const variable = (name: string, isTrainable = true) => tf.variable(tf.tensor1d([2, 2]), isTrainable, name);
const ones = () => tf.tensor1d([1, 1]);

describe('zeros for missing gradients', () => {
  const decay = { lr: 0.5, weightDecay: 1, weightDecayMode: 'decoupled', missingGrad: 'zero', momentum: 0.5 } as const;
  const made = () => {
    const [w, v] = [variable('w'), variable('v')];
    const optimizer = tfjsOptimizer(tf, SGD, decay, own);
    tf.tidy(() => optimizer.applyGradients({ w: ones(), v: ones() }));
    const step = () => tf.tidy(() => optimizer.applyGradients({ w: ones() }));
    const momenta = async () =>
      Object.fromEntries((await optimizer.getWeights()).map(({ name, tensor }) => [name, numbers(tensor)]))[
        'v/momenta'
      ];
    return { w, v, optimizer, step, momenta };
  };

  it('leave a variable that is not trainable, and its state', async () => {
    const { v, optimizer, step, momenta } = made();
    expect(numbers(v)).toEqual([0.5, 0.5]);
    v.trainable = false;
    step();
    expect([numbers(v), await momenta()]).toEqual([[0.5, 0.5], [1, 1]]); // biome-ignore format: one line
    v.trainable = true;
    step();
    expect([numbers(v), await momenta()]).toEqual([[0, 0], [0.5, 0.5]]); // biome-ignore format: one line
    expect(optimizer.groups[0]!.missingGrad).toBe('zero');
    optimizer.dispose();
  });

  it('leave a variable that is gone, or there in another shape', async () => {
    const { w, v, optimizer, step } = made();
    v.dispose();
    step();
    expect(numbers(w)).toEqual([-0.5, -0.5]);
    const other = tf.variable(tf.tensor1d([3]), true, 'v');
    await optimizer.applyGradientsAsync({ w: ones() });
    expect(numbers(other)).toEqual([3]);
    optimizer.dispose();
  });
});

it('a variable that is made anew on the same values during a step is read anew', async () => {
  const w = variable('w');
  using optimizer = tfjsOptimizer(tf, SGD, { lr: 1 }, own);
  const running = optimizer.applyGradientsAsync({ w: ones() });
  const value = w.clone();
  w.dispose();
  const again = tf.variable(value, true, 'w');
  await running;
  expect(numbers(again)).toEqual([2, 2]);
  tf.tidy(() => optimizer.applyGradients({ w: ones() }));
  expect(numbers(again)).toEqual([1, 1]);
});

it('variables that are gone are forgotten when others come, whose state stays', async () => {
  using optimizer = tfjsOptimizer(tf, AdamW, {}, own);
  variable('w');
  for (let i = 0; i < 5; i += 1) {
    const short = variable(`short/${i}`);
    tf.tidy(() => optimizer.applyGradients({ w: ones(), [short.name]: ones() }));
    expect(optimizer.groups[0]!.params.length).toBe(2);
    short.dispose();
  }
  const weights = await optimizer.getWeights();
  expect(Object.fromEntries(weights.map(({ name, tensor }) => [name, numbers(tensor)]))['w/steps']).toEqual([5]);
});

describe('parts of a combination that choose nothing yet', () => {
  const both = () =>
    tfjsOptimizer(
      tf,
      [
        { optimizer: AdamW, params: (_: string, weight) => weight.shape.length < 2, lr: 0.5 },
        { optimizer: Muon, params: ['*kernel*', '**'], lr: 0.02 },
      ],
      { overlap: 'first' },
      own,
    );

  it('are left out, and come with their variables', async () => {
    const w = tf.variable(tf.ones([2, 2]), true, 'w');
    using optimizer = both();
    const step = (bias?: tf.Variable) =>
      tf.tidy(() => optimizer.applyGradients({ w: tf.ones([2, 2]), ...(bias ? { [bias.name]: ones() } : {}) }));
    step();
    expect(numbers(w)[0]).toBeLessThan(1);
    optimizer.groups[0]!.lr = 0.25;
    const bias = variable('bias');
    step(bias);
    expect(numbers(bias)[0]).toBeLessThan(2);
    expect(optimizer.groups.map(({ lr }) => lr)).toEqual([0.5, 0.25]);
    optimizer.groups[0]!.lr = 0.75;
    const { parts } = (await optimizer.report()) as unknown as { parts: { step: number }[] };
    expect(parts.map((part) => part.step)).toEqual([2, 2]);
    // A part that has lost its variables keeps its rate.
    bias.dispose();
    tf.variable(tf.ones([2, 2]), true, 'kernel');
    optimizer.bind(['kernel']);
    expect(optimizer.groups.map(({ lr }) => lr)).toEqual([0.25]);
    step(variable('bias'));
    expect(optimizer.groups.map(({ lr }) => lr)).toEqual([0.75, 0.25]);
  });

  it('are refused where they would be all, and so are variables of no part', () => {
    variable('w');
    using optimizer = tfjsOptimizer(tf, [{ optimizer: SGD, params: '*bias' }], {}, own);
    expect(codeOf(() => optimizer.bind(['w']))).toBe('ERR_ARGUMENT');
    variable('bias');
    expect(codeOf(() => optimizer.bind(['w', 'bias']))).toBe('ERR_ARGUMENT');
    optimizer.bind(['bias']);
  });
});

it('lists with holes, groups and patterns that cannot be, and variables that no optimizer may change', () => {
  variable('w');
  variable('fixed', false);
  tf.variable(tf.tensor1d([1], 'int32'), true, 'whole');
  using optimizer = tfjsOptimizer(tf, SGD, {}, own);
  // biome-ignore lint/suspicious/noSparseArray: that is what is tested
  const sparse = [, { name: 'w', tensor: ones() }] as never;
  const refused: [() => unknown, string][] = [
    [() => optimizer.applyGradients(sparse), 'ERR_ARGUMENT'],
    [() => optimizer.bind(sparse), 'ERR_ARGUMENT'],
    [() => optimizer.bind(['fixed']), 'ERR_ARGUMENT'],
    [() => optimizer.bind(['whole']), 'ERR_DTYPE'],
    ...[[], [1], 'a**', [{ params: '**', lr: -1 }], [{ params: '**', name: 1 }], [{ lr: 1 }]].map(
      (params): [() => unknown, string] => [
        () => tfjsOptimizer(tf, [{ optimizer: SGD, params: params as never }], {}, own),
        'ERR_ARGUMENT',
      ],
    ),
  ];
  for (const [i, [call, code]] of refused.entries()) expect(codeOf(call), String(i)).toBe(code);
});
