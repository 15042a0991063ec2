// Writes test/golden/states-v<version>: a checkpoint of every class in every way to keep state, saved behind a step that was
// held back, and beside each the bits that the next steps give on each instruction set of this processor. Gradients are small
// binary fractions. A golden file is written once and never again: by the release that brings its format version, or its class.
// usage, after npm run build: node scripts/golden/states.mjs <version>
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import {
  AdaGrad,
  AdaGradNorm,
  AdamW,
  AuON,
  Conda,
  combine,
  DCTAdamW,
  Device,
  DiffGrad,
  Dion,
  Dion2,
  EG,
  HybridAuON,
  Lion,
  Muon,
  NorDion2,
  NorMuon,
  SGD,
  Tensor,
  Trion,
} from '../../dist/index.js';

const classes = {
  SGD,
  AdamW,
  AdaGrad,
  AdaGradNorm,
  Lion,
  DiffGrad,
  EG,
  Muon,
  NorMuon,
  Trion,
  DCTAdamW,
  Dion,
  Dion2,
  NorDion2,
  Conda,
  AuON,
  HybridAuON,
};
const own = {
  SGD: { momentum: 0.8, dampening: 0.1 },
  AdamW: { betas: [0.8, 0.95] },
  AdaGrad: { lrDecay: 0.25, eps: 1e-6 },
  AdaGradNorm: { lrDecay: 0.25, eps: 1e-3 },
  Lion: { betas: [0.8, 0.95] },
  EG: { momentum: 0.8, dampening: 0.1 },
  DiffGrad: { betas: [0.8, 0.95] },
  Muon: { momentum: 0.9, shapeScale: 'spectral' },
  NorMuon: { momentum: 0.9, beta2: 0.75 },
  Trion: { momentum: 0.9, rank: 2 },
  DCTAdamW: { betas: [0.8, 0.95], rank: 2 },
  Dion: { momentum: 0.75, rank: 2 },
  Dion2: { fraction: 0.5, efDecay: 0.75 },
  NorDion2: { fraction: 0.5, efDecay: 0.75, beta2: 0.75 },
  Conda: { betas: [0.8, 0.95], eps: 1e-3, gap: 2 },
  AuON: { momentum: 0.9, gamma: 1.25 },
  HybridAuON: { momentum: 0.9, gamma: 1.25 },
};
/** State beyond that of the defaults, by the name of the case. */
const variants = {
  SGD: {
    plain: { momentum: 0, dampening: 0 },
    ema: { dampening: 0, momentumForm: 'ema' },
    nesterov: { dampening: 0, nesterov: true },
  },
  EG: { plain: { momentum: 0, dampening: 0 }, adamw: { variant: 'adamw', momentum: 0, dampening: 0 } },
  AdaGradNorm: { rows: { scope: 'rows' }, global: { scope: 'global' } },
  AuON: { head: { variant: 'head' }, rms: { variant: 'rms' } },
  Muon: { 'heavy-ball': { momentumForm: 'heavy-ball', nesterov: false } },
  NorMuon: { paper: { variant: 'paper' }, dion: { variant: 'dion' } },
  Conda: { 'reverse-std': { side: 'reverse_std' } },
  HybridAuON: { head: { variant: 'head' }, rms: { variant: 'rms' } },
  DCTAdamW: {
    feedback: { errorFeedback: true, rotate: true, gap: 2 },
    '8bit': { errorFeedback: '8bit', rotate: true },
    '4bit': { errorFeedback: '4bit', rotate: true },
  },
};
const settings = {
  f32: { dtype: 'f32' },
  f64: { dtype: 'f32', stateDtype: 'f64' },
  f16: { dtype: 'f32', stateDtype: 'f16' },
  bf16: { dtype: 'f32', stateDtype: 'bf16' },
  'masters-fp32': { dtype: 'bf16', masterWeights: 'fp32' },
  'masters-split16': { dtype: 'bf16', masterWeights: 'split16' },
  'no-masters': { dtype: 'f16' },
};
const matrices = [
  [5, 3],
  [3, 5],
  [1, 4],
];
const vectors = [[6], []];
const [before, after] = [3, 3];

const takesVectors = (name, options) =>
  !['Muon', 'NorMuon', 'Trion', 'DCTAdamW', 'Dion', 'Dion2', 'NorDion2', 'Conda', 'AuON', 'HybridAuON'].includes(
    name,
  ) || options.variant === 'head';
/** `{ file, groups, dtype }`: a group is a class, its options, and the shapes of its weights. */
const cases = [
  ...Object.keys(own).flatMap((name) =>
    [
      ...Object.entries(settings),
      ...Object.entries(variants[name] ?? {}).map(([variant, more]) => [variant, { dtype: 'f32', ...more }]),
    ].map(([setting, { dtype, ...more }]) => {
      const options = { ...own[name], ...more, lr: 0.02, weightDecay: 0.1 };
      const shapes = [...matrices, ...(takesVectors(name, more) ? vectors : [])];
      return { file: `${name.toLowerCase()}-${setting}`, dtype, parts: [{ class: name, options, shapes }] };
    }),
  ),
  {
    file: 'combine',
    dtype: 'f32',
    parts: [
      { class: 'Muon', options: { ...own.Muon, lr: 0.02 }, shapes: matrices },
      { class: 'AdamW', options: { ...own.AdamW, lr: 0.01 }, shapes: vectors },
      { class: 'AdaGradNorm', options: { scope: 'global', lr: 0.5 }, shapes: matrices.slice(0, 1) },
    ],
  },
];

