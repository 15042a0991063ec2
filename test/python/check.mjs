// Programs in Python read what orthokit writes, and train with it over shared memory; either side may be killed.
// usage: node test/python/check.mjs     ORTHOKIT_PYTHON names the interpreter (default /usr/bin/python3)
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { AdamW, Device, loadNpz, loadTensors, saveNpy, saveNpz, saveTensors, Tensor } from '../../dist/index.js';
import { mergeModels } from '../../dist/merging/index.js';
import { compressModel } from '../../dist/quantized/index.js';

const root = path.join(import.meta.dirname, '..', '..');
const python = process.env.ORTHOKIT_PYTHON || '/usr/bin/python3';
const folder = mkdtempSync(path.join(os.tmpdir(), 'orthokit-'));
const device = Device.open('cpu', { threads: 1 });
const bitsOf = async (tensor) => {
  const { buffer, byteOffset, byteLength } = await tensor.read();
  return Buffer.from(buffer, byteOffset, byteLength).toString('hex');
};

// ---- files
const files = path.join(folder, 'files');
mkdirSync(files);
const numpyNames = { f32: 'float32', f64: 'float64', f16: 'float16', bf16: '|V2', i32: 'int32', u8: 'uint8' };
const torchNames = { f32: 'torch.float32', f64: 'torch.float64', f16: 'torch.float16', bf16: 'torch.bfloat16', i32: 'torch.int32', u8: 'torch.uint8' }; // biome-ignore format: one line
const tensors = {};
for (const dtype of Object.keys(numpyNames))
  for (const shape of [[], [0, 3], [2, 3]]) {
    const x = Tensor.full(device, shape, 3, { dtype });
    tensors[`${dtype}/größe-${shape.join('x')}`] = x;
    await saveNpy(path.join(files, `${dtype}-${shape.join('x')}.npy`), x);
  }
await saveNpz(path.join(files, 'stored.npz'), tensors);
await saveNpz(path.join(files, 'deflated.npz'), tensors, { compressed: true });
await saveTensors(path.join(files, 'all.safetensors'), tensors, { metadata: { note: 'größe' } });
await saveTensors(path.join(files, 'shards'), tensors, { shardBytes: 64 });
const optimizer = new AdamW([tensors['f32/größe-2x3']], { lr: 0.01 });
await optimizer.save(path.join(files, 'adamw.safetensors'));
const model = path.join(folder, 'model');
mkdirSync(model);
writeFileSync(path.join(model, 'config.json'), '{}');
const weight = Tensor.randn(device, [128, 128], { seed: 1 });
await saveTensors(path.join(model, 'model.safetensors'), { 'layers.0.weight': weight });
for (const [name, options] of Object.entries({ group: { bits: 4 }, codebook: { bits: 4 } }))
  await compressModel({ base: model, out: path.join(files, name), method: name, device: 'cpu', ...options });
// A base of bf16 in two matrices and a bias, and two models near it, merged into one file and into several.
const shapesOf = { 'layers.0.up.weight': [24, 16], 'layers.0.down.weight': [16, 24], 'layers.0.bias': [16] };
for (const [seed, name] of ['base', 'one', 'two'].entries()) {
  mkdirSync(path.join(folder, name));
  writeFileSync(path.join(folder, name, 'config.json'), '{}');
  const own = {};
  for (const [i, [tensor, shape]] of Object.entries(shapesOf).entries())
    own[tensor] = Tensor.randn(device, shape, { seed: 10 * seed + i }).cast('bf16');
  await saveTensors(path.join(folder, name, 'model.safetensors'), own);
}
const merging = { base: path.join(folder, 'base'), models: ['one', 'two'].map((name) => path.join(folder, name)), method: 'opcm', device: 'cpu' }; // biome-ignore format: one line
await mergeModels({ ...merging, out: path.join(files, 'merged') });
await mergeModels({ ...merging, out: path.join(files, 'merged-shards'), shardSize: 800 });

