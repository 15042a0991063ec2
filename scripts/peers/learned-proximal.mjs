// node scripts/peers/learned-proximal.mjs [turns] [steps]: a training step of a learned proximal network, proximal matching
// and Adam, f32 on one thread, against PyTorch with the authors' network and autograd. Each runs in processes of its own, in
// turns. Prints a line for each size: milliseconds of a step, the least and the median, and by how much PyTorch's are more.
import { Device, Tensor } from 'orthokit';
import { LearnedProximal } from 'orthokit/constrained';
import { here, median, python, race } from './turns.mjs';

/**
 * dim, hidden, layers, batch: the authors' for the Laplace distribution, that of our tests, and patches of 8 × 8; and of
 * convolutions channels, hidden, layers, batch, kernel and side of the images.
 */
const sizes = [
  [1, 50, 4, 2000],
  [1, 32, 2, 512],
  [64, 128, 3, 256],
  [1, 32, 3, 16, 3, 32],
  [3, 64, 3, 8, 3, 32],
];

if (process.argv[2] === '--run') await run(process.argv.slice(3).map(Number));
else compare(...process.argv.slice(2).map(Number));

async function run([steps, dim, hidden, layers, batch, kernel, side]) {
  const device = Device.open('cpu', { threads: 1 });
  const own = side === undefined ? { dim } : { channels: dim, kernel };
  const lpn = new LearnedProximal(device, { ...own, hidden, layers, beta: 10, seed: 1 });
  const shape = side === undefined ? [batch, dim] : [batch, side, side, dim];
  const clean = Tensor.randn(device, shape, { seed: 1 });
  const noisy = Tensor.randn(device, shape, { seed: 2 });
  const data = await clean.read();
  noisy.write((await noisy.read()).map((value, i) => value + data[i]));
  const [times, losses] = [[], []];
  for (let step = 0; step < steps; ++step) {
    const start = performance.now();
    const loss = await lpn.trainStep(clean, noisy, { loss: 'pm', gamma: 0.5, lr: 1e-3 });
    losses.push((await loss.read())[0]);
    loss.dispose();
    times.push(performance.now() - start);
  }
  const later = times.slice(Math.floor(steps / 5));
  const [first, last] = [losses[0], losses.at(-1)];
  console.log(JSON.stringify({ min_ms: Math.min(...later), median_ms: median(later), first, last }));
}

function compare(turns = 5, steps = 50) {
  for (const size of sizes) {
    const words = [steps, ...size];
    const racers = new Map([
      ['orthokit', { command: [process.execPath, import.meta.filename, '--run', ...words] }],
      ['PyTorch', { command: [python, here('learned_proximal_peer.py'), ...words] }],
    ]);
    const found = race(racers, turns);
    const [own, other] = [found.get('orthokit'), found.get('PyTorch')];
    const [dim, hidden, layers, batch, kernel, side] = size;
    const signals =
      side === undefined ? `dim ${dim}` : `images of ${side} × ${side} × ${dim}, kernels of ${kernel} × ${kernel}`;
    const line = `${signals}, hidden ${hidden}, layers ${layers}, batch ${batch}`;
    if (own.skipped || other.skipped) {
      console.log(`${line}: ${own.skipped ?? other.skipped}`);
      continue;
    }
    const ms = ({ min_ms, median_ms }) => `${min_ms.toFixed(2)} ms (median ${median_ms.toFixed(2)})`;
    const share = (own.min_ms / other.min_ms).toFixed(2);
    console.log(`${line}: orthokit ${ms(own)}, PyTorch ${other.version} ${ms(other)}, ${share} of its time`);
    for (const one of [own, other]) if (!(one.last < one.first)) throw new Error('a loss has not fallen');
  }
}
