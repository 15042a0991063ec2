// A device is closed while the engine reads and writes its memory, and another rank is late or does not come.
import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { Device, Tensor } from 'orthokit';
import { connect } from 'orthokit/distributed';

const [how] = process.argv.slice(2);
const group = await connect({ timeout: how === 'stops' ? 5 : 20 });
const device = Device.open('cuda');
const x = Tensor.full(device, [100_000], group.rank + 1);
await group.allReduce([x], { tag: 'first' });
if (group.rank === 1) {
  if (how === 'stops') process.env.ORTHOKIT_EMULATOR_NCCL = 'stops';
  const sum = group.allReduce([x], { tag: 'second' });
  // The call is announced by another thread; its data waits for this one.
  for (let turn = 0; turn < 10; ++turn) await null;
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, how === 'stops' ? 0 : 2000);
  await assert.rejects(sum, { code: 'ERR_BACKEND', message: /rank 0 failed: / });
  process.exit();
}
const sum = group.allReduce([x], { tag: 'second' }).then(
  () => 'done',
  ({ code, message }) => `${code} ${message}`,
);
await pause(700);
let isOver = false;
const begun = performance.now();
const closed = device.close().then(() => (isOver = true));
if (how === 'exits') process.exit();
let turns = 0;
while (!isOver) {
  await pause(5);
  turns += 1;
}
await closed;
const seconds = (performance.now() - begun) / 1000;
console.log(`closed after ${seconds.toFixed(1)} s and ${turns} turns: ${await sum}`);
process.exit(how === 'stops' ? 1 : 0);
