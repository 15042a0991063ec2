// Every operation of the library that takes a signal, at a size that takes about a tenth of a second.
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { loraAttentionGrad } from '../../lib/adapters/index.ts';
import {
  AdamW,
  barycenter,
  combine,
  type Device,
  Dictionary,
  loadTensors,
  type OmpOptions,
  omp,
  ompGram,
  ops,
  readTensorInfo,
  readTokenizer,
  saveTensors,
  sinkhorn,
  sinkhornDivergence,
  Tensor,
  type TransportMethod,
  transplant,
  transplantTables,
  transportBatch,
} from '../../lib/index.ts';
import { randomizedSvd } from '../../lib/linalg/index.ts';
import { completeMatrix, denseMeasurement, MatrixSensing } from '../../lib/lowrank/index.ts';
import { mergeModels } from '../../lib/merging/index.ts';
import { fileBytes } from '../files/bytes.ts';
import type { Folder } from '../files/folder.ts';
import { normalized, numbers, vector } from '../support/transport.ts';
import { parsed } from '../tokenizers/tokenizers.ts';
import { byteLevelTokenizer, writeModel } from '../transplant/models.ts';
import { curvatureCalls } from './abort-curvature-calls.ts';

export type Call = (signal: AbortSignal) => Promise<unknown>;

export interface Abortable {
  calls: Record<string, Call>;
  /** Tensors that no call may change. */
  inputs: Tensor[];
  /** Writes what the calls of this name read. */
  prepare(): Promise<void>;
}

const methods: readonly TransportMethod[] = ['auto', 'sinkhorn', 'sns', 'ssns', 'splr', 'lbfgs'];

/** Families of calls, each with what its calls work on. */
export const abortable = (device: Device, folder: Folder): readonly Abortable[] => [
  files(device, folder),
  pursuits(device),
  transports(device),
  models(device, folder),
  matrices(device),
  merges(device, folder),
  ...curvatureCalls(device),
];

function files(device: Device, folder: Folder): Abortable {
  const size = 1 << 21; // 8 MB a tensor
  const filled = (value: number, count = size) => Tensor.full(device, [count], value);
  const tensors = { a: filled(1), b: filled(2), c: filled(3, 3) };
  const weights = [filled(0.5), filled(0.5)];
  const optimizer = new AdamW(weights.slice(0, 1), { lr: 0.1 });
  const combined = combine([{ optimizer: AdamW, params: weights.slice(1) }]);
  const grads = [filled(1)];
  const entry = (i: number): string => `"${i}":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}`;
  const manyNames = fileBytes(`{${Array.from({ length: 20_000 }, (_, i) => entry(i)).join(',')}}`);
  const calls: Record<string, Call> = {
    saveTensors: (signal) => saveTensors(folder.file('tensors'), tensors, { signal }),
    loadTensors: async (signal) => {
      const loaded = await loadTensors(folder.file('tensors'), device, { signal });
      for (const tensor of Object.values(loaded)) tensor.dispose();
    },
    readTensorInfo: (signal) => readTensorInfo(folder.file('names'), { signal }),
    'save of an optimizer': (signal) => optimizer.save(folder.file('optimizer'), { signal }),
    'load of an optimizer': (signal) => optimizer.load(folder.file('optimizer'), { signal }),
    'save of a combination': (signal) => combined.save(folder.file('combined'), { signal }),
    'load of a combination': (signal) => combined.load(folder.file('combined'), { signal }),
  };
  const prepare = async (): Promise<void> => {
    const none = new AbortController().signal;
    optimizer.step(grads);
    combined.step(grads);
    for (const name of ['saveTensors', 'save of an optimizer', 'save of a combination']) await calls[name]!(none);
    writeFileSync(folder.file('names'), manyNames);
  };
  const state = Object.values(optimizer.part().tensors) as Tensor[];
  return { calls, inputs: [...Object.values(tensors), ...weights, ...state], prepare };
}

