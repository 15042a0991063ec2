// A Python process computes gradients, this one steps Muon; weights, data and gradients lie in memory that both map.
// usage: node examples/shared-memory/train.mjs [--steps n] [--out file.npz] [--python path] [--numpy] [--alone]
// --numpy: not by PyTorch; --alone: the same without Python.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { Device, Muon, saveNpz, Tensor } from 'orthokit';
import * as nn from 'orthokit/nn';

const { values: options } = parseArgs({
  options: {
    steps: { type: 'string', default: '50' },
    out: { type: 'string' },
    python: { type: 'string', default: 'python3' },
    numpy: { type: 'boolean', default: false },
    alone: { type: 'boolean', default: false },
  },
});
const steps = Number(options.steps);
const device = Device.open('cpu');
const dtype = 'f64';
const x = Tensor.randn(device, [256, 16], { seed: 1, dtype });
const y = Tensor.randn(device, [256, 4], { seed: 2, dtype });
const up = Tensor.randn(device, [32, 16], { seed: 3, dtype });
const down = Tensor.randn(device, [4, 32], { seed: 4, dtype });
const muon = new Muon([up, down], { lr: 0.02 });

/** Gradients by another process. */
async function trainer() {
  const script = path.join(import.meta.dirname, 'trainer.py');
  const child = spawn(options.python, [script, ...(options.numpy ? ['--numpy'] : [])], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  // A process that could not be started, or has ended, is noticed where its answer is awaited.
  const ended = new Promise((_, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => reject(new Error(`the trainer has ended (${signal ?? code})`)));
  });
  ended.catch(() => {});
  child.stdin.on('error', () => {});
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const ask = async (/** @type {unknown} */ question) => {
    child.stdin.write(`${JSON.stringify(question)}\n`);
    const { value, done } = await Promise.race([lines.next(), ended]);
    return done ? ended : JSON.parse(value);
  };

  const handles = await Promise.all([x, y, up, down].map((tensor) => tensor.share()));
  const { gradients, program } = await ask(handles);
  const grads = gradients.map((/** @type {import('orthokit').SharedHandle} */ handle) =>
    Tensor.fromShared(device, handle),
  );
  console.log(`gradients by ${program} in process ${child.pid}, steps in process ${process.pid}`);
  return {
    async step() {
      const { loss } = await ask('step');
      muon.step(grads);
      // Only now may the other process look at the weights, and write gradients again.
      await device.synchronize();
      return loss;
    },
    async end() {
      for (const grad of grads) grad.dispose();
      child.stdin.end();
      if (child.exitCode === null) await once(child, 'exit');
    },
  };
}

/** The same gradients by `nn`. */
function alone() {
  const model = { up, down };
  const call = nn.valueAndGrad((/** @type {nn.Traced<typeof model>} */ net) => {
    const hidden = nn.map(nn.matmul(x, net.up, { transB: 'transposed' }), 'tanh');
    return nn.squaredError(nn.matmul(hidden, net.down, { transB: 'transposed' }), y);
  });
  return {
    async step() {
      const { value, grads } = call(model);
      muon.step(grads);
      return (await value.read())[0];
    },
    async end() {
      call.dispose();
    },
  };
}

let step = 0;
try {
  const work = options.alone ? alone() : await trainer();
  for (; step < steps; ++step) {
    const loss = await work.step();
    if (step % 10 === 0) console.log(`step ${step}: loss ${loss.toFixed(6)}`);
  }
  await work.end();
} catch (error) {
  console.error(`${/** @type {Error} */ (error).message} after ${step} steps, whose weights are whole`);
  process.exitCode = 1;
}
if (options.out) await saveNpz(options.out, { up, down });
muon.dispose();
await device.close();
