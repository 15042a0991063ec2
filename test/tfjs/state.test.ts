// Devices: cpu
// State in TensorFlow.js: what is refused leaves it, what waits for variables is kept, and counts of steps agree.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AdamW, Device, Lion, type OrthokitError, SGD } from '../../lib/index.ts';
import { tfjsOptimizer } from '../../lib/tfjs/index.ts';
import { numbers, tf, use } from './setup.ts';

const device = Device.open('cpu', { threads: 1 });
const folder = mkdtempSync(path.join(tmpdir(), 'orthokit-tfjs-'));
const file = path.join(folder, 'state.safetensors');
afterAll(async () => {
  rmSync(folder, { recursive: true });
  await device.close();
});
beforeEach(() => use('cpu'));
afterEach(() => tf.disposeVariables());

const codeOf = (call: Promise<unknown>): Promise<unknown> => call.then(() => 'none', (error: OrthokitError) => error.code); // biome-ignore format: one line
const momentum = { lr: 1, momentum: 0.5 } as const;
const sgd = () => tfjsOptimizer(tf, SGD, momentum, { device });
const variable = (name: string) => tf.variable(tf.tensor1d([1, 2]), true, name);
type Optimizer = ReturnType<typeof sgd>;
const step = (optimizer: Optimizer, ...names: string[]): void =>
  tf.tidy(() => optimizer.applyGradients(names.map((name) => ({ name, tensor: tf.tensor1d([1, 1]) }))));
/** Names and values. */
const stateOf = async (optimizer: Optimizer) =>
  Object.fromEntries((await optimizer.getWeights()).map(({ name, tensor }) => [name, numbers(tensor)]));

describe('state that waits for its variables', () => {
  /** Knows `w`; the state of `v` waits. */
  const waiting = async () => {
    const [w, v] = [variable('w'), variable('v')];
    using first = sgd();
    step(first, 'w', 'v');
    const weights = await first.getWeights();
    const second = sgd();
    await second.setWeights(weights);
    step(second, 'w');
    return { w, v, second, weights };
  };

  it('is among the weights, which may be set again', async () => {
    const { second } = await waiting();
    const state = await stateOf(second);
    expect(state).toEqual({ iter: [2], 'w/momenta': [1.5, 1.5], 'w/steps': [2], 'v/momenta': [1, 1], 'v/steps': [1] });
    using third = sgd();
    await third.setWeights(await second.getWeights());
    await second.setWeights(await second.getWeights());
    step(second, 'v');
    step(third, 'v', 'w');
    expect((await stateOf(second))['v/momenta']).toEqual([1.5, 1.5]);
    expect((await stateOf(third))['v/momenta']).toEqual([1.5, 1.5]);
    second.dispose();
  });

  it('is replaced by state that is set or loaded, and no file is written without it', async () => {
    const { second, weights } = await waiting();
    expect(await codeOf(second.save(file))).toBe('ERR_STATE');
    await second.setWeights(weights.filter(({ name }) => !name.startsWith('v/')));
    expect(Object.keys(await stateOf(second))).toEqual(['iter', 'w/momenta', 'w/steps']);
    await second.save(file);
    second.dispose();
    tf.disposeVariables();
    const again = await waiting();
    await again.second.load(file);
    expect(Object.keys(await stateOf(again.second))).toEqual(['iter', 'w/momenta', 'w/steps']);
    again.second.dispose();
  });
});

it('state that a variable named orthokit needs may not be missing', async () => {
  variable('orthokit');
  using optimizer = sgd();
  step(optimizer, 'orthokit');
  const [iter] = await optimizer.getWeights();
  expect(await codeOf(optimizer.setWeights([iter!] as never))).toBe('ERR_STATE');
});

