// node scripts/peers/rows.mjs [--seconds n] [--threads n] [word …]: what networks compute by elements and by rows, and plain orthogonalization,
// against PyTorch, in f32, on one thread unless `--threads` says more, in turns: a child process runs PyTorch, this one orthokit, on the same numbers and,
// where PyTorch has such a form, into results that are reused. Results are compared with PyTorch's in f64 first. Words choose
// cases whose name has one. Prints a line each: milliseconds of both, of processors on one thread and of the clock on more, the least and
// the median of their turns, their ratios, and nanoseconds an element of ours.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { Device, ops, Tensor } from 'orthokit';
import { clockOf, least, startPeer } from './peer.mjs';
import { median } from './turns.mjs';

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: { seconds: { type: 'string', default: '3' }, threads: { type: 'string', default: '1' } },
});
const threads = Number(options.threads);
if (!(Number.isInteger(threads) && threads >= 1)) {
  console.error('--threads must be a whole number from 1 on');
  process.exit(2);
}
const device = Device.open('cpu', { threads });
const folder = mkdtempSync(path.join(tmpdir(), 'orthokit-peer-'));
const files = Object.fromEntries(['x', 'grad', 'labels', 'out'].map((name) => [name, path.join(folder, name)]));
const zeros = (shape, dtype = 'f32') => Tensor.zeros(device, shape, { dtype });

/** Each: the operation on (x, grad, labels, out), all of it prepared. */
const works = {
  gelu: ({ x, out }) => ops.gelu(device, { x, out }),
  geluTanh: ({ x, out }) => ops.gelu(device, { x, out, form: 'tanh' }),
  geluBackward: ({ x, grad, out }) => ops.geluBackward(device, { x, grad, out }),
  geluTanhBackward: ({ x, grad, out }) => ops.geluBackward(device, { x, grad, out, form: 'tanh' }),
  softmax: ({ x, out }) => ops.rowSoftmax(device, { x, out }),
  crossEntropy: ({ x, labels, out }) => ops.softmaxCrossEntropy(device, { logits: x, labels, loss: out }),
  crossEntropyBackward: ({ x, labels, out }) =>
    ops.softmaxCrossEntropyBackward(device, { logits: x, labels, grad: out }),
  batchNorm: ({ x, out, weight, bias }) => ops.batchNorm(device, { x, weight, bias, out }),
  batchNormBackward: ({ x, grad, out, weight, moments, gradWeight, gradBias }) =>
    ops.batchNormBackward(device, { x, grad, weight, moments, gradX: out, gradWeight, gradBias }),
  maxPool: ({ x, out, places }) => ops.pool2d(device, { x, size: 2, out, places }),
  maxPoolBackward: ({ grad, out, places }) => ops.pool2dBackward(device, { grad, size: 2, places, gradX: out }),
  layerNorm: ({ x, out, weight, bias }) => ops.layerNorm(device, { x, weight, bias, out }),
  layerNormBackward: ({ x, grad, out, weight, gradWeight, gradBias }) =>
    ops.layerNormBackward(device, { x, grad, weight, gradX: out, gradWeight, gradBias }),
  orthogonalize: ({ x, out }) => ops.newtonSchulz(device, { x, out, coefficients, method: 'auto', restarts: [2] }),
};
const coefficients = Array.from({ length: 5 }, () => [3.4445, -4.775, 2.0315]).flat();

const hidden = [768, 512];
const large = [8192, 1024];
const images = [128, 28, 28, 32];
const pooled = [128, 14, 14, 32];
const cases = [
  ...['gelu', 'geluBackward', 'geluTanh', 'geluTanhBackward'].map((work) => ({ work, shape: hidden })),
  ...[[3072, 64], hidden, [256, 32000]].map((shape) => ({ work: 'softmax', shape })),
  { work: 'crossEntropy', shape: [256, 32000], out: [1] },
  { work: 'crossEntropyBackward', shape: [256, 32000] },
  { work: 'batchNorm', shape: images },
  { work: 'batchNormBackward', shape: images },
  { work: 'maxPool', shape: images, out: pooled },
  { work: 'maxPoolBackward', shape: images, grad: pooled },
  { work: 'layerNorm', shape: [768, 128] },
  { work: 'layerNormBackward', shape: [768, 128] },
  { work: 'layerNormBackward', shape: large },
  ...[
    [768, 3072],
    [1024, 1024],
    [1024, 4096],
  ].map((shape) => ({ work: 'orthogonalize', shape })),
];

const write = async (name, tensor) => writeFileSync(files[name], new Uint8Array((await tensor.read()).buffer));
const peer = startPeer('rows_peer.py', [threads], threads);
const spent = clockOf(threads);
try {
  for (const { work, shape, out: outShape = shape, grad: gradShape = shape } of cases) {
    const name = `${work} of ${shape.join('×')}`;
    if (positionals.length > 0 && !positionals.some((word) => name.includes(word))) continue;
    const columns = shape.at(-1);
    const held = {
      x: Tensor.randn(device, shape, { seed: 1 }),
      grad: Tensor.randn(device, gradShape, { seed: 2 }),
      labels: Tensor.from(
        device,
        Int32Array.from({ length: shape[0] }, (_, i) => (i * 7919) % columns),
        [shape[0]],
      ),
      out: zeros(outShape, work === 'crossEntropy' ? 'f64' : 'f32'),
      weight: Tensor.full(device, [columns], 1),
      bias: zeros([columns]),
      gradWeight: zeros([columns]),
      gradBias: zeros([columns]),
      moments: zeros([2, columns], 'f64'),
      places: zeros(work.startsWith('maxPool') ? pooled : [1], 'u8'),
    };
    if (work === 'batchNormBackward') ops.batchNorm(device, { x: held.x, out: zeros(shape), moments: held.moments });
    if (work === 'maxPoolBackward') ops.pool2d(device, { x: held.x, size: 2, out: zeros(pooled), places: held.places });
    const run = async (repeats) => {
      for (let i = 0; i < repeats; ++i) works[work](held);
      await device.synchronize();
    };
    for (const of of ['x', 'grad', 'labels']) await write(of, held[of]);
    await peer.ask({ work, shape, gradShape, files });
    await run(1);
    await write('out', held.out);
    const { error } = await peer.ask({ check: files.out });
    if (!(error <= (work === 'orthogonalize' ? 1e-3 : 1e-5))) throw new Error(`${name}: a difference of ${error}`);
    const repeats = Math.max(1, Math.round((work === 'orthogonalize' ? 1e6 : 1e7) / held.x.size));
    const [ours, theirs] = [[], []];
    for (const end = Date.now() + 1e3 * Number(options.seconds); Date.now() < end || ours.length < 5; ) {
      const start = spent();
      await run(repeats);
      ours.push((spent() - start) / repeats);
      theirs.push((await peer.ask({ repeats })).milliseconds);
    }
    const [a, b] = [ours, theirs].map((times) => [least(times), median(times)]);
    console.log(
      `${name}: ${a[0].toPrecision(3)} (${a[1].toPrecision(3)}) ms, PyTorch ${b[0].toPrecision(3)} (${b[1].toPrecision(3)}), ` +
        `ratio ${(a[0] / b[0]).toFixed(2)} (${(a[1] / b[1]).toFixed(2)}), ${((1e6 * a[0]) / held.x.size).toFixed(3)} ns an element; ` +
        `${ours.length} turns, difference ${error.toExponential(1)}`,
    );
    for (const tensor of Object.values(held)) tensor.dispose();
  }
} finally {
  rmSync(folder, { recursive: true });
}
await peer.end();
await device.close();