function pursuits(device: Device): Abortable {
  const atoms = Tensor.randn(device, [3000, 64], { seed: 1 });
  const signals = Tensor.randn(device, [2000, 64], { seed: 2 });
  const whole = new Dictionary(atoms);
  const rows = new Dictionary(atoms, { memoryLimit: 16 << 20 });
  const few = Tensor.randn(device, [1000, 64], { seed: 5 });
  const gram = new Tensor(device, [1000, 1000]);
  ops.gemm(device, { a: few, b: few, c: gram, transB: 'transposed' });
  const correlations = new Tensor(device, [2000, 1000]);
  ops.gemm(device, { a: signals, b: few, c: correlations, transB: 'transposed' });
  const pursue = async (dictionary: Dictionary, options: OmpOptions): Promise<void> =>
    (await omp(dictionary, signals, { k: 16, ...options })).dispose();
  return {
    calls: {
      'omp by the Gram matrix': (signal) => pursue(whole, { algorithm: 'gram', signal }),
      'omp by Gram rows': (signal) => pursue(rows, { algorithm: 'gram', signal }),
      'omp by products': (signal) => pursue(rows, { algorithm: 'gemm', signal }),
      ompGram: async (signal) => (await ompGram(gram, correlations, { k: 16, signal })).dispose(),
    },
    inputs: [atoms, signals, few, gram, correlations],
    prepare: async () => {},
  };
}

function transports(device: Device): Abortable {
  const [n, d] = [400, 3];
  const uniform = (shape: number[], seed: number) => {
    const x = new Tensor(device, shape, 'f64');
    ops.random(device, { x: [x], seed, distribution: 'uniform' });
    return x;
  };
  const cost = uniform([n, n], 1);
  const [x, y] = [uniform([n, d], 2), uniform([n, d], 3)];
  const clouds = { x, y, metric: 'sqeuclidean' } as const;
  const batch = uniform([40, 60, 60], 4);
  const measures = Array.from({ length: 4 }, (_, k) => vector(device, normalized(numbers(n, 10 + k, 0.5, 1))));
  const cotangent = uniform([n], 5);
  const sharp = { eps: 1e-3, tol: 1e-9 };
  const solved = sinkhorn(cost, { eps: 1e-2 });
  const bySinkhorn = Object.fromEntries(
    methods.map((method): [string, Call] => [
      `sinkhorn by ${method}`,
      async (signal) => (await sinkhorn(cost, { ...sharp, method, signal })).dispose(),
    ]),
  );
  return {
    calls: {
      ...bySinkhorn,
      'sinkhorn of points': async (signal) => (await sinkhorn(clouds, { eps: 1e-2, tol: 1e-9, signal })).dispose(),
      sinkhornDivergence: async (signal) =>
        (await sinkhornDivergence(clouds, { eps: 1e-2, tol: 1e-9, signal })).dispose(),
      barycenter: async (signal) =>
        (await barycenter(cost, measures, { eps: 1e-2, tol: 1e-12, maxSweeps: 400, signal })).masses.dispose(),
      transportBatch: async (signal) => (await transportBatch(batch, { ...sharp, signal })).dispose(),
      pullback: async (signal) => {
        const gradient = await (await solved).pullback({ f: cotangent }, 'cost', { signal });
        gradient.dispose();
      },
    },
    inputs: [cost, x, y, batch, cotangent, ...measures],
    prepare: async () => void (await solved),
  };
}

function models(device: Device, folder: Folder): Abortable {
  const tokens = (count: number): string[] => Array.from({ length: count }, (_, i) => ` t${i}`);
  const [small, large] = [byteLevelTokenizer(tokens(1500)), byteLevelTokenizer(tokens(3000))];
  const base = { tokenizer: parsed(small), embed: Tensor.randn(device, [1500, 32], { seed: 3 }) };
  const donor = { tokenizer: parsed(large), embed: Tensor.randn(device, [3000, 48], { seed: 4 }) };
  const rows = (count: number, width: number) =>
    Array.from({ length: count }, (_, i) => Array.from({ length: width }, (_, j) => Math.sin(i + 7 * j)));
  const place = folder.file('models');
  const [baseFolder, donorFolder] = ['base', 'donor'].map((name) => path.join(place, name)) as [string, string];
  return {
    calls: {
      transplantTables: async (signal) => (await transplantTables(base, donor, { k: 16, signal })).embed.dispose(),
      transplant: async (signal) => {
        const out = path.join(place, 'out');
        try {
          await transplant({ base: baseFolder, donor: donorFolder, out, k: 16, signal, device });
        } finally {
          // An aborted run leaves what the next one goes on with.
          for (const name of readdirSync(place).filter((one) => one !== 'base' && one !== 'donor'))
            rmSync(path.join(place, name), { recursive: true });
        }
      },
      readTokenizer: (signal) => readTokenizer(donorFolder, { signal }),
    },
    inputs: [base.embed, donor.embed],
    prepare: async () => {
      writeModel(baseFolder, { tokenizer: small, embed: rows(1500, 32) });
      writeModel(donorFolder, { tokenizer: large, embed: rows(3000, 48) });
    },
  };
}