describe('counts of steps', () => {
  it('leave out steps that were held back', async () => {
    variable('w');
    using optimizer = tfjsOptimizer(tf, SGD, { ...momentum, nonFinite: 'throw' }, { device });
    const bad = () => ({ w: tf.tensor1d([1, Number.NaN]) });
    step(optimizer, 'w');
    expect(() => tf.tidy(() => optimizer.applyGradients(bad()))).toThrow();
    expect(await codeOf(optimizer.applyGradientsAsync(bad()))).toBe('ERR_ARGUMENT');
    expect([optimizer.iterations, (await optimizer.report()).step]).toEqual([1, 1]);
    await optimizer.save(file);
    await optimizer.load(file);
    expect(optimizer.iterations).toBe(1);
  });

  it('are those that were set, for classes without state, too', async () => {
    variable('w');
    using optimizer = tfjsOptimizer(tf, SGD, { lr: 1 }, { device });
    await optimizer.setWeights([{ name: 'iter', tensor: tf.scalar(40, 'int32') }]);
    step(optimizer, 'w');
    expect([optimizer.iterations, (await optimizer.report()).step]).toEqual([41, 41]);
  });

  it('of weights are those of the call', async () => {
    variable('w');
    using optimizer = sgd();
    step(optimizer, 'w');
    const weights = optimizer.getWeights();
    step(optimizer, 'w');
    expect(Object.fromEntries((await weights).map(({ name, tensor }) => [name, numbers(tensor)]))).toEqual({
      iter: [1],
      'w/momenta': [1, 1],
      'w/steps': [1],
    });
  });

  it('have steps whose values were not taken, as the state has', async () => {
    const w = variable('w');
    using optimizer = sgd();
    const running = optimizer.applyGradientsAsync({ w: tf.tensor1d([1, 1]) });
    w.assign(tf.tensor1d([7, 7]));
    expect(await codeOf(running)).toBe('ERR_STATE');
    expect(await stateOf(optimizer)).toEqual({ iter: [1], 'w/momenta': [1, 1], 'w/steps': [1] });
    const Base = tf.Optimizer as never as new () => object;
    const lacking = { ...tf, Optimizer: class extends Base {}, tensor: () => { throw new Error('no memory'); } }; // biome-ignore format: one line
    using other = tfjsOptimizer(lacking as never as typeof tf, SGD, momentum, { device });
    expect(await codeOf(other.applyGradientsAsync({ w: tf.tensor1d([1, 1]) }))).toBe('ERR_BACKEND');
    expect([other.iterations, numbers(w)]).toEqual([1, [7, 7]]);
  });
});

it('load() is not mixed with steps', async () => {
  variable('w');
  variable('v');
  using optimizer = tfjsOptimizer(tf, AdamW, {}, { device });
  step(optimizer as never, 'w');
  await optimizer.save(file);
  step(optimizer as never, 'w');
  const loading = optimizer.load(file);
  expect(() => step(optimizer as never, 'w', 'v')).toThrow(expect.objectContaining({ code: 'ERR_STATE' }));
  await loading;
  expect(optimizer.iterations).toBe(1);
  step(optimizer as never, 'w', 'v');
  expect((await stateOf(optimizer as never))['w/steps']).toEqual([2]);
});

it('configs have options and scalars that their classes take', () => {
  variable('w');
  using optimizer = tfjsOptimizer(tf, [{ optimizer: Lion, params: [{ params: '**', name: 'all' }] }], {}, { device });
  step(optimizer as never, 'w');
  optimizer.groups[0]!.lr = 0.5;
  const Class = optimizer.constructor as never as { fromConfig(cls: unknown, config: unknown): Disposable };
  const made = (name: unknown) => Class.fromConfig(Class, { name });
  const { name: text } = optimizer.getConfig() as { name: string };
  using copy = made(text) as Optimizer;
  step(copy, 'w');
  expect(copy.groups[0]!.lr).toBe(0.5);
  const from = (change: (content: { parts: { options: object; params?: unknown }[]; scalars: unknown[] }) => void) => {
    const content = JSON.parse(text);
    change(content);
    return JSON.stringify(content);
  };
  const hostile = [
    from(({ scalars }) => scalars.splice(0, 1, { all: { foo: 1 } })),
    from(({ scalars }) => scalars.splice(0, 1, { all: { lr: -1 } })),
    from(({ scalars }) => scalars.splice(0, 1, { all: { stateDtype: 'f64' } })),
    from(({ scalars }) => scalars.splice(0, 1, { none: { lr: 1 } })),
    from(({ scalars }) => scalars.push({})),
    text.replace('"lr":0.5', '"__proto__":{"lr":1}'),
    text.replace('"options":{}', '"options":{"__proto__":{"lr":1}}'),
    from(({ parts }) => Object.assign(parts[0]!.options, { lr: -1 })),
    ...[[], [1, 2], 3, null, [{}], [{ params: '**', lr: -1 }], 'a**b'].map((params) =>
      from(({ parts }) => Object.assign(parts[0]!, { params })),
    ),
    from((content) => Object.assign(content, { more: 1 })),
  ];
  for (const one of hostile) expect(() => made(one), one).toThrow(expect.objectContaining({ code: 'ERR_FORMAT' }));
});
