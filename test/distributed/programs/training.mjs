// Data-parallel training: what one process, two and four of them must agree on. Prints what rank 0 has as JSON.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { AdamW, Device, loadTensors, Muon, NorMuon, saveTensors, Tensor } from 'orthokit';
import { connect, DataParallel, ShardedMuon, ShardedNorMuon } from 'orthokit/distributed';
import * as nn from 'orthokit/nn';

const {
  folder,
  steps = '12',
  stop,
  die,
  accumulate = '1',
} = Object.fromEntries(process.argv.slice(2).map((word) => word.split('=')));
const group = await connect({ timeout: 20 });
const kind = process.env.ORTHOKIT_TEST_DEVICE ?? 'cpu';
const device = Device.open(kind, kind === 'cpu' ? { threads: 1 } : {});
const count = 101;
const inputs = Float64Array.from({ length: count * 6 }, (_, i) => Math.sin(i * 1.7));
// One label in five is none.
const labels = Int32Array.from({ length: count }, (_, i) => (i % 5 === 3 ? -1 : (i * i) % 4));

// Another seed on each rank: rank 0's weights count.
const make = nn.init(device, { seed: 10 + group.rank, dtype: 'f64' });
const model = { a: make.linear(6, 8), b: make.linear(8, 4) };
const loss = (m, x, y, over) => nn.crossEntropy(nn.linear(m.b, nn.map(nn.linear(m.a, x), 'tanh')), y, { over });
const parallel = await DataParallel.start(group, model, { seed: 3 });
const seeds = await group.numbers(parallel.dropoutSeed);
assert.equal(new Set(seeds).size, group.size);
// Ranks drop other elements of what they all have, one of two, and a rank drops the same ones if it is asked again.
const ones = { x: Tensor.full(device, [64], 1, { dtype: 'f64' }) };
const dropped = async () => {
  const drop = nn.valueAndGrad((m) => nn.sum(nn.dropout(m.x, { rate: 0.5 })), { seed: parallel.dropoutSeed });
  return [...(await drop(ones).grads.get(ones.x).read())];
};
const mask = await dropped();
assert.deepEqual(await dropped(), mask);
assert.deepEqual([...new Set(mask)].sort(), [0, 2]);
const masks = await Promise.all(mask.map((kept) => group.numbers(kept, { tag: 'mask' })));
for (let r = 0; r < group.size; ++r)
  for (let other = 0; other < r; ++other) assert.ok(masks.filter((kept) => kept[r] !== kept[other]).length > 16);

const pick = (index) => [
  Tensor.from(device, Float64Array.from([...index].flatMap((i) => [...inputs.subarray(6 * i, 6 * i + 6)])), [
    index.length,
    6,
  ]),
  Tensor.from(
    device,
    Int32Array.from(index, (i) => labels[i]),
    [index.length],
  ),
];
const validIn = (index) => index.reduce((sum, i) => sum + (labels[i] >= 0 ? 1 : 0), 0);

const matrices = { 'a.weight': model.a.weight, 'b.weight': model.b.weight };
const vectors = { 'a.bias': model.a.bias, 'b.bias': model.b.bias };
const muon = new ShardedMuon(group, matrices, { lr: 0.05 });
const adam = new AdamW(vectors, { lr: 0.01 });
const step = nn.valueAndGrad(loss, { seed: parallel.dropoutSeed });