function matrices(device: Device): Abortable {
  const x = Tensor.randn(device, [600, 400], { seed: 6 });
  const [side, count] = [1000, 60_000];
  // Places that are no two alike: 7919 has no divisor in common with the number of all.
  const places = Int32Array.from({ length: count }, (_, i) => (i * 7919) % (side * side));
  const entries = {
    rows: places.map((place) => Math.floor(place / side)),
    cols: places.map((place) => place % side),
    values: Float32Array.from(places, (place) => Math.sin(Math.floor(place / side)) * Math.cos(place % side)),
    shape: [side, side] as const,
  };
  const normalOf = (shape: number[], seed: number, dtype: 'f32' | 'f64' = 'f32') =>
    Tensor.randn(device, shape, { seed, dtype });
  const all = normalOf([900, 30, 30], 7);
  const [measurement, y] = [denseMeasurement(all), normalOf([900], 8)];
  const head = {
    ...{ x: normalOf([1500, 16], 9), wq: normalOf([16, 16], 10), wk: normalOf([16, 16], 11) },
    ...{ wv: normalOf([16, 16], 12), y: normalOf([1500, 16], 13), a: normalOf([2, 16], 14), b: normalOf([16, 2], 15) },
  };
  return {
    calls: {
      randomizedSvd: async (signal) => {
        const found = await randomizedSvd(x, { rank: 40, power: 8, signal });
        for (const tensor of Object.values(found)) tensor.dispose();
      },
      completeMatrix: async (signal) => {
        const { u, v } = await completeMatrix(entries, { rank: 8, device, tol: 0, maxIterations: 20, signal });
        for (const tensor of [u, v]) tensor.dispose();
      },
      'MatrixSensing.run': async (signal) => {
        using sensing = new MatrixSensing(measurement, y, { rank: 4, lr: 1e-6 });
        await sensing.run(400, { signal });
      },
      loraAttentionGrad: async (signal) => {
        const { da, db } = await loraAttentionGrad({ ...head, scale: 1 }, { mode: 'exact', signal });
        for (const tensor of [da, db]) tensor.dispose();
      },
    },
    inputs: [x, all, y, ...Object.values(head)],
    prepare: async () => {},
  };
}

function merges(device: Device, folder: Folder): Abortable {
  const place = folder.file('merges');
  const names = ['base', 'one', 'two', 'three'];
  const [base, ...others] = names.map((name) => path.join(place, name)) as [string, string, string, string];
  return {
    calls: {
      'mergeModels by opcm': async (signal) => {
        try {
          await mergeModels({ base, models: others, out: path.join(place, 'out'), method: 'opcm', device, signal });
        } finally {
          // An aborted run leaves what the next one goes on with.
          for (const name of readdirSync(place).filter((one) => !names.includes(one)))
            rmSync(path.join(place, name), { recursive: true });
        }
      },
    },
    inputs: [],
    prepare: async () => {
      for (const [seed, name] of names.entries()) {
        const model = path.join(place, name);
        mkdirSync(model, { recursive: true });
        writeFileSync(path.join(model, 'config.json'), '{}');
        const tensors = Object.fromEntries(
          [0, 1, 2, 3].map((i) => [`l.${i}.weight`, Tensor.randn(device, [300, 256], { seed: 10 * seed + i })]),
        );
        await saveTensors(path.join(model, 'model.safetensors'), tensors);
        for (const tensor of Object.values(tensors)) tensor.dispose();
      }
    },
  };
}
