// node scripts/peers/peft-files.mjs SOURCE: files of adapters and the program peft itself, from a checkout whose folder `src`
// is SOURCE. An adapter that it writes is loaded here; one that is written here is loaded by it; results and merged weights must
// agree to 1e-6, those of `orthokit merge` of either adapter, too. Prints the versions, and the largest differences.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Device, loadTensors, saveTensors, Tensor } from 'orthokit';
import { LoraLinear, loadAdapter, saveAdapter } from 'orthokit/adapters';
import { mergeModels } from 'orthokit/merging';
import * as nn from 'orthokit/nn';
import { here, python } from './turns.mjs';

const [, , source] = process.argv;
if (!source) throw new Error('usage: node scripts/peers/peft-files.mjs SOURCE');
const folder = mkdtempSync(path.join(tmpdir(), 'orthokit-'));
const at = (...names) => path.join(folder, ...names);
const device = Device.open('cpu');
const peer = (form) => execFileSync(python, [here('peft_peer.py'), source, form, folder], { encoding: 'utf8' }).trim();
const layers = ['up', 'inner.up', 'inner.down'];
const layerOf = (model, name) => name.split('.').reduce((part, key) => part[key], model);

try {
  console.log(peer('write'));
  const { x, ...weights } = await loadTensors(at('model.safetensors'), device);
  mkdirSync(at('base'));
  await saveTensors(at('base', 'model.safetensors'), weights);

  const theirs = build(weights);
  await loadAdapter(at('theirs'), theirs);
  await compare('theirs', theirs, x, await loadTensors(at('results', 'write.safetensors'), device));

  const own = build(weights);
  let seed = 10;
  const adapted = ({ weight, bias }) =>
    LoraLinear.fromWeight(weight, { rank: seed === 10 ? 2 : 3, alpha: seed, rslora: true, bias, seed: ++seed });
  nn.replaceLayers(own, '{up,inner.up,inner.down}', adapted);
  for (const layer of layers.map((name) => layerOf(own, name))) layer.b.write(await drawn(layer.b.shape, ++seed));
  await saveAdapter(at('own'), own);
  console.log(peer('read'));
  await compare('own', own, x, await loadTensors(at('results', 'read.safetensors'), device));
} finally {
  rmSync(folder, { recursive: true });
  await device.close();
}

function build(weights) {
  const layer = (name) => ({ weight: weights[`${name}.weight`], bias: weights[`${name}.bias`] });
  return { up: layer('up'), inner: { up: layer('inner.up'), down: layer('inner.down') } };
}

async function drawn(shape, seed) {
  return await Tensor.randn(device, shape, { seed }).read();
}

async function compare(name, model, x, right) {
  const forward = nn.forward((m, input) =>
    nn.linear(m.inner.down, nn.relu(nn.linear(m.inner.up, nn.relu(nn.linear(m.up, input))))),
  );
  const difference = { y: await largest(forward(model, x), right.y) };
  const report = await mergeModels({
    base: at('base'),
    models: [at(name)],
    out: at(`merged-${name}`),
    method: 'average',
    device,
  });
  const merged = await loadTensors(at(`merged-${name}`, 'model.safetensors'), device);
  for (const layer of layers) {
    difference[layer] = await largest(layerOf(model, layer).merge(), right[`${layer}.weight`]);
    difference[`merged ${layer}`] = await largest(merged[`${layer}.weight`], right[`${layer}.weight`]);
  }
  console.log(JSON.stringify({ adapter: name, tensors: report.tensors.length, difference }));
  for (const [what, size] of Object.entries(difference)) if (!(size <= 1e-6)) throw new Error(`${what}: ${size}`);
}

async function largest(a, b) {
  const [x, y] = [await a.read(), await b.read()];
  return x.reduce((most, value, i) => Math.max(most, Math.abs(value - y[i])), 0);
}
