// Ranks of which one is behind: its device has much to do, it has no samples, or it cannot read its file.
import assert from 'node:assert/strict';
import { Device, Muon, Tensor } from 'orthokit';
import { connect, DataParallel, ShardedMuon } from 'orthokit/distributed';

const [folder] = process.argv.slice(2);
const group = await connect({ timeout: 20, bucketBytes: 4000 });
const { rank, size } = group;
assert.equal(size, 3);
const device = Device.open('cpu', { threads: 1 });
const weights = Tensor.randn(device, [500, 500], { seed: 1 });
const [gradient, muon] = [weights.copy(), new Muon([weights], {})];
await gradient.read();
const work = (is) => {
  if (is) for (let i = 0; i < 12; ++i) muon.step([gradient]);
};
const tensors = (from) => Array.from({ length: 6 }, (_, i) => Tensor.full(device, [1000], from + i));
const firsts = (list) => Promise.all(list.map(async (x) => [...new Set(await x.read())].join()));
const said = (from) => Array.from({ length: 6 }, (_, i) => String(from + i));

// Buckets come faster than the device writes them: one follows the other, and one call the other.
const sent = [tensors(rank === 0 ? 1 : -50), tensors(rank === 0 ? 11 : -50)];
work(rank !== 0);
for (const list of sent) await group.broadcast(list);
assert.deepEqual(await firsts(sent.flat()), [...said(1), ...said(11)]);

const shared = tensors(100 * rank);
await shared[5].read();
work(rank === 2);
await group.share(shared, [0, 1, 0, 1, 0, 1]);
assert.deepEqual(await firsts(shared), ['0', '101', '2', '103', '4', '105']);

const own = tensors(100 * rank);
await own[5].read();
work(rank === 2);
const gathered = await group.allGather(own);
assert.deepEqual(
  await firsts(gathered),
  Array.from({ length: 6 }, (_, i) => [i, 100 + i, 200 + i].join()),
);

// A parameter without a gradient, and ranks without samples, which do not know of it.
const model = { used: Tensor.zeros(device, [3]), unused: Tensor.zeros(device, [3]) };
const parallel = await DataParallel.start(group, model, { seed: 1 });
for (const having of [[1], [0, 2], [0, 1, 2], []]) {
  const has = having.includes(rank);
  const grads = new Map([
    [model.used, Tensor.full(device, [3], rank + 1)],
    [model.unused, null],
  ]);
  const mean = await parallel.average(has ? grads : null, has ? 1 : 0);
  const expected = having.length === 0 ? 0 : having.reduce((sum, r) => sum + r + 1, 0) / having.length;
  assert.deepEqual(await mean.get(model.used).read(), new Float32Array(3).fill(expected));
  if (having.length > 0) assert.equal(mean.get(model.unused), null);
}

// One rank does not find its file: none goes on, and all can try again.
const matrices = [4, 5, 6].map((n, seed) => Tensor.randn(device, [n, n], { seed }));
const sharded = new ShardedMuon(group, matrices, {});
await sharded.step(matrices.map((x) => x.copy()));
await sharded.saveShards(folder);
const before = sharded.stateBytes;
await assert.rejects(sharded.loadShards(rank === 1 ? `${folder}/none` : folder), (error) => {
  assert.equal(error.code, 'ERR_IO');
  if (rank !== 1) assert.match(error.message, /^ShardedMuon\.loadShards: it failed on rank 1, whose error says why$/);
  return true;
});
await sharded.loadShards(folder);
assert.equal(sharded.stateBytes, before);
await assert.rejects(connect({ timeout: 21 }), { code: 'ERR_ARGUMENT' });
assert.equal(await connect({ timeout: 20 }), group);
if (rank === 0) console.log('in time');
