// Devices: emulator
// Axes: products
// A step of training is given to the device as one graph, with the bits of single launches, whatever comes between.
import { setImmediate } from 'node:timers/promises';
import { beforeEach, describe, expect, it } from 'vitest';
import { AdamW, Device, ops, Tensor } from '../../lib/index.ts';
import * as nn from '../../lib/nn/index.ts';
import { normal, sizeOf } from '../support/data.ts';
import { emulator } from '../support/emulator.ts';
import { sameBits } from '../support/same-bits.ts';
import { tensorOf } from '../support/tensors.ts';

const control = (command: string): number => emulator.control(command);
const names = ['cudaLaunchKernelEx', 'cudaGraphInstantiate', 'cudaGraphLaunch'];
const productNames = ['cublasGemmEx', 'cublasGemmStridedBatchedEx'];
const updateNames = ['cudaGraphExecKernelNodeSetParams', 'cudaGraphExecChildGraphNodeSetParams'];
const counts = (of: readonly string[]) => of.map((name) => control(`calls?${name}`));

/** Opened with graphs, or without. */
function open(graphs = true): Device {
  if (!graphs) process.env['ORTHOKIT_GRAPHS'] = '0';
  try {
    return Device.open('cuda');
  } finally {
    delete process.env['ORTHOKIT_GRAPHS'];
  }
}

/** A network, its optimizer, and a step on a batch of 8 rows, or of 80, for which products take more blocks. */
function trainingOf(device: Device, dropout = false) {
  const draw = (seed: number, ...shape: number[]) => tensorOf(device, normal(sizeOf(shape), seed), shape);
  const model = { up: { weight: draw(1, 24, 12), bias: draw(2, 24) }, norm: draw(3, 24), down: draw(4, 5, 24) };
  const optimizer = new AdamW(nn.parameters(model), { lr: 0.01 });
  const labels = new Map(
    [8, 80].map((rows) => [
      rows,
      Tensor.from(
        device,
        Int32Array.from({ length: rows }, (_, i) => i % 5),
        [rows],
      ),
    ]),
  );
  const step = nn.valueAndGrad(
    (m: nn.Traced<typeof model>, x: Tensor, y: Tensor) => {
      let h: nn.Arg = nn.gelu(nn.linear(m.up, x));
      if (dropout) h = nn.dropout(h, { rate: 0.3 });
      return nn.crossEntropy(nn.linear({ weight: m.down }, nn.layerNorm({ weight: m.norm }, h)), y);
    },
    { seed: 7 },
  );
  const batches = new Map<number, Tensor>();
  const batch = (seed: number, rows = 8) => {
    const known = batches.get(100 * seed + rows) ?? draw(seed, rows, 12);
    batches.set(100 * seed + rows, known);
    return known;
  };
  return {
    model,
    optimizer,
    step,
    batch,
    train: (x: Tensor) => {
      const { value, grads } = step(model, x, labels.get(x.shape[0]!)!);
      optimizer.step(grads);
      return value;
    },
    dispose: () => {
      step.dispose();
      optimizer.dispose();
    },
  };
}
type Training = ReturnType<typeof trainingOf>;

/** The number of times that steps which end with the turn call each of `names`. */
async function callsOf(device: Device, work: () => void): Promise<number[]> {
  await device.synchronize();
  const before = counts(names);
  work();
  await device.synchronize();
  return counts(names).map((count, i) => count - before[i]!);
}

type Course = (training: Training, device: Device) => Promise<void> | void;
const plain: Course = ({ train, batch }) => {
  for (let i = 0; i < 5; i += 1) train(batch(10));
};

/** The parameters after a course, and what became of graphs; with what the course lets fail. */
async function run(course: Course, graphs = true, dropout = false) {
  const device = open(graphs);
  const training = trainingOf(device, dropout);
  await course(training, device);
  const weights = (await Promise.all(nn.parameters(training.model).map((tensor) => tensor.read()))) as Float32Array[];
  const used = device.info.graphs;
  training.dispose();
  await device.close();
  expect(control('graphs?')).toBe(0);
  expect(control('findings?')).toBe(0);
  return { weights, used };
}

async function expectBits(course: Course, dropout = false) {
  const [on, off] = [await run(course, true, dropout), await run(course, false, dropout)];
  for (const [i, weights] of on.weights.entries()) expect(sameBits(weights, off.weights[i]!)).toBe(true);
  expect(off.used).toEqual({ made: 0, launched: 0, refused: 'ORTHOKIT_GRAPHS is 0' });
  return on.used!;
}

