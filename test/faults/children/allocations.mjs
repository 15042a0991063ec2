// Each request for memory of a call fails in turn: ERR_MEMORY, nothing leaked, inputs as they were, and the same call
// then gives the right bits.
// usage: node allocations.mjs <folder of the library> <orders> <most> <lasting> <queued>
import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import path from 'node:path';
import { camelCase, fieldsOf } from '../../support/examples.mjs';

const [folder, ordersFile, most, lasting, queued] = process.argv.slice(2);
const library = await import(path.join(folder, 'lib', 'index.js'));
const { native } = await import(path.join(folder, 'lib', 'native.js'));
const { Device, Tensor, OrthokitError, ops } = library;

// ---- the orders: fail_at, lasting, requests, failed, live, failed_blocks, live_blocks
const file = openSync(ordersFile, 'r+');
const order = (failAt) =>
  writeSync(file, Buffer.from(BigInt64Array.of(failAt, BigInt(lasting), 0n, 0n).buffer), 0, 32, 0);
const counts = () => {
  const data = new BigInt64Array(7);
  readSync(file, Buffer.from(data.buffer), 0, 56, 0);
  const [requests, failed, live, failedBlocks, liveBlocks] = Array.from(data.subarray(2), Number);
  return { requests, failed, live, failedBlocks, liveBlocks };
};
const never = 2n ** 62n;
/** Blocks that are in use when nothing is under way, and no object waits for the collector. */
const hostBlocks = async () => {
  await device.synchronize();
  for (let i = 0; i < 3; i++) {
    globalThis.gc();
    await new Promise(setImmediate);
  }
  return counts().live;
};

const device = Device.open('cpu', { threads: 2 });
const bits = async (tensors) =>
  Promise.all(tensors.map(async (t) => Buffer.from((await t.read()).buffer).toString('latin1')));
const summary = { cases: 0, requests: 0, failures: 0, recovered: 0 };
const problems = [];

/**
 * `call` works on what `reset` makes anew; `results` are the bits that must be right, `inputs` must stay.
 * @param {{ name: string, reset: () => unknown, call: () => unknown, results: () => Promise<string[]>,
 *   inputs: () => Promise<string[]>, live?: boolean }} one
 */
async function check({ name, reset, call, results, inputs, live = true }) {
  const say = (n, what) => problems.push(`${name}, request ${n}: ${what}`);
  const run = async () => {
    await call();
    if (queued === '1') await device.synchronize();
  };
  for (let i = 0; i < 2; i++) {
    await reset();
    await run();
  }
  await reset();
  await device.synchronize();
  order(never);
  await run();
  const { requests } = counts();
  order(0n);
  const expected = await results();
  await reset();
  const before = await inputs();
  summary.cases++;
  summary.requests += requests;
  const last = Math.min(requests, Number(most));
  const rest = requests - last;
  const host = await hostBlocks();
  const tensors = device.info.memory.live;
  const known = problems.length;
  for (let i = 1; i <= last; i++) {
    // Where not all are tried, they are spread.
    const n = rest > 0 ? Math.ceil((i * requests) / last) : i;
    await reset();
    await device.synchronize();
    writeSync(2, `${name}, request ${n}\n`); // the last words of a process that crashes
    order(BigInt(n));
    let error;
    try {
      await run();
    } catch (thrown) {
      error = thrown;
    }
    const { failed } = counts();
    order(0n);
    if (failed > 0) summary.failures++;
    if (error && !(error instanceof OrthokitError && error.code === 'ERR_MEMORY'))
      say(n, `threw ${error.code} ${error.stack}`);
    if (error && failed === 0) say(n, `threw ${error} though nothing failed`);
    if (!error && failed > 0) summary.recovered++;
    await device.synchronize().catch((late) => {
      if (late.code !== 'ERR_MEMORY' || failed === 0) say(n, `later ${late}`);
    });
    if (!error && failed > 0 && queued === '0' && String(await results()) !== String(expected))
      say(n, 'went on with wrong bits');
    if (String(await inputs()) !== String(before)) say(n, 'an input was changed');
    await reset();
    await run();
    if (String(await results()) !== String(expected)) say(n, 'the same call then gives other bits');
    if (live && device.info.memory.live > tensors) say(n, `${device.info.memory.live - tensors} tensors leaked`);
    await device.synchronize();
    if (name.startsWith('Device.open')) await hostBlocks(); // a device at a time for the collector
    if (problems.length > known + 2) return;
  }
  let leaked = (await hostBlocks()) - host;
  // Devices close behind the scenes.
  for (let i = 0; i < 100 && leaked > 8; i++) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    leaked = (await hostBlocks()) - host;
  }
  // Queues and pools may have grown.
  // A device that finds no memory for the thread that closes it stays until the process ends.
  const stays = lasting === '1' && name.startsWith('Device.open');
  if (leaked > 8 && !stays) problems.push(`${name}: ${leaked} blocks of host memory leaked in ${last} failures`);
}

// ---- every operation
const descriptions = JSON.parse(native.describe());
const smaller = (size) => (size > 300 ? 37 : size);
/** Whether the op takes its example in smaller sizes. */
const fits = (op, example) => {
  try {
    ops[camelCase(op.name)](device, fieldsOf(device, Tensor, op, example, smaller).fields);
    return true;
  } catch {
    return false;
  }
};
const each = (write) => (operands) =>
  operands.filter(({ role }) => write === (role !== 'in')).map(({ tensor }) => tensor);
