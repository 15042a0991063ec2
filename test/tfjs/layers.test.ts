// Devices: cpu
// Real models of TensorFlow.js: handwritten digits, with Muon and AdamW; a model that is saved with its optimizer.
import { afterAll, expect, it } from 'vitest';
import { loadDigits, pixels } from '../../examples/digits/data.mjs';
import { AdamW, type AnyOptimizer, combine, Device, Muon, Tensor } from '../../lib/index.ts';
import { registerTfjsOptimizer, tfjsOptimizer } from '../../lib/tfjs/index.ts';
import { layers, numbers, tf, use } from '../tfjs/setup.ts';

const device = Device.open('cpu', { threads: 1 });
afterAll(() => device.close());

const { train } = loadDigits();

/** Some of the digits, in an order that mixes them. */
function digits(count: number): { x: tf.Tensor2D; y: tf.Tensor } {
  const order = Array.from({ length: count }, (_, i) => (i * 4001) % train.labels.length);
  const images = Float32Array.from({ length: count * pixels }, (_, i) => train.images[order[Math.floor(i / pixels)]! * pixels + (i % pixels)]!); // biome-ignore format: one line
  const labels = Int32Array.from(order, (row) => train.labels[row]!);
  return { x: tf.tensor2d(images, [count, pixels]), y: tf.oneHot(tf.tensor1d(labels, 'int32'), 10) };
}

const network = (): layers.Sequential => {
  const kernelInitializer = (seed: number) => layers.initializers.glorotUniform({ seed });
  return layers.sequential({
    layers: [
      layers.layers.dense({
        units: 32,
        activation: 'relu',
        inputShape: [pixels],
        kernelInitializer: kernelInitializer(1),
      }),
      layers.layers.dense({ units: 10, activation: 'softmax', kernelInitializer: kernelInitializer(2) }),
    ],
  });
};

const parts = [
  { optimizer: AdamW, params: '*bias*', lr: 1e-2 },
  { optimizer: Muon, params: '**', lr: 0.02 },
] as const;

const ofAdamW = () => tfjsOptimizer(tf, AdamW, { lr: 1e-2 }, { device });
const ofBoth = () => tfjsOptimizer(tf, parts, { overlap: 'first' }, { device });

it.each([
  ['wasm', 'AdamW', 256, ofAdamW],
  ['wasm', 'Muon and AdamW', 256, ofBoth],
  ['cpu', 'Muon and AdamW', 128, ofBoth],
] as const)('digits are learnt on %s with %s, and no tensor is left', async (backend, _, count, make) => {
  await use(backend);
  const { x, y } = digits(count);
  const model = network();
  const optimizer = make();
  model.compile({ optimizer, loss: 'categoricalCrossentropy' });
  const fitted = async () => (await model.fit(x, y, { epochs: 2, batchSize: 64, shuffle: false, verbose: 0 })).history;
  const first = await fitted();
  const { numTensors } = tf.memory();
  const second = await fitted();
  expect(tf.memory().numTensors).toBe(numTensors);
  expect(second['loss']!.at(-1)).toBeLessThan(0.75 * (first['loss']![0] as number));
  expect(optimizer.iterations).toBe((4 * count) / 64);
  model.dispose();
  optimizer.dispose();
  tf.dispose([x, y]);
});

it('a training is that of the same optimizer on tensors with the same gradients, bit for bit', async () => {
  await use('wasm');
  const { x, y } = digits(512);
  const model = network();
  const variables = model.trainableWeights.map((weight) => weight.read() as tf.Variable);
  const weights = Object.fromEntries(
    variables.map((v): [string, Tensor] => [v.name, Tensor.from(device, v.dataSync() as Float32Array, v.shape)]),
  );
  using direct: AnyOptimizer & Disposable = combine(
    [
      { optimizer: AdamW, params: ['*bias*'], lr: 1e-2 },
      { optimizer: Muon, params: '**', layout: 'in_out' },
    ],
    { parameters: weights, overlap: 'first' },
  );
  using optimizer = ofBoth();
  const losses: number[] = [];
  for (let step = 0; step < 8; step += 1) {
    const from = 64 * step;
    const f = () =>
      tf.tidy(() => {
        const logits = model.apply(tf.slice(x, [from, 0], [64, pixels]), { training: true }) as tf.Tensor;
        return tf.losses.logLoss(tf.slice(y, [from, 0], [64, 10]), logits) as tf.Scalar;
      });
    const { value, grads } = optimizer.computeGradients(f, variables);
    losses.push(numbers(value)[0]!);
    const gradients = new Map(
      variables.map((v) => [weights[v.name]!, Tensor.from(device, grads[v.name]!.dataSync() as Float32Array, v.shape)]),
    );
    direct.step(gradients);
    optimizer.applyGradients(grads);
    tf.dispose([value, grads as never]);
    for (const v of variables) {
      const expected = (await weights[v.name]!.read()) as Float32Array;
      expect(Buffer.compare(Buffer.from(v.dataSync().buffer), Buffer.from(expected.buffer)), v.name).toBe(0);
    }
  }
  expect(losses.at(-1)).toBeLessThan(losses[0]!);
  tf.dispose([x, y]);
  model.dispose();
});

it('a model is saved with its optimizer, and goes on to the same bits', async () => {
  await use('cpu');
  registerTfjsOptimizer(tf);
  const [x, y] = [tf.randomNormal([32, 6], 0, 1, 'float32', 3), tf.randomNormal([32, 2], 0, 1, 'float32', 4)];
  const model = layers.sequential({
    layers: [layers.layers.dense({ units: 5, inputShape: [6], activation: 'tanh' }), layers.layers.dense({ units: 2 })],
  });
  const optimizer = tfjsOptimizer(
    tf,
    [
      { optimizer: AdamW, params: '*bias*', lr: 0.01 },
      // Words with underscores, which TensorFlow.js changes where it may.
      { optimizer: Muon, params: '**', shapeScale: 'match_rms_adamw', stateDtype: 'f64' },
    ],
    { overlap: 'first' },
    { device },
  );
  model.compile({ optimizer, loss: 'meanSquaredError' });
  const fitTo = (one: layers.LayersModel) => one.fit(x, y, { epochs: 2, batchSize: 16, shuffle: false, verbose: 0 });
  await fitTo(model);
  optimizer.groups[0]!.lr = 0.02;
  let artifacts: tf.io.ModelArtifacts | undefined;
  const handler = tf.io.withSaveHandler(async (saved) => {
    artifacts = saved;
    return { modelArtifactsInfo: tf.io.getModelArtifactsInfoForJSON(saved) };
  });
  await model.save(handler, { includeOptimizer: true });
  const text = JSON.stringify(artifacts!.trainingConfig);
  artifacts!.trainingConfig = JSON.parse(text);

  const copy = await layers.loadLayersModel(tf.io.fromMemory(artifacts!));
  await fitTo(model);
  await fitTo(copy);
  const bits = (one: layers.LayersModel) => one.getWeights().map((weight) => numbers(weight));
  expect(bits(copy)).toEqual(bits(model));
  const loaded = copy.optimizer as typeof optimizer;
  expect(loaded.getClassName()).toBe('OrthokitOptimizer');
  expect(loaded.groups.map(({ lr }) => lr)).toEqual([0.02, 0.02]);
  expect(loaded.iterations).toBe(8);
  expect(loaded.getConfig()).toEqual(optimizer.getConfig());
  loaded.dispose();
  optimizer.dispose();
});
