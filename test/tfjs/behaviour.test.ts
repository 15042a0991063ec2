// Devices: cpu
// Optimizers in TensorFlow.js: memory, scopes, what is refused and what stays as it was then, calls off the event loop.
import { setImmediate } from 'node:timers/promises';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AdamW, combine, Device, Muon, type OrthokitError, SGD } from '../../lib/index.ts';
import { registerTfjsOptimizer, tfjsOptimizer } from '../../lib/tfjs/index.ts';
import { settledMemory } from '../support/settled.ts';
import { thrownBy } from '../support/tensors.ts';
import { backends, numbers, tf, use } from './setup.ts';

const device = Device.open('cpu', { threads: 1 });
afterAll(() => device.close());
const own = { device };
const codeOf = (call: () => unknown): unknown => thrownBy(call).code;
const codeOfLater = (call: Promise<unknown>): Promise<unknown> => call.then(() => 'none', (error: OrthokitError) => error.code); // biome-ignore format: one line

describe.each(backends)('on %s', (backend) => {
  beforeEach(() => use(backend));
  afterEach(() => tf.disposeVariables());

  it('keeps no tensor of TensorFlow.js, and as many on its device, inside of tf.tidy and outside', async () => {
    // Large enough to be read where they lie.
    const w = tf.variable(tf.randomNormal([160, 128], 0, 1, 'float32', 1));
    const b = tf.variable(tf.zeros([128]));
    const x = tf.randomNormal([8, 160], 0, 1, 'float32', 2) as tf.Tensor2D;
    const f = () => tf.mean(tf.square(tf.add(tf.matMul(x, w as tf.Tensor2D), b))) as tf.Scalar;
    using optimizer = tfjsOptimizer(
      tf,
      [
        { optimizer: AdamW, params: (_: string, weight) => weight.shape.length < 2 },
        { optimizer: Muon, params: '**' },
      ],
      { overlap: 'first' },
      own,
    );
    const [first] = numbers(optimizer.minimize(f, true)!);
    const counts = tf.memory();
    const { live } = await settledMemory(device);
    for (let step = 0; step < 6; step += 1) {
      if (step % 2 === 0) optimizer.minimize(f);
      else tf.tidy(() => void optimizer.minimize(f, true));
      expect(tf.memory().numTensors).toBe(counts.numTensors);
      expect(tf.memory().numDataBuffers).toBe(counts.numDataBuffers);
    }
    await optimizer.minimizeAsync(f);
    expect(tf.memory().numTensors).toBe(counts.numTensors);
    expect((await settledMemory(device)).live).toBe(live);
    expect(w.isDisposed || b.isDisposed).toBe(false);
    const last = tf.tidy(() => numbers(f())[0]!);
    expect(last).toBeLessThan(first!);
    optimizer.dispose();
    expect(tf.memory().numTensors).toBe(counts.numTensors);
    expect(numbers(w).length).toBe(160 * 128);
  });

  it('a clone of a variable keeps its value, and a value that is assigned counts', () => {
    const w = tf.variable(tf.tensor1d([1, 2]), true, 'assigned');
    using optimizer = tfjsOptimizer(tf, SGD, { lr: 1 }, own);
    const step = () => tf.tidy(() => optimizer.applyGradients({ assigned: tf.tensor1d([1, 1]) }));
    step();
    const clone = w.clone();
    step();
    expect(numbers(clone)).toEqual([0, 1]);
    expect(numbers(w)).toEqual([-1, 0]);
    w.assign(tf.tensor1d([10, 20]));
    step();
    expect(numbers(w)).toEqual([9, 19]);
    // A variable that is there again under its name goes on.
    w.dispose();
    const again = tf.variable(tf.tensor1d([5, 5]), true, 'assigned');
    step();
    expect(numbers(again)).toEqual([4, 4]);
  });
});

