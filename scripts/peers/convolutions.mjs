// node scripts/peers/convolutions.mjs [seconds per case]: convolutions and their gradients against PyTorch's better layout,
// on one thread, in turns: a child process runs PyTorch, this one orthokit. Results are compared first. Prints a line each:
// milliseconds of both, the least and the median of their turns, and their ratio.
import { Device, ops, Tensor } from 'orthokit';
import { clockOf, least, startPeer } from './peer.mjs';
import { median } from './turns.mjs';

/** Images, channels, kernels, side, side of a kernel, stride, padding. */
const cases = [
  [32, 64, 64, 28, 3, 1, 1],
  [32, 128, 128, 14, 3, 1, 1],
  [128, 32, 32, 28, 3, 1, 1],
  [8, 256, 256, 14, 3, 1, 1],
  [32, 256, 256, 7, 1, 1, 0],
  [16, 3, 64, 64, 7, 2, 3],
  [128, 1, 32, 28, 3, 1, 1],
];
const kinds = ['forward', 'by input', 'by kernel'];
const seconds = Number(process.argv[2] ?? 2);

const peer = startPeer('convolutions_peer.py');
const spent = clockOf();

const device = Device.open('cpu', { threads: 1 });
for (const [n, c, o, side, size, stride, padding] of cases) {
  const out = Math.floor((side + 2 * padding - size) / stride) + 1;
  const shapes = [
    [n, side, side, c],
    [o, size, size, c],
    [n, out, out, o],
  ];
  const [x, kernel, grad] = shapes.map((shape, i) => Tensor.randn(device, shape, { seed: i }));
  const [gradX, gradKernel, y] = shapes.map((shape) => Tensor.zeros(device, shape));
  const moves = { stride: [stride], padding: [padding] };
  const runs = [
    () => ops.conv2d(device, { ...moves, x, kernel, out: y }),
    () => ops.conv2dBackwardInput(device, { ...moves, grad, kernel, gradX }),
    () => ops.conv2dBackwardKernel(device, { ...moves, grad, x, gradKernel }),
  ];
  const data = async (tensor) => Buffer.from((await tensor.read()).buffer).toString('base64');
  await peer.ask({ shapes, stride, padding, data: await Promise.all([x, kernel, grad].map(data)) });
  for (const [kind, run] of runs.entries()) {
    run();
    const { error } = await peer.ask({ kind, check: await data([y, gradX, gradKernel][kind]) });
    if (error > 5e-6) throw new Error(`${kinds[kind]}: a difference of ${error} of the largest result`);
    const [ours, theirs] = [[], []];
    for (const end = Date.now() + 1e3 * seconds; Date.now() < end; ) {
      const start = spent();
      for (let i = 0; i < 4; ++i) run();
      await device.synchronize();
      ours.push((spent() - start) / 4);
      theirs.push((await peer.ask({ kind, repeats: 4 })).milliseconds);
    }
    const ratio = (of) => (of(ours) / of(theirs)).toFixed(2);
    console.log(
      `${n} × ${side}², ${c} → ${o}, ${size} × ${size}, stride ${stride}, ${kinds[kind]}: ${least(ours).toFixed(2)} ms against ` +
        `${least(theirs).toFixed(2)}, ratio ${ratio(least)}, of medians ${ratio(median)}; difference ${error.toExponential(1)}`,
    );
  }
  for (const tensor of [x, kernel, grad, gradX, gradKernel, y]) tensor.dispose();
}
await peer.end();
await device.close();
