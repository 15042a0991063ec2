// Writes test/golden/adamw-v<version>.safetensors, an optimizer's checkpoint, and beside it what the next steps make of the
// weights. A golden file is written once, by the release that brings its format version, and never again.
// usage, after npm run build: node scripts/golden/adamw.mjs <version>
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { AdamW, Device, Tensor } from '../../dist/index.js';

const shapes = [[3, 4], [5]];
const before = 4;
const after = 3;

// Sums and products of small binary fractions: the same on every machine.
const gradient = (shape, at) =>
  Float64Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => (((i + 1) * (at + 3) * 37) % 64) / 32 - 1);

const version = process.argv[2];
const target = path.join(import.meta.dirname, '..', '..', 'test', 'golden', `adamw-v${version}`);
if (!/^\d+$/.test(version ?? '') || existsSync(`${target}.safetensors`)) {
  console.error('usage: node scripts/golden/adamw.mjs <version>, of which there must be no file yet');
  process.exit(2);
}

const device = Device.open('cpu');
const weights = shapes.map((shape, i) => Tensor.from(device, gradient(shape, 10 + i), shape));
const optimizer = new AdamW(
  [
    { name: 'matrices', params: weights.slice(0, 1), lr: 0.01, weightDecay: 0.1 },
    { name: 'vectors', params: weights.slice(1), betas: [0.8, 0.9], weightDecayMode: 'cautious' },
  ],
  { lr: 0.02, eps: 1e-6, nonFinite: 'skip' },
);
const step = (at) => optimizer.step(weights.map((w, i) => Tensor.from(device, gradient(shapes[i], at + i), w.shape)));
const read = () => Promise.all(weights.map(async (w) => [...(await w.read())]));

for (let at = 0; at < before; ++at) step(at);
optimizer.groups[0].lr = 0.015;
const saved = await read();
await optimizer.save(`${target}.safetensors`, { metadata: { note: 'golden' } });
const steps = [];
for (let at = before; at < before + after; ++at) {
  const grads = weights.map((_, i) => [...gradient(shapes[i], at + i)]);
  step(at);
  steps.push({ grads, weights: await read() });
}
const root = path.join(import.meta.dirname, '..', '..');
const { version: release } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));
const commit = execFileSync('git', ['describe', '--always', '--exclude=*'], { cwd: root, encoding: 'utf8' }).trim();
const made = { madeBy: `scripts/golden/adamw.mjs ${version}`, program: `orthokit ${release}, ${commit}` };
const record = { ...made, shapes, weights: saved, steps };
writeFileSync(`${target}.json`, `${JSON.stringify(record)}\n`);
await device.close();