describe('refused, and nothing changes', () => {
  beforeEach(() => use('cpu'));
  afterEach(() => tf.disposeVariables());
  const made = () => {
    const w = tf.variable(tf.tensor1d([1, 2]), true, 'w');
    const optimizer = tfjsOptimizer(tf, SGD, { lr: 1, momentum: 0.9, nonFinite: 'throw' }, own);
    tf.tidy(() => optimizer.applyGradients({ w: tf.tensor1d([0, 0]) }));
    return { w, optimizer };
  };
  const one = () => tf.tensor1d([1, 1]);

  it.each<[name: string, code: string, gradients: (w: tf.Variable) => unknown]>([
    ['a name that is of no variable', 'ERR_ARGUMENT', () => ({ none: one() })],
    ['a name of all objects', 'ERR_ARGUMENT', () => ({ constructor: one() })],
    ['a name twice', 'ERR_ARGUMENT', () => [{ name: 'w', tensor: one() }, { name: 'w', tensor: one() }]], // biome-ignore format: one line
    ['no name', 'ERR_ARGUMENT', () => [{ tensor: one() }]],
    ['no gradients', 'ERR_ARGUMENT', () => 3],
    ['what is no tensor', 'ERR_ARGUMENT', () => ({ w: [1, 1] })],
    ['another shape', 'ERR_SHAPE', () => ({ w: tf.tensor1d([1]) })],
    ['another dtype', 'ERR_DTYPE', () => ({ w: tf.tensor1d([1, 1], 'int32') })],
    ['NaN', 'ERR_ARGUMENT', () => ({ w: tf.tensor1d([1, Number.NaN]) })],
    ['infinity', 'ERR_ARGUMENT', () => ({ w: tf.tensor1d([Number.POSITIVE_INFINITY, 1]) })],
    [
      'a gradient that has been disposed',
      'ERR_DISPOSED',
      () => {
        const gradient = one();
        gradient.dispose();
        return { w: gradient };
      },
    ],
    [
      'a variable that has been disposed',
      'ERR_DISPOSED',
      (w) => {
        w.dispose();
        return { w: one() };
      },
    ],
    [
      'a gradient of a variable that is not trainable',
      'ERR_ARGUMENT',
      (w) => {
        w.trainable = false;
        return { w: one() };
      },
    ],
    [
      'a variable that is there again in another shape',
      'ERR_SHAPE',
      (w) => {
        w.dispose();
        tf.variable(tf.tensor1d([1, 2, 3]), true, 'w');
        return { w: tf.tensor1d([1, 2, 3]) };
      },
    ],
    [
      'an integer variable',
      'ERR_DTYPE',
      () => {
        tf.variable(tf.tensor1d([1, 2], 'int32'), true, 'whole');
        return { whole: one() };
      },
    ],
  ])('%s: %s', (_, code, gradients) => {
    const { w, optimizer } = made();
    tf.tidy(() => {
      const given = gradients(w) as never;
      const count = tf.memory().numTensors;
      expect(codeOf(() => optimizer.applyGradients(given))).toBe(code);
      expect(tf.memory().numTensors).toBe(count);
    });
    expect(optimizer.iterations).toBe(1);
    if (!w.isDisposed) {
      expect(numbers(w)).toEqual([1, 2]);
      w.trainable = true;
      tf.tidy(() => optimizer.applyGradients({ w: one() }));
      expect(numbers(w)).toEqual([0, 1]);
    }
    optimizer.dispose();
  });

  it('a loss that is NaN leaves no tensor behind', () => {
    const { w, optimizer } = made();
    const count = tf.memory().numTensors;
    const f = () => tf.sum(tf.mul(w, Number.NaN)) as tf.Scalar;
    expect(codeOf(() => optimizer.minimize(f, true))).toBe('ERR_ARGUMENT');
    expect(tf.memory().numTensors).toBe(count);
    expect(numbers(w)).toEqual([1, 2]);
    optimizer.dispose();
  });

  it('missing gradients are skipped, or zeros', () => {
    const w = tf.variable(tf.tensor1d([2]), true, 'w');
    const v = tf.variable(tf.tensor1d([2]), true, 'v');
    const decay = { lr: 0.5, weightDecay: 1, weightDecayMode: 'decoupled' } as const;
    using skips = tfjsOptimizer(tf, SGD, decay, own);
    using zeros = tfjsOptimizer(tf, SGD, { ...decay, missingGrad: 'zero' }, own);
    const step = (optimizer: typeof skips) =>
      tf.tidy(() =>
        optimizer.applyGradients([
          { name: 'w', tensor: tf.tensor1d([0]) },
          { name: 'v', tensor: null as never },
        ]),
      );
    step(skips);
    expect([numbers(w), numbers(v)]).toEqual([[1], [2]]);
    step(zeros);
    expect([numbers(w), numbers(v)]).toEqual([[0.5], [1]]);
    optimizerWithNone(skips);
    function optimizerWithNone(optimizer: typeof skips): void {
      optimizer.applyGradients([{ name: 'w', tensor: undefined as never }]);
      expect(numbers(w)).toEqual([0.5]);
      expect(optimizer.iterations).toBe(2);
    }
  });

  it('options, modules and parts', () => {
    const refused: [() => unknown, string][] = [
      [() => tfjsOptimizer({} as never, SGD), 'ERR_ARGUMENT'],
      [() => registerTfjsOptimizer(null as never), 'ERR_ARGUMENT'],
      [() => tfjsOptimizer(tf, Map as never), 'ERR_ARGUMENT'],
      [() => tfjsOptimizer(tf, [] as never), 'ERR_ARGUMENT'],
      [() => tfjsOptimizer(tf, [{ optimizer: SGD }] as never), 'ERR_ARGUMENT'],
      [() => tfjsOptimizer(tf, combine as never), 'ERR_ARGUMENT'],
      [() => tfjsOptimizer(tf, SGD, { rate: 1 } as never), 'ERR_ARGUMENT'],
      [() => tfjsOptimizer(tf, SGD, { lr: -1 }), 'ERR_ARGUMENT'],
      [() => tfjsOptimizer(tf, SGD, { lr: 1 }, { layout: 'in_out' } as never), 'ERR_ARGUMENT'],
      [() => tfjsOptimizer(tf, SGD, { parameters: {} } as never), 'ERR_ARGUMENT'],
      [() => tfjsOptimizer(tf, SGD, { layout: 'in_out' } as never), 'ERR_ARGUMENT'],
      [() => tfjsOptimizer(tf, SGD, {}, { device: 'cpu' as never }), 'ERR_ARGUMENT'],
      [() => tfjsOptimizer(tf, [{ optimizer: SGD, params: '**', lr: -1 }]), 'ERR_ARGUMENT'],
      [() => tfjsOptimizer(tf, [{ optimizer: SGD, params: '**' }], { overlap: 'last' as never }), 'ERR_ARGUMENT'],
    ];
    for (const [i, [call, code]] of refused.entries()) expect(codeOf(call), String(i)).toBe(code);
  });

  it('vectors of a class for matrices, with the way out', () => {
    const w = tf.variable(tf.tensor1d([1, 2]), true, 'w');
    using optimizer = tfjsOptimizer(tf, Muon, {}, own);
    expect(() => tf.tidy(() => optimizer.applyGradients({ w: one() }))).toThrow(/combine/);
    expect(numbers(w)).toEqual([1, 2]);
    expect(optimizer.stateBytes).toBe(0);
    // Matrices alone step.
    const matrix = tf.variable(tf.zeros([2, 2]), true, 'matrix');
    tf.tidy(() => optimizer.applyGradients({ matrix: tf.ones([2, 2]) }));
    expect(numbers(matrix)[0]).toBeLessThan(0);
  });

  it('state that does not fit, and names that the variables do not have', async () => {
    const { w, optimizer } = made();
    const weights = await optimizer.getWeights();
    const [iter, momenta] = weights as [(typeof weights)[0], (typeof weights)[0]];
    const state = async () => (await optimizer.getWeights()).map(({ name, tensor }) => [name, numbers(tensor)]);
    const before = await state();
    const set = (list: unknown) => codeOfLater(optimizer.setWeights(list as never));
    // Other values than those that are there.
    const others = weights.map(({ name, tensor }) => ({ name, tensor: tf.add(tensor, tf.onesLike(tensor)) }));
    const refused: [list: unknown[], code: string][] = [
      [[], 'ERR_ARGUMENT'],
      [others.slice(1), 'ERR_ARGUMENT'],
      [[iter], 'ERR_STATE'],
      [[...others, others[1]], 'ERR_ARGUMENT'],
      [[...others, { ...momenta, name: 'v/momenta' }], 'ERR_STATE'],
      [others.map((one, i) => (i === 1 ? { ...one, tensor: tf.zeros([3]) } : one)), 'ERR_STATE'],
    ];
    for (const [list, code] of refused) {
      expect(await set(list)).toBe(code);
      expect(await state()).toEqual(before);
    }
    expect(await set(weights)).toBe('none');
    expect(numbers(w)).toEqual([1, 2]);
    optimizer.dispose();
    const other = tfjsOptimizer(tf, SGD, { momentum: 0.9 }, own);
    tf.variable(tf.tensor1d([1]), true, 'v');
    await other.setWeights(weights);
    expect(codeOf(() => tf.tidy(() => other.applyGradients({ v: tf.tensor1d([1]) })))).toBe('ERR_STATE');
    // TensorFlow.js has numbered the variable of a model that is there twice.
    const copy = tf.variable(tf.tensor1d([1, 2]), true, 'w_1');
    tf.tidy(() => other.applyGradients({ w_1: one() }));
    expect(numbers(copy)[0]).toBeLessThan(1);
    expect(other.iterations).toBe(2);
    other.dispose();
  });

  it('what needs variables before there are any, and everything once disposed', async () => {
    const optimizer = tfjsOptimizer(tf, AdamW);
    expect(codeOf(() => optimizer.groups)).toBe('ERR_STATE');
    expect(await codeOfLater(optimizer.report())).toBe('ERR_STATE');
    expect(await codeOfLater(optimizer.save('none'))).toBe('ERR_STATE');
    expect(await codeOfLater(optimizer.load('none'))).toBe('ERR_STATE');
    expect(codeOf(() => optimizer.applyGradients({}))).toBe('ERR_ARGUMENT');
    expect(codeOf(() => optimizer.bind(['none']))).toBe('ERR_ARGUMENT');
    expect(codeOf(() => optimizer.bind([3 as never]))).toBe('ERR_ARGUMENT');
    expect((await optimizer.getWeights()).map(({ name }) => name)).toEqual(['iter']);
    optimizer.dispose();
    optimizer.dispose();
    const w = tf.variable(tf.tensor1d([1]), true, 'w');
    expect(codeOf(() => optimizer.applyGradients({ w }))).toBe('ERR_DISPOSED');
    expect(codeOf(() => optimizer.bind([w]))).toBe('ERR_DISPOSED');
    expect(codeOf(() => optimizer.groups)).toBe('ERR_DISPOSED');
    expect(await codeOfLater(optimizer.getWeights())).toBe('ERR_DISPOSED');
    expect(await codeOfLater(optimizer.setWeights([{ name: 'iter', tensor: tf.scalar(1, 'int32') }]))).toBe(
      'ERR_DISPOSED',
    );
  });

  it('configs that are not of such optimizers, and choices that text does not keep', () => {
    using optimizer = tfjsOptimizer(tf, [{ optimizer: SGD, params: () => true }]);
    expect(codeOf(() => optimizer.getConfig())).toBe('ERR_UNSUPPORTED');
    const Class = optimizer.constructor as never as { fromConfig(cls: unknown, config: unknown): unknown };
    const texts = ['', '{', '3', '{"isOne":true,"parts":[],"options":{}}', '{"isOne":true,"parts":[{"optimizer":"Tensor","options":{}}],"options":{}}', undefined]; // biome-ignore format: one line
    for (const name of texts)
      expect(
        codeOf(() => Class.fromConfig(Class, { name })),
        name,
      ).toBe('ERR_FORMAT');
  });
});

