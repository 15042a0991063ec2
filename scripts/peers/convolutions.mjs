// node scripts/peers/convolutions.mjs [seconds per case]: convolutions and their gradients against PyTorch's better layout,
// on one thread, in turns: a child process runs PyTorch, this one orthokit. Results are compared first. Prints a line each:
// milliseconds of both, the least and the median of their turns, and their ratio.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { Device, ops, Tensor } from 'orthokit';

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

const { OPENBLAS_CORETYPE: _, OPENBLAS_L2_SIZE: __, ...env } = process.env;
const child = spawn('/usr/bin/python3', [path.join(import.meta.dirname, 'convolutions_peer.py')], {
  env,
  stdio: ['pipe', 'pipe', 'inherit'],
});
const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
const ask = async (request) => {
  child.stdin.write(`${JSON.stringify(request)}\n`);
  const { value, done } = await lines.next();
  if (done) throw new Error('the peer has ended');
  return JSON.parse(value);
};

/** CPU time of the process, in milliseconds: neighbours do not lengthen it. */
const spent = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e3;
};
const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];

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
  await ask({ shapes, stride, padding, data: await Promise.all([x, kernel, grad].map(data)) });
  for (const [kind, run] of runs.entries()) {
    run();
    const { error } = await ask({ kind, check: await data([y, gradX, gradKernel][kind]) });
    if (error > 5e-6) throw new Error(`${kinds[kind]}: a difference of ${error} of the largest result`);
    const [ours, theirs] = [[], []];
    for (const end = Date.now() + 1e3 * seconds; Date.now() < end; ) {
      const start = spent();
      for (let i = 0; i < 4; ++i) run();
      await device.synchronize();
      ours.push((spent() - start) / 4);
      theirs.push((await ask({ kind, repeats: 4 })).milliseconds);
    }
    const ratio = (of) => (of(ours) / of(theirs)).toFixed(2);
    const least = (values) => Math.min(...values);
    console.log(
      `${n} × ${side}², ${c} → ${o}, ${size} × ${size}, stride ${stride}, ${kinds[kind]}: ${least(ours).toFixed(2)} ms against ` +
        `${least(theirs).toFixed(2)}, ratio ${ratio(least)}, of medians ${ratio(median)}; difference ${error.toExponential(1)}`,
    );
  }
  for (const tensor of [x, kernel, grad, gradX, gradKernel, y]) tensor.dispose();
}
child.stdin.end();
await once(child, 'exit');
await device.close();