const [about, ...lines] = execFileSync(python, [path.join(import.meta.dirname, 'read.py'), files], { encoding: 'utf8', maxBuffer: 1 << 26 }).trim().split('\n').map((line) => JSON.parse(line)); // biome-ignore format: one line
const { numpy, safetensors, torch } = about.programs;
console.log(`read by NumPy ${numpy}, safetensors ${safetensors}, ${torch ? `PyTorch ${torch}` : 'without PyTorch, which is not installed'}`); // biome-ignore format: one line
const expected = {};
for (const [name, x] of Object.entries(tensors)) expected[name] = [x.dtype, [...x.shape], await bitsOf(x)];
const inNames = (names) => Object.fromEntries(Object.entries(expected).map(([name, [dtype, ...rest]]) => [name, [names[dtype], ...rest]])); // biome-ignore format: one line
const of = (file) => lines.find((line) => line.file === file);
for (const [name, [dtype, shape, bits]] of Object.entries(expected)) {
  const found = of(`${name.replace('/größe', '')}.npy`).numpy.x;
  assert.deepEqual(found, [numpyNames[dtype], shape, bits]);
}
for (const file of ['stored.npz', 'deflated.npz']) assert.deepEqual(of(file).numpy, inNames(numpyNames));
const all = of('all.safetensors');
for (const [name, [dtype, shape]] of Object.entries(expected)) assert.deepEqual(all.safetensors[name], [dtype.toUpperCase(), shape]); // biome-ignore format: one line
if (torch) assert.deepEqual(all.torch, inNames(torchNames));
const shards = lines.filter(({ file }) => file.startsWith('shards/'));
assert.ok(shards.length > 2);
assert.deepEqual(Object.assign({}, ...shards.map((line) => line.safetensors)), all.safetensors);
const compressed = lines.filter(({ file }) => /^(group|codebook)\//.test(file));
assert.equal(compressed.length, 2);
for (const { safetensors: found } of compressed) {
  const packed = Object.entries(found).find(([, [dtype]]) => dtype === 'U8' || dtype === 'I32');
  assert.ok(packed, 'packed codes are among the tensors');
}
const merged = await loadTensors(path.join(files, 'merged', 'model.safetensors'), device);
const inMerged = (names) => Promise.all(Object.entries(shapesOf).map(async ([name, shape]) => [name, [names, shape, await bitsOf(merged[name])]])).then(Object.fromEntries); // biome-ignore format: one line
const whole = of('merged/model.safetensors');
const parts = lines.filter(({ file }) => file.startsWith('merged-shards/'));
assert.ok(parts.length > 1);
for (const found of [whole.safetensors, Object.assign({}, ...parts.map((line) => line.safetensors))])
  assert.deepEqual(found, Object.fromEntries(Object.entries(shapesOf).map(([name, shape]) => [name, ['BF16', shape]])));
if (torch)
  for (const found of [whole.torch, Object.assign({}, ...parts.map((line) => line.torch))])
    assert.deepEqual(found, await inMerged('torch.bfloat16'));
// transformers refuses weights that do not say so.
const weights = lines.filter(({ file, safetensors: found }) => found && file !== 'adamw.safetensors');
for (const { file, format } of weights) assert.equal(format, 'pt', file);
assert.ok(of('adamw.safetensors').safetensors);
console.log(`${lines.length} files read`);

// ---- the example
const script = path.join(root, 'examples', 'shared-memory', 'train.mjs');
const run = (...words) => spawn(process.execPath, [script, '--python', python, ...words], { stdio: ['ignore', 'pipe', 'pipe'] }); // biome-ignore format: one line
const file = (name) => path.join(folder, name);
const ended = async (child) => {
  let errors = '';
  child.stderr.on('data', (text) => {
    errors += text;
  });
  child.stdout.resume();
  const [code, signal] = await once(child, 'close');
  return { code, signal, errors };
};
// Programs beside this one have names of their own.
const sharedNames = () =>
  readdirSync('/dev/shm')
    .filter((name) => /^(orthokit|gradient|psm_)/.test(name))
    .sort()
    .join();
const before = sharedNames();
assert.equal((await ended(run('--steps', '20', '--alone', '--out', file('one.npz')))).code, 0);
const one = await loadNpz(file('one.npz'), device);
for (const words of [['--numpy'], ...(torch ? [[]] : [])]) {
  assert.equal((await ended(run('--steps', '20', '--out', file('two.npz'), ...words))).code, 0);
  const two = await loadNpz(file('two.npz'), device);
  for (const name of ['up', 'down']) {
    const [a, b] = [await one[name].read(), await two[name].read()];
    const worst = Math.max(...a.map((value, i) => Math.abs(value - b[i])));
    assert.ok(worst < 1e-10, `${name} differs by ${worst}`);
    assert.ok(a.every(Number.isFinite));
  }
}
console.log('two processes train as one');

// ---- memory by name, as Python's own module makes it
const owner = spawn(python, ['-c', [
  'import sys, numpy as np',
  'from multiprocessing import shared_memory',
  'memory = shared_memory.SharedMemory(create=True, size=24)',
  'array = np.ndarray((2, 3), np.float32, memory.buf)',
  'array[:] = [[1, 2, 3], [4, 5, 6]]',
  'print(memory.name, flush=True)',
  'sys.stdin.readline()',
  'print(array.sum(), flush=True)',
  'del array',
  'memory.close(); memory.unlink()',
].join('\n')], { stdio: ['pipe', 'pipe', 'inherit'] }); // biome-ignore format: one line
const told = createInterface({ input: owner.stdout });
const [name] = await once(told, 'line');
const handle = { dtype: 'f32', shape: [2, 3], name, bytes: 24 };
assert.throws(() => Tensor.fromShared(device, handle), { code: 'ERR_FORMAT' });
const theirs = Tensor.fromShared(device, handle, { unsealed: 'allow' });
assert.deepEqual([...(await theirs.read())], [1, 2, 3, 4, 5, 6]);
theirs.write(Float32Array.of(10, 10, 10, 10, 10, 10));
await device.synchronize();
owner.stdin.write('\n');
const [sum] = await once(told, 'line');
assert.equal(Number(sum), 60);
theirs.dispose();
console.log('memory of multiprocessing.shared_memory is written by both');

/** Starts a run that has no end; answers the processes once the first step is done. */
async function started(...words) {
  const child = run('--steps', '100000000', ...words);
  const lines = createInterface({ input: child.stdout });
  const [line] = await once(lines, 'line');
  const [, pid] = /in process (\d+), steps in process/.exec(line);
  await once(lines, 'line');
  return { child, trainer: Number(pid) };
}
const isAlive = (pid) => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

const killed = await started('--out', file('killed.npz'));
process.kill(killed.trainer, 'SIGKILL');
const { code, errors } = await ended(killed.child);
assert.equal(code, 1);
assert.match(errors, /the trainer has ended \(SIGKILL\) after \d+ steps/);
const left = await loadNpz(file('killed.npz'), device);
assert.ok((await left.up.read()).every(Number.isFinite));
console.log('a killed trainer leaves whole weights');

const orphan = await started();
orphan.child.kill('SIGKILL');
assert.equal((await ended(orphan.child)).signal, 'SIGKILL');
for (let turn = 0; isAlive(orphan.trainer); ++turn) {
  assert.ok(turn < 600, 'the trainer goes on without its owner');
  await new Promise((resolve) => setTimeout(resolve, 100));
}
assert.equal(sharedNames(), before);
console.log('a trainer ends with its owner, and nothing is left behind');

await device.close();
rmSync(folder, { recursive: true });