describe('steps of training as graphs on the emulator', () => {
  beforeEach(() => void control('clear'));

  it('are one launch from the third on, where gradients and optimizer come in one turn', async () => {
    const device = open();
    const { train, batch, dispose } = trainingOf(device);
    const x = batch(10);
    const [first] = await callsOf(device, () => train(x));
    expect(first).toBeGreaterThan(15);
    // The second step has the optimizer's state already; the third makes the graph.
    await callsOf(device, () => train(x));
    expect(await callsOf(device, () => train(x))).toEqual([0, 1, 1]);
    const products = counts(productNames);
    expect(await callsOf(device, () => train(x))).toEqual([0, 0, 1]);
    expect(counts(productNames)).toEqual(products);
    const updates = counts(updateNames);
    expect(await callsOf(device, () => train(batch(11)))).toEqual([0, 0, 1]);
    expect(counts(updateNames)).not.toEqual(updates);
    expect(device.info.graphs).toEqual({ made: 1, launched: 3 });
    dispose();
    await device.close();
    expect(control('graphs?')).toBe(0);
  });

  it('are forward passes, too, whose scopes give buffers back while they run', async () => {
    const results: Float32Array[] = [];
    for (const graphs of [true, false]) {
      const device = open(graphs);
      const { model, batch, dispose } = trainingOf(device);
      const half = nn.scope((m: typeof model, x: nn.Arg) => nn.gelu(nn.linear(m.up, x)));
      const whole = nn.scope((m: typeof model, x: nn.Arg) => nn.layerNorm({ weight: m.norm }, half(m, x)));
      const forward = nn.forward((m: typeof model, x: Tensor) => nn.linear({ weight: m.down }, whole(m, x)));
      const pass = (seed: number) => callsOf(device, () => forward(model, batch(seed)));
      const [launches] = await pass(10);
      expect(launches).toBeGreaterThan(1);
      // There is no optimizer whose state a first step makes: the second pass makes the graph.
      const [second, third] = [await pass(10), await pass(10)];
      if (graphs) expect([second, third]).toEqual([[0, 1, 1], [0, 0, 1]]); // biome-ignore format: one line
      await pass(11);
      results.push((await forward(model, batch(12)).read()) as Float32Array);
      forward.dispose();
      dispose();
      await device.close();
    }
    expect(sameBits(results[0]!, results[1]!)).toBe(true);
    expect(control('graphs?')).toBe(0);
  });

  it('have the bits of single launches, with rates, batches and seeds that change', async () => {
    const used = await expectBits(({ train, batch, optimizer }) => {
      for (let i = 0; i < 6; i += 1) {
        optimizer.groups[0]!.lr = 0.01 / (1 + i);
        train(batch(10 + i));
      }
    }, true);
    expect(used).toMatchObject({ made: 1, launched: 4 });
  });

  it('have the bits of single launches of convolutions, pooling and moments of batches, which move on', async () => {
    const ends: Float32Array[][] = [];
    for (const graphs of [true, false]) {
      const device = open(graphs);
      const make = nn.init(device, { seed: 1 });
      const model = { conv: make.conv2d(2, 8, 3), norm: make.batchNorm(8), head: make.linear(8 * 4, 5) };
      const optimizer = new AdamW(nn.parameters(model), { lr: 0.01 });
      const step = nn.valueAndGrad((m: nn.Traced<typeof model>, x: Tensor, y: Tensor) => {
        const h = nn.relu(nn.batchNorm(m.norm, nn.conv2d(m.conv, x, { padding: 'same' })));
        const pooled = nn.pool2d(nn.pool2d(h, { kind: 'max', size: 2 }), { kind: 'average', size: 2 });
        return nn.crossEntropy(nn.linear(m.head, nn.reshape(pooled, [3, 32])), y);
      });
      const labels = Tensor.from(device, Int32Array.of(0, 3, 1), [3]);
      const images = [1, 2, 3, 4, 5].map((seed) => Tensor.randn(device, [3, 8, 8, 2], { seed }));
      for (const [i, x] of images.entries()) {
        const launches = await callsOf(device, () => optimizer.step(step(model, x, labels).grads));
        if (graphs && i > 1) expect(launches).toEqual([0, i === 2 ? 1 : 0, 1]);
      }
      const kept = [...nn.parameters(model), model.norm.mean, model.norm.variance];
      ends.push((await Promise.all(kept.map((tensor) => tensor.read()))) as Float32Array[]);
      step.dispose();
      optimizer.dispose();
      await device.close();
    }
    for (const [i, own] of ends[0]!.entries()) expect(sameBits(own, ends[1]![i]!)).toBe(true);
    expect(ends[0]!.at(-1)!.some((variance) => variance !== 1)).toBe(true);
    expect(control('findings?')).toBe(0);
  });

  it('are planned anew for another shape, and known again afterwards', async () => {
    const device = open();
    const { train, batch, dispose } = trainingOf(device);
    for (let i = 0; i < 4; i += 1) await callsOf(device, () => train(batch(10)));
    const [other] = await callsOf(device, () => train(batch(10, 80)));
    expect(other).toBeGreaterThan(10);
    expect(await callsOf(device, () => train(batch(10)))).toEqual([0, 0, 1]);
    expect(await callsOf(device, () => train(batch(10, 80)))).toEqual([0, 1, 1]);
    dispose();
    await device.close();
  });

  it('begin on the device before they end, where a turn has more than 4,096 launches', async () => {
    const device = open();
    const { train, batch, dispose } = trainingOf(device);
    const x = Tensor.zeros(device, [4]);
    const turn = () => {
      train(batch(10));
      for (let i = 0; i < 4200; i += 1) ops.fill(device, { x: [x], value: i });
    };
    for (let i = 0; i < 3; i += 1) await callsOf(device, turn);
    expect(await callsOf(device, turn)).toEqual([0, 0, 2]);
    expect(await x.read()).toEqual(new Float32Array(4).fill(4199));
    dispose();
    await device.close();
  });

  it.each<[string, Course]>([
    [
      'a read of the loss between gradients and step',
      async ({ step, model, optimizer, batch }, device) => {
        const labels = Tensor.from(device, new Int32Array(8), [8]);
        for (let i = 0; i < 5; i += 1) {
          const { value, grads } = step(model, batch(10), labels);
          await value.read();
          optimizer.step(grads);
        }
      },
    ],
    [
      'a write to a parameter in the turn of the step',
      ({ train, batch, model }) => {
        for (let i = 0; i < 5; i += 1) {
          train(batch(10));
          model.norm.write(Float32Array.from({ length: 24 }, (_, k) => 1 + k / (20 + i)));
        }
      },
    ],
    [
      'steps of two shapes in one turn',
      ({ train, batch }) => {
        for (let i = 0; i < 8; i += 1) train(batch(10, i % 2 === 0 ? 8 : 80));
      },
    ],
    [
      'a function that throws halfway',
      ({ train, batch, model }) => {
        const half = nn.valueAndGrad((m: nn.Traced<typeof model>, x: Tensor) => {
          nn.linear(m.up, x);
          throw new Error('halfway');
        });
        for (let i = 0; i < 5; i += 1) {
          train(batch(10));
          expect(() => half(model, batch(10))).toThrow('halfway');
        }
        half.dispose();
      },
    ],
    [
      'buffers that are given back',
      async ({ train, batch, step }) => {
        for (let i = 0; i < 6; i += 1) {
          train(batch(10));
          if (i === 3) step.dispose();
          await setImmediate();
        }
      },
    ],
    [
      'tensors of each step that come and go',
      async ({ train }, device) => {
        for (let i = 0; i < 5; i += 1) {
          using x = tensorOf(device, normal(96, 20 + i), [8, 12]);
          train(x);
        }
      },
    ],
  ])('have the bits of single launches with %s', async (_, course) => {
    await expectBits(course);
  });

  it.each(['eager', 'deferred', 'random'])('have the same bits with %s streams', async (streams) => {
    const expected = await run(plain);
    control(`streams=${streams}`);
    const actual = await run(plain);
    control('streams=eager');
    for (const [i, weights] of actual.weights.entries()) expect(sameBits(weights, expected.weights[i]!)).toBe(true);
    expect(actual.used).toEqual({ made: 1, launched: 3 });
  });

  const isCublas = () => {
    const device = open();
    const { blas } = device.info;
    void device.close();
    return blas.startsWith('cuBLAS');
  };
  const own: [string, number][] = [
    ['cudaGraphCreate', 1],
    ['cudaGraphAddKernelNode', 1],
    ['cudaGraphAddKernelNode', 7],
    ['cudaGraphInstantiate', 1],
    ['cudaGraphExecKernelNodeSetParams', 1],
    ['cudaGraphLaunch', 1],
    ['cudaGraphLaunch', 2],
  ];
  const ofProducts: [string, number][] = [
    ['cudaStreamBeginCapture', 1],
    ['cudaStreamEndCapture', 2],
    ['cudaGraphAddChildGraphNode', 1],
    ['cudaGraphExecChildGraphNodeSetParams', 1],
    ['cublasGemmEx', 20],
  ];
  it.each([...own, ...(isCublas() ? ofProducts : [])])(
    'fall back to single launches with the same bits where %s fails, call %i',
    async (name, nth) => {
      const course: Course = ({ train, batch, optimizer }) => {
        for (let i = 0; i < 6; i += 1) {
          optimizer.groups[0]!.lr = 0.01 / (1 + i);
          train(batch(10 + i));
        }
      };
      const expected = await run(course);
      const actual = await run((training, device) => {
        control('succeed');
        control(`fail=${name}:${nth}:999`);
        return course(training, device);
      });
      for (const [i, weights] of actual.weights.entries()) expect(sameBits(weights, expected.weights[i]!)).toBe(true);
      expect(expected.used).toEqual({ made: 1, launched: 4 });
      expect(actual.used!.refused).toMatch(/^CUDA refused one: .+ \(cudaError\w+\)$/);
    },
  );

  it('report a launch that fails at the next await, and go on', async () => {
    const device = open();
    const { train, batch, dispose } = trainingOf(device);
    control('fail=cudaLaunchKernelEx:20:999');
    train(batch(10));
    await expect(device.synchronize()).rejects.toThrow(/cudaLaunchKernel: unknown error/);
    train(batch(10));
    await device.synchronize();
    dispose();
    await device.close();
    expect(control('graphs?')).toBe(0);
  });

  it('are not begun on a closed device', async () => {
    const device = open();
    const { train, batch } = trainingOf(device);
    train(batch(10));
    await device.close();
    await setImmediate();
    expect(control('graphs?')).toBe(0);
    expect(() => train(batch(10))).toThrow(/closed/);
  });
});
