// node scripts/peers/network-costs.mjs [seconds]
// Costs of a training step of a GPT of letters (4 blocks of 128, 4 heads, 64 letters, batches of 12, AdamW) on one thread
// beside its arithmetic, a line of JSON each: milliseconds until JavaScript has queued it, and of 200 operations; bytes
// that are live, and in how many steps they change; bytes and CPU time with `recompute`, and CPU time with adapters of rank
// 8 alone, as shares of the plain step, turn by turn; how late the event loop is while it trains, and while it does not.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout } from 'node:timers/promises';
import { AdamW, Device, Tensor } from 'orthokit';
import * as nn from 'orthokit/nn';
import { Gpt } from '../../examples/gpt/model.mjs';
import { clockOf, least } from './peer.mjs';
import { median } from './turns.mjs';

const seconds = Number(process.argv[2] ?? 10);
const [letters, context, batch] = [82, 64, 12];
const device = Device.open('cpu', { threads: 1 });
const numbers = (factor) => Int32Array.from({ length: batch * context }, (_, i) => (i * factor) % letters);
const [ids, next] = [37, 31].map((factor) => Tensor.from(device, numbers(factor), [batch, context]));
const lossOf = (gpt) => nn.crossEntropy(gpt.forward(ids), next);

const block = nn.recompute((layer, x) => layer.forward(x));
class Recomputed extends Gpt {
  forward(x) {
    return super.forward.call(
      { ...this, blocks: this.blocks.map((layer) => ({ forward: (y) => block(layer, y) })) },
      x,
    );
  }
}

const make = nn.init(device, { seed: 1 });
const sizes = { letters, width: 128, heads: 4, blocks: 4, context };
const base = new Gpt(make, sizes);
const adapters = {
  blocks: base.blocks.map(({ attention }) => ({ attention: { qkv: make.lora(attention.qkv, { rank: 8 }) } })),
};

/** A step of training, and the bytes that its call holds for values: all that is not of parameters and the optimizer. */
function training(model, loss) {
  const before = device.info.memory.bytes;
  const call = nn.valueAndGrad(loss);
  const { grads } = call(model);
  const own = [...grads.values()].reduce((sum, { byteLength }) => sum + byteLength, 0);
  const activations = device.info.memory.bytes - before - own;
  const optimizer = new AdamW(nn.parameters(model), { lr: 1e-4 });
  return { activations, step: () => optimizer.step(call(model).grads) };
}

const racers = {
  plain: training(base, lossOf),
  recompute: training(new Recomputed(make, sizes), lossOf),
  lora: training(adapters, (added) => lossOf(nn.join(base, added))),
};

const spent = clockOf();
const times = Object.fromEntries(Object.keys(racers).map((name) => [name, []]));
for (const end = Date.now() + 1e3 * seconds; Date.now() < end || times.plain.length < 7; )
  for (const [name, { step }] of Object.entries(racers)) {
    const start = spent();
    for (let i = 0; i < 4; i++) step();
    await device.synchronize();
    times[name].push((spent() - start) / 4);
  }
const share = (name, of) => Number((of(times[name]) / of(times.plain)).toFixed(3));
for (const name of ['recompute', 'lora'])
  console.log(
    JSON.stringify({
      what: name,
      time: share(name, least),
      time_of_medians: share(name, median),
      activations: Number((racers[name].activations / racers.plain.activations).toFixed(3)),
    }),
  );

/** Milliseconds on a processor of the thread of JavaScript, which neighbours do not lengthen. Linux only. */
const ofMainThread = () => Number(readFileSync(`/proc/self/task/${process.pid}/schedstat`, 'utf8').split(' ')[0]) / 1e6;
const queued = [];
for (let round = 0; round < 10; round++) {
  const start = ofMainThread();
  for (let i = 0; i < 50; i++) racers.plain.step();
  queued.push((ofMainThread() - start) / 50);
  await device.synchronize();
}
const require = createRequire(import.meta.url);
const native = require(require('node-gyp-build').resolve(path.join(import.meta.dirname, '..', '..')));
/** Number of operations that a step queues. */
function operationsOf(step) {
  const own = { ...native.ops };
  let count = 0;
  for (const [name, op] of Object.entries(own))
    native.ops[name] = (...values) => {
      // A call without values is read from the sheet; where that cannot be, it comes again with them.
      const isQueued = op(...values);
      if (isQueued || values.length > 0) count += 1;
      return isQueued;
    };
  step();
  Object.assign(native.ops, own);
  return count;
}
const operations = operationsOf(racers.plain.step);
const [first, middle] = [least(queued), median(queued.slice(2))];
const figures = {
  median_ms: middle,
  min_ms: first,
  of_200_ms: (200 / operations) * middle,
  of_200_min_ms: (200 / operations) * first,
};
const rounded = Object.fromEntries(Object.entries(figures).map(([name, ms]) => [name, Number(ms.toFixed(3))]));
console.log(JSON.stringify({ what: 'queueing a step', operations, ...rounded }));

// The device, as of a process that trains this model alone.
const alone = Device.open('cpu', { threads: 1 });
{
  const model = new Gpt(nn.init(alone, { seed: 1 }), sizes);
  const data = [37, 31].map((factor) => Tensor.from(alone, numbers(factor), [batch, context]));
  const optimizer = new AdamW(nn.parameters(model), { lr: 1e-4 });
  const call = nn.valueAndGrad((gpt, x, y) => nn.crossEntropy(gpt.forward(x), y));
  const live = [];
  const delay = monitorEventLoopDelay({ resolution: 1 });
  for (let i = 0; i < 100; i++) {
    if (i === 20) delay.enable();
    const { value, grads } = call(model, ...data);
    optimizer.step(grads);
    live.push(alone.info.memory.bytes);
    await value.read();
  }
  delay.disable();
  const megabytes = Number((live.at(-1) / 1e6).toFixed(1));
  const changes = live.slice(2).filter((bytes) => bytes !== live[1]).length;
  console.log(JSON.stringify({ what: 'live bytes', megabytes, changes }));
  const late = () => Number((delay.percentile(99) / 1e6 - 1).toFixed(2));
  const p99_ms = late();
  // The lag that the machine alone makes, of a loop that has nothing to do.
  delay.reset();
  delay.enable();
  await setTimeout(3000);
  delay.disable();
  console.log(JSON.stringify({ what: 'lag of the event loop', p99_ms, idle_p99_ms: late() }));
}
await alone.close();
await device.close();