const values = (shape, at) =>
  Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => (((i + 1) * (at + 3) * 37) % 64) / 32 - 1);
const text = (data) => Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('base64');
const textsOf = (tensors) => Promise.all(tensors.map(async (tensor) => text(await tensor.read())));

function make(device, { parts, dtype }, start) {
  const shapes = parts.flatMap((part) => part.shapes);
  const weights = shapes.map((shape, i) => start(shape, i, dtype, device));
  let at = 0;
  const made = parts.map((part) => {
    const params = weights.slice(at, at + part.shapes.length);
    at += part.shapes.length;
    return { optimizer: classes[part.class], params, ...part.options };
  });
  const [{ optimizer: Class, params, ...options }] = made;
  const optimizer =
    parts.length > 1 ? combine(made, { nonFinite: 'skip' }) : new Class(params, { ...options, nonFinite: 'skip' });
  const step = (grads) => optimizer.step(grads.map((grad, i) => (grad ? Tensor.from(device, grad, shapes[i]) : null)));
  return { shapes, weights, optimizer, step };
}

/** The second parameter misses a gradient in every third step. */
const gradsOf = (shapes, at) => shapes.map((shape, i) => (i === 1 && at % 3 === 1 ? null : values(shape, at + i)));

const [version, folder, set] = process.argv.slice(2);
if (!/^\d+$/.test(version ?? '')) {
  console.error('usage: node scripts/golden/states.mjs <version>');
  process.exit(2);
}
const root = path.join(import.meta.dirname, '..', '..');
const target = folder ?? path.join(root, 'test', 'golden', `states-v${version}`);
const device = Device.open('cpu');

/** Saves what is not there yet, with the steps that are to follow. */
async function save(one) {
  const fromBinaryFractions = (shape, i, dtype, on) => Tensor.from(on, values(shape, 20 + i), shape, { dtype });
  const { shapes, weights, optimizer, step } = make(device, one, fromBinaryFractions);
  for (let at = 0; at < before; ++at) step(gradsOf(shapes, at));
  step(shapes.map((shape, i) => values(shape, i).fill(i === 0 ? Number.NaN : 1)));
  await optimizer.save(path.join(target, `${one.file}.safetensors`));
  const grads = Array.from({ length: after }, (_, k) => gradsOf(shapes, before + k).map((g) => g && text(g)));
  const { version: release } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));
  const commit = execFileSync('git', ['describe', '--always', '--exclude=*'], { cwd: root, encoding: 'utf8' }).trim();
  return {
    madeBy: `scripts/golden/states.mjs ${version}`,
    program: `orthokit ${release}, ${commit}`,
    blas: device.info.blas,
    ...one,
    weights: await textsOf(weights),
    grads,
    results: [],
  };
}

/** The weights and all state behind the recorded steps, on the instruction set of this process. */
async function goOn(record) {
  const bytes = record.weights.map((word) => Buffer.from(word, 'base64'));
  const recorded = (shape, i, dtype, on) => {
    const Values = dtype === 'f32' ? Float32Array : Uint16Array;
    return Tensor.from(on, new Values(new Uint8Array(bytes[i]).buffer), shape, { dtype });
  };
  const { weights, optimizer, step } = make(device, record, recorded);
  await optimizer.load(path.join(target, `${record.file}.safetensors`));
  for (const grads of record.grads)
    step(grads.map((word) => word && new Float32Array(new Uint8Array(Buffer.from(word, 'base64')).buffer)));
  const parts = optimizer.parts ?? [optimizer];
  const state = parts.flatMap((part, i) => Object.entries(part.part().tensors).map(([name, x]) => [`${i}.${name}`, x]));
  const stored = await textsOf(state.map(([, tensor]) => tensor));
  return {
    weights: await textsOf(weights),
    state: Object.fromEntries(state.map(([name], i) => [name, stored[i]])),
    skipped: (await optimizer.report()).skipped,
  };
}

const recordOf = (file) => JSON.parse(readFileSync(path.join(target, `${file}.json`), 'utf8'));
const written = (record) => writeFileSync(path.join(target, `${record.file}.json`), `${JSON.stringify(record)}\n`);
if (set) {
  if (device.info.isa !== set) throw new Error(`the device runs ${device.info.isa}, not ${set}`);
  for (const file of process.argv.slice(5)) {
    const record = recordOf(file);
    const result = await goOn(record);
    const same = record.results.find(({ sets: _, ...other }) => JSON.stringify(other) === JSON.stringify(result));
    if (same) same.sets.push(set);
    else record.results.push({ sets: [set], ...result });
    written(record);
  }
} else {
  mkdirSync(target, { recursive: true });
  const missing = cases.filter(({ file }) => !existsSync(path.join(target, `${file}.safetensors`)));
  for (const one of missing) written(await save(one));
  for (const name of ['portable', 'avx2', 'avx512'])
    execFileSync(process.execPath, [import.meta.filename, version, target, name, ...missing.map(({ file }) => file)], {
      env: { ...process.env, ORTHOKIT_CPU: name },
      stdio: 'inherit',
    });
}
await device.close();
