// Clients in worker threads, with devices of their own, train b of one adapter for a few rounds of a server.
import { once } from 'node:events';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { FedSvdServer } from '../../../dist/adapters/index.js';
import { Device, Tensor } from '../../../dist/index.js';
import * as nn from '../../../dist/nn/index.js';

const [inputs, outputs, rank] = [12, 6, 3];
const device = Device.open('cpu', { threads: 1 });
const matrix = (data, rows, columns) => Tensor.from(device, Float32Array.from(data), [rows, columns]);

/** Rows in whose span all solutions lie: training b alone leaves them. */
const drawnA = () => Tensor.randn(device, [rank, inputs], { seed: 1 });

if (isMainThread) await serve();
else train(workerData);

/** Adds what its own samples say to b, each time it is told the factors. */
function train(seed) {
  const x = Tensor.randn(device, [64, inputs], { seed });
  const goal = { b: Tensor.randn(device, [outputs, rank], { seed: 99 }), a: drawnA() };
  const pass = nn.forward((m, input) => nn.linear({ weight: m.b }, nn.linear({ weight: m.a }, input)));
  const y = pass(goal, x).copy();
  const step = nn.valueAndGrad((m, a, input, target) =>
    nn.squaredError(nn.linear({ weight: m.b }, nn.linear({ weight: a }, input)), target),
  );
  parentPort.on('message', async ({ a, b }) => {
    const first = matrix(a, rank, inputs);
    const own = matrix(b, outputs, rank);
    const { value, grads } = step({ b: own }, first, x, y);
    const [loss] = await value.read();
    const update = (await grads.get(own).read()).map((slope) => -0.5 * slope);
    parentPort.postMessage({ loss, update });
  });
}

async function serve() {
  const a = drawnA();
  const server = new FedSvdServer([{ a, b: Tensor.zeros(device, [outputs, rank]) }]);
  const workers = [1, 2, 3].map((seed) => new Worker(new URL(import.meta.url), { workerData: seed }));
  const losses = [];
  for (let round = 0; round < 40; ++round) {
    const [layer] = server.layers;
    const factors = { a: await layer.a.read(), b: await layer.b.read() };
    const answers = await Promise.all(
      workers.map(async (worker) => {
        worker.postMessage(factors);
        return (await once(worker, 'message'))[0];
      }),
    );
    losses.push(answers.reduce((sum, { loss }) => sum + loss, 0) / answers.length);
    await server.aggregate(answers.map(({ update }) => ({ updates: [matrix(update, outputs, rank)], weight: 64 })));
  }
  await Promise.all(workers.map((worker) => worker.terminate()));
  console.log(JSON.stringify({ rounds: server.round, first: losses[0], last: losses.at(-1) }));
  await device.close();
}
