// Devices: cpu
// TensorFlow.js' own tests of its optimizers (sgd, momentum, adam and adagrad in tfjs-core/src/optimizers), for optimizers of ours.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AdaGrad, AdamW, SGD } from '../../lib/index.ts';
import { tfjsOptimizer } from '../../lib/tfjs/index.ts';
import { backends, numbers, tf, use } from './setup.ts';

const close = (tensor: tf.Tensor, expected: readonly number[]): void => {
  const found = numbers(tensor);
  expect(found.length).toBe(expected.length);
  for (const [i, value] of found.entries()) expect(value).toBeCloseTo(expected[i]!, 4);
};
const rate = 0.1;
const sgd = () => tfjsOptimizer(tf, SGD, { lr: rate });

describe.each(backends)('on %s', (backend) => {
  beforeEach(async () => {
    await use(backend);
    tf.engine().startScope();
  });
  afterEach(() => {
    tf.engine().endScope();
    tf.disposeVariables();
  });

  it('basic', () => {
    const optimizer = sgd();
    const x = tf.variable(tf.scalar(4));
    const bias = tf.variable(tf.scalar(1));
    const stray = tf.variable(tf.scalar(-1));
    let count = tf.memory().numTensors;
    const f = () => tf.add(tf.square(x), bias) as tf.Scalar;
    let cost = optimizer.minimize(f, true);
    expect(tf.memory().numTensors).toBe(count + 1);
    const x1 = -2 * 4 * rate + 4;
    close(x, [x1]);
    close(bias, [1 - rate]);
    close(cost!, [17]);
    close(stray, [-1]);
    cost!.dispose();
    count = tf.memory().numTensors;
    cost = optimizer.minimize(f, false);
    expect(tf.memory().numTensors).toBe(count);
    close(x, [-2 * x1 * rate + x1]);
    close(bias, [1 - 2 * rate]);
    expect(cost).toBe(null);
    close(stray, [-1]);
    expect(optimizer.iterations).toBe(2);
    optimizer.dispose();
    expect(tf.memory().numTensors).toBe(count);
  });

  it('varList array of all variables, and a part of them', () => {
    using optimizer = sgd();
    const x = tf.variable(tf.scalar(4));
    const bias = tf.variable(tf.scalar(1));
    const f = () => tf.add(tf.square(x), bias) as tf.Scalar;
    close(optimizer.minimize(f, true, [x, bias])!, [17]);
    close(x, [3.2]);
    close(bias, [0.9]);
    optimizer.minimize(f, false, [x]);
    close(x, [3.2 - 0.64]);
    close(bias, [0.9]);
  });

  it('varList empty array of variables throws error', () => {
    using optimizer = sgd();
    const x = tf.variable(tf.scalar(4));
    expect(() => optimizer.minimize(() => tf.square(x) as tf.Scalar, true, [])).toThrow();
  });

  it('only bias trainable', () => {
    using optimizer = sgd();
    const x = tf.variable(tf.scalar(4), false);
    const bias = tf.variable(tf.scalar(1));
    const f = () => tf.add(tf.square(x), bias) as tf.Scalar;
    optimizer.minimize(f);
    close(x, [4]);
    close(bias, [0.9]);
    optimizer.minimize(f, false, [x, bias]);
    close(x, [4]);
    close(bias, [0.8]);
    expect(() => optimizer.minimize(f, true, [x])).toThrow();
  });

  it('is a tf.Optimizer', () => {
    using optimizer = sgd();
    expect(optimizer).toBeInstanceOf(tf.Optimizer);
    expect(optimizer.getClassName()).toBe('OrthokitOptimizer');
  });

  it('throws error when f returns a non-scalar', () => {
    using optimizer = sgd();
    const x = tf.variable(tf.tensor1d([1, 2]));
    expect(() => optimizer.minimize(() => tf.square(x) as never)).toThrow();
  });

  it('gradients by array and by map', () => {
    using optimizer = sgd();
    const x = tf.variable(tf.tensor1d([1, 2]), true, 'x of gradients');
    const gradient = tf.tensor1d([10, 20]);
    optimizer.applyGradients({ [x.name]: gradient });
    close(x, [0, 0]);
    optimizer.applyGradients([{ name: x.name, tensor: gradient }]);
    close(x, [-1, -2]);
    expect(gradient.isDisposed).toBe(false);
    const { value, grads } = optimizer.computeGradients(() => tf.sum(tf.square(x)) as tf.Scalar);
    close(value, [5]);
    close(grads[x.name]!, [-2, -4]);
    expect(optimizer.iterations).toBe(2);
  });

  it('momentum, saved and loaded while training goes on', async () => {
    const options = { lr: 0.1, momentum: 0.5, nesterov: true };
    using first = tfjsOptimizer(tf, SGD, options);
    const x = tf.variable(tf.tensor1d([1, 2]));
    const f = () => tf.sum(tf.square(x)) as tf.Scalar;
    first.minimize(f);
    close(x, [0.7, 1.4]);
    using second = tfjsOptimizer(tf, SGD, options);
    const weights = await first.getWeights();
    expect(weights.map(({ name }) => name)).toEqual(['iter', `${x.name}/momenta`, `${x.name}/steps`]);
    await second.setWeights(weights);
    tf.dispose(weights.map(({ tensor }) => tensor));
    close(second.minimize(f, true)!, [2.45]);
    close(x, [0.44, 0.88]);
    expect(second.iterations).toBe(2);
  });

  it.each([
    // A mean of equal gradients moves by the rate, whatever their size.
    [
      'Adam',
      () => tfjsOptimizer(tf, AdamW, { lr: 0.1, betas: [0.8, 0.9], eps: 1e-8, weightDecay: 0 }),
      [2, 4],
      [
        [1.9, 3.9],
        [1.8, 3.8],
      ],
    ],
    [
      'AdaGrad',
      () => tfjsOptimizer(tf, AdaGrad, { lr: 0.1, initialAccumulator: 0.1 }),
      [1, 2],
      (() => {
        const [first, second] = [1, 2].map((x) => {
          let [at, sum] = [x, 0.1];
          return [0, 1].map(() => {
            const gradient = 2 * at;
            sum += gradient ** 2;
            at -= (0.1 * gradient) / Math.sqrt(sum);
            return at;
          });
        }) as [number[], number[]];
        return first.map((x, i) => [x, second[i]!]);
      })(),
    ],
  ] as const)('%s, saved and loaded while training goes on', async (_, make, start, expected) => {
    using optimizer = make();
    const x = tf.variable(tf.tensor1d([...start]));
    const f = () => tf.sum(tf.square(x)) as tf.Scalar;
    optimizer.minimize(f);
    close(x, expected[0]!);
    using second = make();
    const weights = await optimizer.getWeights();
    await second.setWeights(weights);
    tf.dispose(weights.map(({ tensor }) => tensor));
    second.minimize(f);
    // The second step of Adam has gradients that are a little less than those before.
    for (const [i, value] of numbers(x).entries()) expect(Math.abs(value - expected[1]![i]!)).toBeLessThan(5e-3);
  });

  it('serialization round-trip', () => {
    using original = tfjsOptimizer(tf, AdamW, { lr: 0.1, betas: [0.2, 0.9], eps: 2e-8 });
    const Class = original.constructor as never as tf.serialization.SerializableConstructor<tf.Optimizer>;
    const copy = (Class as never as { fromConfig(cls: unknown, config: unknown): tf.Optimizer }).fromConfig(
      Class,
      original.getConfig(),
    );
    expect(copy.getConfig()).toEqual(original.getConfig());
    copy.dispose();
  });
});