describe('off the event loop', () => {
  beforeEach(() => use('cpu'));
  afterEach(() => tf.disposeVariables());

  it('gives the same bits, and one call at a time', async () => {
    const w = tf.variable(tf.tensor1d([1, 2]), true, 'w');
    const options = { lr: 0.1 };
    using waits = tfjsOptimizer(tf, AdamW, options, own);
    using blocks = tfjsOptimizer(tf, AdamW, options, own);
    const f = () => tf.sum(tf.square(w)) as tf.Scalar;
    const start = w.clone();
    blocks.minimize(f);
    const expected = numbers(w);
    w.assign(start);
    const running = waits.minimizeAsync(f, true);
    expect(codeOf(() => waits.applyGradients({ w: start }))).toBe('ERR_STATE');
    expect(await codeOfLater(waits.minimizeAsync(f))).toBe('ERR_STATE');
    expect(numbers((await running)!)).toEqual([5]);
    expect(numbers(w)).toEqual(expected);
    expect(waits.iterations).toBe(1);
  });

  it('leaves a variable that was assigned to or disposed meanwhile, and ends when disposed', async () => {
    const w = tf.variable(tf.tensor1d([1, 2]), true, 'w');
    const v = tf.variable(tf.tensor1d([1, 2]), true, 'v');
    using optimizer = tfjsOptimizer(tf, SGD, { lr: 1 }, own);
    const gradients = () => ({ w: tf.tensor1d([1, 1]), v: tf.tensor1d([1, 1]) });
    const first = optimizer.applyGradientsAsync(gradients());
    w.assign(tf.tensor1d([7, 7]));
    expect(await codeOfLater(first)).toBe('ERR_STATE');
    expect([numbers(w), numbers(v)]).toEqual([[7, 7], [0, 1]]); // biome-ignore format: one line
    await optimizer.applyGradientsAsync(gradients());
    expect([numbers(w), numbers(v)]).toEqual([[6, 6], [-1, 0]]); // biome-ignore format: one line
    const second = optimizer.applyGradientsAsync(gradients());
    v.dispose();
    await second;
    expect(numbers(w)).toEqual([5, 5]);
    const third = optimizer.applyGradientsAsync({ w: tf.tensor1d([1, 1]) });
    await setImmediate();
    optimizer.dispose();
    expect(['ERR_DISPOSED', 'none']).toContain(await codeOfLater(third));
  });
});
