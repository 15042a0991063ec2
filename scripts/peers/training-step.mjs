// node scripts/peers/training-step.mjs [rounds]
// The training step of a 784-256-256-10 network on batches of 128 with AdamW, queued from JavaScript, on one thread and
// on two: milliseconds a step on the wall, of the processor (which neighbours do not
// lengthen), and until JavaScript has queued it. docs/performance.md quotes it.
import { AdamW, Device, ops, Tensor } from 'orthokit';
import { Mlp } from '../../examples/digits/network.mjs';

const rounds = Number(process.argv[2] ?? 15);
const steps = 50;
const batch = 128;

/** @param {number} threads */
async function training(threads) {
  const device = await Device.open('cpu', { threads });
  const network = new Mlp(device, [784, 256, 256, 10], { seed: 1 });
  // The same work as with any rate, and every round works on the same numbers.
  const optimizer = new AdamW([...network.weights, ...network.biases], { lr: 0 });
  const grads = [...network.weightGrads, ...network.biasGrads];
  const buffers = network.buffers(batch);
  const images = new Tensor(device, [batch, 784]);
  ops.random(device, { x: [images], seed: 2, distribution: 'uniform' });
  const labels = Tensor.from(
    device,
    Int32Array.from({ length: batch }, (_, i) => i % 10),
    [batch],
  );
  const loss = Tensor.zeros(device, [1], { dtype: 'f64' });
  const step = () => {
    network.forward(images, buffers);
    network.evaluate(labels, buffers, { loss });
    network.backward(images, labels, buffers);
    optimizer.step(grads);
  };
  return {
    threads,
    /** Milliseconds a step: until all is queued, until all is done, and of all threads of the process together. */
    async round() {
      await device.synchronize();
      const cpu = process.cpuUsage();
      const start = performance.now();
      for (let i = 0; i < steps; i++) step();
      const queued = performance.now();
      await device.synchronize();
      const { user, system } = process.cpuUsage(cpu);
      return {
        queued: (queued - start) / steps,
        done: (performance.now() - start) / steps,
        cpu: (user + system) / 1000 / steps,
      };
    },
  };
}

const median = (/** @type {number[]} */ values) => values.toSorted((a, b) => a - b)[values.length >> 1];
const racers = [await training(1), await training(2)];
const times = racers.map(() => /** @type {{ queued: number, done: number, cpu: number }[]} */ ([]));
for (let round = -2; round < rounds; round++)
  for (const [i, racer] of racers.entries()) {
    const time = await racer.round();
    if (round >= 0) times[i].push(time);
  }
for (const [i, { threads }] of racers.entries()) {
  const done = times[i].map((time) => time.done);
  console.log(
    JSON.stringify({
      step: 'mlp 784-256-256-10, batch 128, AdamW',
      threads,
      median_ms: Number(median(done).toFixed(3)),
      min_ms: Number(Math.min(...done).toFixed(3)),
      cpu_ms: Number(median(times[i].map((time) => time.cpu)).toFixed(3)),
      queueing_ms: Number(median(times[i].map((time) => time.queued)).toFixed(3)),
      rounds,
    }),
  );
}
process.exit(0);
