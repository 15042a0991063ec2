// NCCL's own: devices of ranks, and ranks that are lost while cards wait for them.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { Device, Tensor } from 'orthokit';
import { connect } from 'orthokit/distributed';

const [how, control] = process.argv.slice(2);
// In seconds: a rank that stops is waited for.
const group = await connect({ timeout: how === 'stops' ? 5 : undefined });
const { rank, size } = group;
const device = Device.open('cuda');
assert.equal(device.index, rank);
const n = 100_000;
const x = Tensor.full(device, [n], rank + 1);

if (how === 'direct') {
  // Pinned memory is what a way through the host would take.
  const emulator = createRequire(import.meta.url)(control);
  const cpu = Tensor.full(Device.open('cpu', { threads: 1 }), [n], rank + 1);
  const taken = async (call) => {
    const before = emulator.control('calls?cudaHostAlloc');
    await call();
    return emulator.control('calls?cudaHostAlloc') - before;
  };
  assert.equal(
    await taken(async () => {
      await group.allReduce([x], { op: 'mean' });
      await group.allReduce([x], { deterministic: false });
      for (const one of await group.allGather([x])) one.dispose();
      for (const one of await group.reduceScatter([x])) one.dispose();
      await group.broadcast([x]);
      await group.share([x, Tensor.zeros(device, [5])], [size - 1, 0]);
    }),
    0,
  );
  assert.ok((await taken(() => group.allReduce([cpu]))) > 0);
  // Tensors of a device on one rank and of the host on another one have a sum.
  const mixed = rank === 0 ? Tensor.full(device, [n], 0.1) : Tensor.full(cpu.device, [n], 0.7);
  await group.allReduce([mixed]);
  const sum = Math.fround(Math.fround(0.1) + Math.fround(0.7));
  assert.deepEqual(await mixed.read(), new Float32Array(n).fill(sum));
} else if (how === 'another') {
  const other = Tensor.zeros(Device.open(`cuda:${rank + 1}`), [4]);
  await assert.rejects(group.allReduce([other]), {
    code: 'ERR_DEVICE',
    message: `Group.allReduce: tensors must be of the device of this rank, cuda:${rank} (ORTHOKIT_LOCAL_RANK), got some of cuda:${rank + 1}`,
  });
  await group.allReduce([x]);
  process.env.ORTHOKIT_LOCAL_RANK = '7';
  assert.equal(Device.open('cuda').index, 3);
  assert.equal(Device.open('cuda:1').index, 1);
  process.env.ORTHOKIT_LOCAL_RANK = '-1';
  assert.throws(() => Device.open('cuda'), {
    code: 'ERR_ARGUMENT',
    message: 'Device.open: ORTHOKIT_LOCAL_RANK must be a count, got -1',
  });
} else {
  await group.allReduce([x], { tag: 'first' });
  if (rank === 1) process.env.ORTHOKIT_EMULATOR_NCCL = how;
  await group.allReduce([x], { tag: 'second' });
}
if (rank === 0) console.log(how);
