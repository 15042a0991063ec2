// Worker threads that train networks and end in four ways, none of which disposes of anything; the main thread trains meanwhile.
// Prints what is left: threads, and whether the bytes of memory after the last round are those after the second.
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { AdamW, Device, Tensor } from '../../../dist/index.js';
import * as nn from '../../../dist/nn/index.js';

/** Rows of inputs: a call keeps some 24 MB in a worker. */
const rows = { main: 8, worker: 4096 };
const rounds = 6;

function trainer(count) {
  const device = Device.open('cpu', { threads: 1 });
  const make = nn.init(device, { seed: 1 });
  const model = { up: make.linear(64, 512), down: make.linear(512, 64) };
  const x = Tensor.full(device, [count, 64], 0.5);
  let fails = false;
  const step = nn.valueAndGrad(
    (m) => {
      const h = nn.dropout(nn.gelu(nn.linear(m.up, x)), { rate: 0.3 });
      if (fails) throw new RangeError('in the middle of the function');
      return nn.squaredError(nn.linear(m.down, h), x);
    },
    { seed: 1 },
  );
  const optimizer = new AdamW(nn.select(model, '**'), { lr: 0.01 });
  const train = () => {
    const { value, grads } = step(model);
    optimizer.step(grads);
    return value;
  };
  const fail = () => {
    fails = true;
    train();
  };
  return { train, fail };
}

const end = {
  /** The last steps are queued yet. */
  leave: ({ train }) => train(),
  throw: ({ fail }) => fail(),
  exit: ({ train }) => {
    train().read();
    process.exit(5);
  },
  terminate: ({ train }) => setInterval(train),
};

async function oneWorker(way) {
  const worker = new Worker(new URL(import.meta.url), { workerData: way });
  worker.on('error', () => {});
  if (way === 'terminate') worker.on('message', () => setTimeout(() => worker.terminate(), 20));
  const code = await new Promise((resolve) => worker.on('exit', resolve));
  return `${way} ${code}`;
}

/** Bytes that the process holds, but for files. */
const held = () => 1024 * Number(/RssAnon:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]);
const threads = () => readdirSync('/proc/self/task').length;

if (isMainThread) {
  const own = trainer(rows.main);
  await own.train().read();
  const before = threads();
  const ends = new Set();
  const sizes = [];
  for (let round = 0; round < rounds; ++round) {
    for (const way of Object.keys(end)) ends.add(await oneWorker(way));
    // Threads of devices that were left end behind the scenes.
    for (let i = 0; i < 1000 && threads() > before; ++i) await sleep(10);
    sizes.push(held());
  }
  const [loss] = await own.train().read();
  const grown = sizes.at(-1) - sizes[1];
  console.log(JSON.stringify({ ends: [...ends], extraThreads: Math.max(0, threads() - before), grown, loss }));
  process.exit(0);
} else {
  const own = trainer(rows.worker);
  const [loss] = await own.train().read();
  if (!(loss > 0)) throw new Error(`a worker has the loss ${loss}`);
  parentPort.postMessage('trained');
  end[workerData](own);
}