for (const op of descriptions) {
  for (const example of op.examples) {
    const { fields, operands } = fieldsOf(device, Tensor, op, example, fits(op, example) ? smaller : undefined);
    const start = await Promise.all(operands.map(({ tensor }) => tensor.read()));
    await check({
      name: `${op.name} ${example}`,
      reset: () => {
        for (const [i, { tensor }] of operands.entries()) tensor.write(start[i]);
      },
      call: () => ops[camelCase(op.name)](device, fields),
      results: () => bits(each(true)(operands)),
      inputs: () => bits(each(false)(operands)),
    });
    for (const { tensor } of operands) tensor.dispose();
  }
}

// ---- every optimizer: a step, saving, loading
const shapes = [
  [5, 7],
  [7, 5],
];
const data = (shape, seed) => Array.from({ length: shape[0] * shape[1] }, (_, i) => Math.sin(9.7 * (i + 1) + seed));
const classes = Object.entries(library).filter(
  ([, value]) => typeof value === 'function' && value.prototype instanceof library.Optimizer,
);
for (const [name, Class] of classes) {
  const weights = shapes.map((s, i) => Tensor.from(device, data(s, i), s));
  const grads = shapes.map((s, i) => Tensor.from(device, data(s, 10 + i), s));
  const optimizer = new Class(weights);
  optimizer.step(grads);
  const start = path.join(folder, 'start');
  const saved = path.join(folder, 'saved');
  await optimizer.save(start);
  const first = await bits(weights);
  const initial = await Promise.all(weights.map((w) => w.read()));
  const state = () => bits(Object.values(optimizer.part().tensors));
  const reset = async () => {
    await optimizer.load(start);
    for (const [i, w] of weights.entries()) w.write(initial[i]);
  };
  await check({
    name: `${name}.step`,
    reset,
    call: () => optimizer.step(grads),
    results: async () => [...(await bits(weights)), ...(await state())],
    inputs: () => bits(grads),
  });
  await reset();
  await check({
    name: `${name}.save`,
    reset: () => {},
    call: () => optimizer.save(saved),
    results: async () => [...(await bits(weights)), ...(await state())],
    inputs: async () => [...(await bits(weights)), ...(await state()), String(first)],
  });
  await check({
    name: `${name}.load`,
    reset: () => {},
    call: () => optimizer.load(start),
    results: state,
    inputs: async () => [...(await bits(weights)), ...(await state())],
  });
  await check({
    name: `new ${name}`,
    reset: () => {},
    call: () => new Class(weights).dispose(),
    results: () => bits(weights),
    inputs: () => bits(weights),
  });
  optimizer.dispose();
  for (const tensor of [...weights, ...grads]) tensor.dispose();
}

// ---- tensors, devices, files of tensors
const x = Tensor.from(device, data([31, 33], 1), [31, 33]);
const tensorFile = path.join(folder, 'tensors');
await library.saveTensors(tensorFile, { x });
const values = data([31, 33], 2);
const made = async (make) => {
  const tensor = await make();
  tensor.dispose();
};
const onNewDevice = async (use) => {
  const other = Device.open('cpu', { threads: 2 });
  try {
    await use(other);
  } finally {
    writeSync(file, new Uint8Array(8), 0, 8, 0); // no more failures
    await other.close();
  }
};
const calls = {
  'Tensor.from': () => made(() => Tensor.from(device, values, [31, 33])),
  'Tensor.from, rounded': () => made(() => Tensor.from(device, values, [31, 33], { dtype: 'bf16' })),
  'Tensor.zeros': () => made(() => Tensor.zeros(device, [31, 33])),
  'Tensor.randn': () => made(() => Tensor.randn(device, [31, 33], { seed: 1 })),
  copy: () => made(() => x.copy()),
  cast: () => made(() => x.cast('f16')),
  reshape: () => made(() => x.reshape([33, 31])),
  read: () => x.read(),
  write: () => x.write(await_read),
  synchronize: () => device.synchronize(),
  flow: () => device.flow(),
  info: () => device.info,
  'Device.open and close': async () => {
    const other = Device.open('cpu', { threads: 2 });
    try {
      await other.close();
    } catch (error) {
      writeSync(file, new Uint8Array(8), 0, 8, 0); // no more failures
      await other.close();
      throw error;
    }
  },
  // The pool of another device is empty: each tensor asks for a block, and each kernel for scratch memory.
  'Device.open, tensors and scratch': () =>
    onNewDevice(async (other) => {
      const ones = Tensor.from(
        other,
        values.map(() => 1),
        [31, 33],
      );
      const norm = Tensor.zeros(other, [1], { dtype: 'f64' });
      ops.norms(other, { x: [ones], out: norm });
      const [found] = await norm.read();
      if (Math.abs(found - Math.sqrt(31 * 33)) > 1e-9) throw new Error(`the norm is ${found}`);
    }),
  'Device.unavailable': () => Device.unavailable('cuda'),
  saveTensors: () => library.saveTensors(path.join(folder, 'saved'), { x }),
  loadTensors: async () => (await library.loadTensors(tensorFile, device)).x.dispose(),
  readTensorInfo: () => library.readTensorInfo(tensorFile),
};
const await_read = await x.read();
for (const [name, call] of Object.entries(calls))
  await check({ name, reset: () => {}, call, results: () => bits([x]), inputs: () => bits([x]) });
x.dispose();

await device.close();
let { failedBlocks, liveBlocks } = counts();
// Devices close behind the scenes.
for (let i = 0; i < 100 && liveBlocks > 0; i++) {
  await new Promise((resolve) => setTimeout(resolve, 20));
  ({ failedBlocks, liveBlocks } = counts());
}
summary.failedBlocks = failedBlocks;
if (liveBlocks !== 0) problems.push(`${liveBlocks} blocks of devices are not back`);
closeSync(file);
console.log(JSON.stringify({ ...summary, problems }));
