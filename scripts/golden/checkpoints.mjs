// Writes test/golden/<class>-v<version>.safetensors, a checkpoint of each class but AdamW (adamw.mjs), and beside it the
// weights, the gradients of the next steps and what those make of the weights. The test computes them again from the state in
// the file by the formulas of test/reference. A golden file is written once and never again: by the release that brings its
// format version, or its class.
// usage, after npm run build: node scripts/golden/checkpoints.mjs <version>
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import {
  AdaGrad,
  AdaGradNorm,
  AuON,
  Conda,
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

const orthogonal = { coefficients: 'jordan', nsSteps: 3, momentum: 0.9, eps: 1e-6 };
/** Scalars that are not the defaults, which a file must bring back, and options that the state depends on. */
const classes = {
  SGD: {
    Class: SGD,
    scalars: { momentum: 0.8, dampening: 0.1, weightDecay: 0.02 },
    fixed: { momentumForm: 'heavy-ball' },
  },
  AdaGrad: { Class: AdaGrad, scalars: { lrDecay: 0.25, eps: 1e-6 }, fixed: {} },
  AdaGradNorm: {
    Class: AdaGradNorm,
    scalars: { lrDecay: 0.25, eps: 1e-3 },
    fixed: { scope: 'rows', initialAccumulator: 0.25 },
  },
  Lion: { Class: Lion, scalars: { betas: [0.8, 0.95], weightDecay: 0.1 }, fixed: {} },
  EG: {
    Class: EG,
    scalars: { betas: [0.8, 0.95], eps: 1e-6, weightDecay: 0.1, weightDecayMode: 'shrink' },
    fixed: { variant: 'adamw' },
  },
  DiffGrad: { Class: DiffGrad, scalars: { betas: [0.8, 0.95], eps: 1e-6, weightDecay: 0.1 }, fixed: {} },
  Muon: { Class: Muon, scalars: { ...orthogonal, shapeScale: 'spectral', weightDecay: 0.05 }, fixed: {} },
  NorMuon: { Class: NorMuon, scalars: { ...orthogonal, beta2: 0.9, nsEps: 1e-5 }, fixed: { axis: 'long' } },
  Trion: { Class: Trion, scalars: { ...orthogonal, rank: 2, basis: 'dct3', weightDecay: 0.05 }, fixed: {} },
  DCTAdamW: {
    Class: DCTAdamW,
    scalars: { betas: [0.8, 0.95], eps: 1e-6, gap: 2, rotate: true, weightDecay: 0.05 },
    fixed: { rank: 2, basis: 'dct3', errorFeedback: true },
  },
  Dion: { Class: Dion, scalars: { momentum: 0.9, eps: 1e-6, shapeScale: 'original' }, fixed: { rank: 2 } },
  Dion2: {
    Class: Dion2,
    scalars: { coefficients: 'jordan', nsSteps: 3, fraction: 0.5, efDecay: 0.75, eps: 1e-6 },
    fixed: {},
  },
  NorDion2: {
    Class: NorDion2,
    scalars: { coefficients: 'jordan', nsSteps: 3, fraction: 0.5, efDecay: 0.75, beta2: 0.9, nsEps: 1e-5 },
    fixed: {},
  },
  Conda: { Class: Conda, scalars: { betas: [0.8, 0.95], eps: 1e-3, gap: 3, scale: 0.5, weightDecay: 0.1 }, fixed: {} },
  AuON: { Class: AuON, scalars: { momentum: 0.9, gamma: 1.25, eps: 1e-6 }, fixed: { variant: 'paper' } },
  HybridAuON: { Class: HybridAuON, scalars: { ...orthogonal, gamma: 1.25 }, fixed: { variant: 'rms' } },
};
const shapes = [
  [3, 4],
  [5, 2],
];
const [before, after] = [4, 3];

// Small binary fractions: the same on every machine.
const values = (shape, at) =>
  Array.from({ length: shape[0] * shape[1] }, (_, i) => (((i + 1) * (at + 3) * 37) % 64) / 32 - 1);

const version = process.argv[2];
if (!/^\d+$/.test(version ?? '')) {
  console.error('usage: node scripts/golden/checkpoints.mjs <version>');
  process.exit(2);
}
const root = path.join(import.meta.dirname, '..', '..');
const { version: release } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));
const commit = execFileSync('git', ['describe', '--always', '--exclude=*'], { cwd: root, encoding: 'utf8' }).trim();
const device = Device.open('cpu');
for (const [name, { Class, scalars, fixed }] of Object.entries(classes)) {
  const target = path.join(root, 'test', 'golden', `${name.toLowerCase()}-v${version}`);
  if (existsSync(`${target}.safetensors`)) continue;
  const weights = shapes.map((shape, i) => Tensor.from(device, Float64Array.from(values(shape, 10 + i)), shape));
  const optimizer = new Class([{ name: 'all', params: weights }], { ...fixed, ...scalars, lr: 0.02 });
  const step = (grads) =>
    optimizer.step(grads.map((grad, i) => Tensor.from(device, Float64Array.from(grad), shapes[i])));
  const read = () => Promise.all(weights.map(async (w) => [...(await w.read())]));
  for (let at = 0; at < before; ++at) step(shapes.map((shape, i) => values(shape, at + i)));
  optimizer.groups[0].lr = 0.015;
  const saved = await read();
  await optimizer.save(`${target}.safetensors`);
  const steps = [];
  for (let at = before; at < before + after; ++at) {
    const grads = shapes.map((shape, i) => values(shape, at + i));
    step(grads);
    steps.push({ grads, weights: await read() });
  }
  const record = {
    madeBy: `scripts/golden/checkpoints.mjs ${version}`,
    program: `orthokit ${release}, ${commit}`,
    ...{ class: name, fixed, scalars: { ...scalars, lr: 0.015 }, shapes, weights: saved, steps },
  };
  writeFileSync(`${target}.json`, `${JSON.stringify(record)}\n`);
  optimizer.dispose();
}
await device.close();