const checkpoint = folder && path.join(folder, 'checkpoint.json');
let from;
let done = 0;
if (checkpoint && existsSync(checkpoint)) {
  const saved = JSON.parse(await readFile(checkpoint, 'utf8'));
  ({ from, done } = saved);
  const stored = await loadTensors(path.join(folder, `model-${done}.safetensors`), device);
  for (const [name, tensor] of Object.entries(nn.named(model))) tensor.write(await stored[name].read());
  await muon.loadShards(path.join(folder, `muon-${done}`));
  await adam.load(path.join(folder, `adam-${done}.safetensors`));
}
const samples = [];
const losses = [];
for (const { index, epoch, position, size } of parallel.batches({ count, size: 16, seed: 4, from })) {
  const valid = validIn(index);
  // Micro-batches of any sizes; ranks without a valid label have no part in the mean.
  const half = accumulate === '2' ? Math.ceil(index.length / 3) : index.length;
  let [own, grads] = [0, null];
  for (const part of valid > 0 ? [index.slice(0, half), index.slice(half)] : []) {
    if (part.length === 0) continue;
    const result = (grads ? step.accumulate : step)(model, ...pick(part), valid);
    grads = result.grads;
    own += (await result.value.read())[0];
  }
  const mean = await parallel.average(grads, valid);
  const [sums, labelled] = [await group.numbers(own * valid), await group.numbers(valid)];
  const total = (x) => x.reduce((a, b) => a + b, 0);
  losses.push(total(sums) / total(labelled));
  await muon.step(mean);
  adam.step(mean);
  done += 1;
  from = { epoch, position };
  const parts = await Promise.all(Array.from({ length: size }, (_, i) => group.numbers(index[i] ?? -1)));
  samples.push(
    parts
      .flatMap((part) => [...part])
      .filter((i) => i >= 0)
      .sort((a, b) => a - b),
  );
  if (folder && done % 4 === 0) {
    await muon.saveShards(path.join(folder, `muon-${done}`));
    if (group.rank === 0) {
      await saveTensors(path.join(folder, `model-${done}.safetensors`), nn.named(model));
      await adam.save(path.join(folder, `adam-${done}.safetensors`));
      await writeFile(`${checkpoint}.new`, JSON.stringify({ from, done }));
      await rename(`${checkpoint}.new`, checkpoint);
    }
    await group.barrier({ tag: 'checkpoint' });
  }
  if (die && done === Number(die) && group.rank === group.size - 1 && process.env.ORTHOKIT_ATTEMPT === '0')
    process.kill(process.pid, 'SIGKILL');
  if (done === Number(stop ?? steps)) break;
}
await parallel.verify(model);

// Each sample once in an evaluation.
const seen = parallel.slice(Int32Array.from({ length: count }, (_, i) => i));
const times = new Float64Array(count);
for (const i of seen) times[i] += 1;
const tally = Tensor.from(device, times, [count]);
await group.allReduce([tally]);
assert.deepEqual(await tally.read(), new Float64Array(count).fill(1));

// The same gradients: the bits of the optimizer of one process.
for (const [Sharded, Whole, options] of [
  [ShardedMuon, Muon, { lr: 0.02, weightDecay: 0.1 }],
  [ShardedNorMuon, NorMuon, { lr: 0.01 }],
]) {
  const shapes = [
    [8, 6],
    [4, 8],
    [5, 5],
    [2, 3, 4],
    [6, 2, 3, 3],
  ];
  const weights = () => shapes.map((shape, seed) => Tensor.randn(device, shape, { seed }));
  const [mine, whole] = [weights(), weights()];
  const sharded = new Sharded(group, mine, options);
  const reference = new Whole(whole, options);
  for (let t = 0; t < 3; ++t) {
    const grads = shapes.map((shape, i) =>
      t === 1 && i === 2 ? null : Tensor.randn(device, shape, { seed: 100 + 10 * t + i }),
    );
    if (t === 2) sharded.groups[0].lr = reference.groups[0].lr = 0.005;
    await sharded.step(grads);
    reference.step(grads);
  }
  for (const [i, tensor] of mine.entries()) assert.deepEqual(await tensor.read(), await whole[i].read());
  const [ours, theirs] = [await sharded.report(), await reference.report()];
  assert.ok(Math.abs(ours.gradNorm - theirs.gradNorm) <= 1e-6 * theirs.gradNorm);
  assert.ok(Math.abs(ours.updateRms - theirs.updateRms) <= 1e-6 * theirs.updateRms);
  const bytes = await group.numbers(sharded.stateBytes);
  assert.equal(
    bytes.reduce((a, b) => a + b, 0),
    reference.stateBytes,
  );
}

const hash = createHash('sha256');
const weights = {};
for (const [name, tensor] of Object.entries(nn.named(model))) {
  weights[name] = [...(await tensor.read())];
  hash.update(Float64Array.from(weights[name]));
}
if (group.rank === 0)
  console.log(JSON.stringify({ size: group.size, losses, samples, weights, hash: hash.digest('hex') }));
