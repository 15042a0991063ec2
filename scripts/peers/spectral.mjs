// node scripts/peers/spectral.mjs [seconds per case]: what optimizers select and transform by, against PyTorch and SciPy, on one
// thread and in f32, in turns: a child process runs the peer, this one orthokit, on the same numbers and, where the peer has such
// a form, into results that are reused. Results are compared first. Prints a line each: milliseconds of processors of both, the
// least and the median of their turns, and their ratios.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Device, ops, Tensor } from 'orthokit';
import { clockOf, least, startPeer } from './peer.mjs';
import { median } from './turns.mjs';

const seconds = Number(process.argv[2] ?? 20);
const device = Device.open('cpu', { threads: 1 });
const folder = mkdtempSync(path.join(tmpdir(), 'orthokit-peer-'));
const [numbers, results] = ['numbers', 'results'].map((name) => path.join(folder, name));
const write = async (file, tensor) => writeFileSync(file, new Uint8Array((await tensor.read()).buffer));

/** The operations of clipCoordinates, with the tenth of the coordinates that it takes by default. */
function clip(x, out) {
  const limits = Tensor.zeros(device, [1], { dtype: 'f64' });
  const ranks = [Math.floor(x.size / 10) + 1];
  return () => {
    ops.selectKth(device, { x: [x], out: limits, ranks });
    ops.clipEach(device, { x: [x], out: [out], limits });
  };
}

/** The largest tenth, and where they are, in order. */
function top(x, out) {
  const index = Tensor.zeros(device, out.shape, { dtype: 'i32' });
  return () => ops.topK(device, { x, index, values: out });
}

const large = [28672, 1024];
const cases = [
  { name: 'clipCoordinates of 29 M, by torch.topk', work: 'clip', shape: large, out: large, make: clip },
  { name: 'topK of a tenth of 29 M, by torch.topk', work: 'top', shape: large, out: [2_936_012], make: top },
  {
    ...{ name: 'dct of 4096 rows of 1024, by scipy.fft.dct', work: 'dct', shape: [4096, 1024], out: [4096, 1024] },
    make: (x, out) => () => ops.dct(device, { x, out }),
  },
];

const peer = startPeer('spectral_peer.py');
const spent = clockOf();
try {
  for (const { name, work, shape, out: outShape, make } of cases) {
    const [x, out] = [Tensor.randn(device, shape, { seed: 1 }), Tensor.zeros(device, outShape)];
    const queue = make(x, out);
    const run = async () => {
      queue();
      await device.synchronize();
    };
    await write(numbers, x);
    const { version } = await peer.ask({ work, shape, numbers });
    await run();
    await write(results, out);
    const { error } = await peer.ask({ results });
    if (!(error <= 1e-5)) throw new Error(`${name}: a difference of ${error}`);
    const [ours, theirs] = [[], []];
    for (const end = Date.now() + 1e3 * seconds; Date.now() < end || ours.length < 5; ) {
      const start = spent();
      await run();
      ours.push(spent() - start);
      theirs.push((await peer.ask({ repeats: 1 })).milliseconds);
    }
    const [a, b] = [ours, theirs].map((times) => [least(times), median(times)]);
    console.log(
      `${name} (${version}): ${a[0].toFixed(1)} ms against ${b[0].toFixed(1)}, the median ${a[1].toFixed(1)} against ` +
        `${b[1].toFixed(1)}; ours take ${(a[0] / b[0]).toFixed(3)} of their time, of medians ${(a[1] / b[1]).toFixed(3)}; ` +
        `${ours.length} turns, difference ${error.toExponential(1)}`,
    );
    for (const tensor of [x, out]) tensor.dispose();
  }
} finally {
  rmSync(folder, { recursive: true });
}
await peer.end();
await device.close();
process.exit(0);
