// Devices: cpu
// Every class of optimizers in TensorFlow.js: the bits of the same steps on tensors, state that comes back, variables that
// come later.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AdamW, Device, type Dtype, Muon, SGD, Tensor } from '../../lib/index.ts';
import { type TfjsExtras, type TfjsOptimizerClass, tfjsOptimizer } from '../../lib/tfjs/index.ts';
import { classes, fullState } from '../optimizers/classes.ts';
import { backends, tf, use } from './setup.ts';

const device = Device.open('cpu', { threads: 1 });
const folder = mkdtempSync(path.join(tmpdir(), 'orthokit-tfjs-'));
afterAll(async () => {
  rmSync(folder, { recursive: true });
  await device.close();
});
beforeAll(() => use('cpu'));

const shape: [number, number] = [6, 5];
const values = (seed: number, size = 30): Float32Array =>
  Float32Array.from({ length: size }, (_, i) => Math.sin(seed + 3 * i));
const bits = (x: ArrayLike<number>): number[] => [...new Uint32Array(Float32Array.from(x).buffer)];
const matrix = (data: Float32Array): tf.Tensor2D => tf.tensor2d(data, shape);
const hasLayout = (Class: TfjsOptimizerClass): boolean =>
  ![SGD, AdamW].includes(Class as never) &&
  'layout' in (new Class([Tensor.zeros(device, [8, 8])] as never) as unknown as { groups: object[] }).groups[0]!;

describe.each(backends)('bits of the same steps on %s', (backend) => {
  beforeAll(() => use(backend));
  it.each(classes)('%s', async (name, Class) => {
    const options = fullState[name] ?? {};
    const variable = tf.variable(matrix(values(1)), true, `same/${backend}/${name}`);
    const weight = Tensor.from(device, values(1), shape);
    using direct = new Class([weight], { ...options, ...(hasLayout(Class as never) ? { layout: 'in_out' } : {}) });
    using optimizer = tfjsOptimizer(tf, Class as TfjsOptimizerClass, options as never, { device });
    for (let step = 0; step < 3; step += 1) {
      const gradient = values(7 * step + 2);
      direct.step([Tensor.from(device, gradient, shape)]);
      const grad = matrix(gradient);
      optimizer.applyGradients({ [variable.name]: grad });
      grad.dispose();
      expect(bits(variable.dataSync()), `step ${step}`).toEqual(bits((await weight.read()) as Float32Array));
    }
    const report = await optimizer.report();
    expect(report).toEqual(await direct.report());
    expect(optimizer.stateBytes).toBe(direct.stateBytes);
    variable.dispose();
  });
});

type Optimizer = tf.Optimizer & TfjsExtras;
/** Ways of state from one optimizer to another. */
const ways: [name: string, (from: Optimizer, to: Optimizer, variable: tf.Variable) => Promise<void>][] = [
  [
    'weights',
    async (from, to) => {
      const weights = await from.getWeights();
      await to.setWeights(weights);
      tf.dispose(weights.map(({ tensor }) => tensor));
    },
  ],
  [
    'weights, when the variable is known',
    async (from, to, variable) => {
      to.bind([variable]);
      await to.setWeights(await from.getWeights());
    },
  ],
  [
    'a file',
    async (from, to, variable) => {
      await from.save(path.join(folder, 'state.safetensors'));
      to.bind([variable.name]);
      await to.load(path.join(folder, 'state.safetensors'));
    },
  ],
];

describe.each(ways)('state goes on bit for bit by %s', (way, move) => {
  const settings: [string, object][] = [
    ['f32', {}],
    ['f64', { stateDtype: 'f64' as Dtype, nonFinite: 'skip' }],
    ['bf16', { stateDtype: 'bf16' as Dtype }],
  ];
  const all = settings
    .slice(0, way === 'weights' ? 3 : 1)
    .flatMap(([dtype, options]) =>
      classes.map(([name, Class]): [string, string, TfjsOptimizerClass, object] => [
        dtype,
        name,
        Class as TfjsOptimizerClass,
        { ...fullState[name], ...options },
      ]),
    );
  it.each(all)('%s %s', async (dtype, name, Class, options) => {
    const key = `${way}/${dtype}/${name}`;
    const variable = tf.variable(matrix(values(1)), true, key);
    const make = (): Optimizer => tfjsOptimizer(tf, Class, options as never, { device }) as Optimizer;
    using first = make();
    const step = (optimizer: Optimizer, seed: number): void =>
      tf.tidy(() => optimizer.applyGradients({ [key]: matrix(values(seed)) }));
    step(first, 3);
    step(first, 4);
    using second = make();
    await move(first, second, variable);
    expect(second.iterations).toBe(2);
    const between = variable.clone();
    step(first, 5);
    const expected = bits(variable.dataSync());
    variable.assign(between);
    step(second, 5);
    expect(bits(variable.dataSync())).toEqual(expected);
    expect((await second.report()).step).toBe(3);
    tf.dispose([variable, between]);
  });
});

it.each(classes)('%s takes variables that come later, and keeps its state', (name, Class) => {
  const options = fullState[name] ?? {};
  const names = [0, 1].map((i) => `later/${name}/${i}`);
  const run = (isLate: boolean): number[][] => {
    const variables = names.map((own, i) => tf.variable(matrix(values(i + 1)), true, own));
    using optimizer = tfjsOptimizer(tf, Class as TfjsOptimizerClass, options as never, { device });
    if (!isLate) optimizer.bind(variables);
    for (let step = 0; step < 3; step += 1)
      tf.tidy(() => {
        const present = step === 0 ? names.slice(1) : names;
        optimizer.applyGradients(present.map((own, i) => ({ name: own, tensor: matrix(values(10 * step + i)) })));
      });
    const found = variables.map((variable) => bits(variable.dataSync()));
    tf.dispose(variables);
    return found;
  };
  expect(run(true)).toEqual(run(false));
});

it('a combination names its parts by variables, and schedules go on when variables come later', async () => {
  const kernel = tf.variable(matrix(values(1)), true, 'dense/kernel');
  const bias = tf.variable(tf.tensor1d(values(2, 5)), true, 'dense/bias');
  using optimizer = tfjsOptimizer(
    tf,
    [
      { optimizer: AdamW, params: '*bias', lr: 0.5 },
      { optimizer: Muon, params: (name: string) => name.endsWith('kernel') },
    ],
    { nonFinite: 'skip' },
    { device },
  );
  optimizer.bind([kernel, bias]);
  expect(optimizer.groups.map(({ lr }) => lr)).toEqual([0.5, 0.02]);
  expect((optimizer.groups[1] as unknown as { layout: string }).layout).toBe('in_out');
  optimizer.groups[0]!.lr = 0.25;
  const more = tf.variable(tf.tensor1d(values(3, 4)), true, 'later/bias');
  tf.tidy(() => optimizer.applyGradients({ [more.name]: tf.ones([4]), [kernel.name]: tf.ones(shape) }));
  expect(optimizer.groups.map(({ lr, params }) => [lr, params.length])).toEqual([
    [0.25, 2],
    [0.02, 1],
  ]);
  const weights = await optimizer.getWeights();
  expect(weights.map(({ name }) => name).sort()).toEqual(
    [
      'iter',
      'orthokit/skipped',
      'dense/kernel/momenta',
      ...['dense/bias', 'later/bias'].flatMap((name) => ['momenta', 'roots', 'steps'].map((slot) => `${name}/${slot}`)),
    ].sort(),
  );
  tf.dispose([kernel, bias, more, ...weights.map(({ tensor }) => tensor)]);
});
