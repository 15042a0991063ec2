// node scripts/peers/conv-orth.mjs [seconds per case]: L_orth and its gradient against the formula in PyTorch, conv2d of the
// kernels over themselves and autograd, in its better layout, on one thread, in turns: a child process runs PyTorch, this one
// orthokit. Results are compared first. Prints a line each: milliseconds of both, the least and the median of their turns, and
// their ratio.
import { Device, Tensor } from 'orthokit';
import { convOrthLoss } from 'orthokit/nn';
import { clockOf, least, startPeer } from './peer.mjs';
import { median } from './turns.mjs';

/** Outputs, channels, side of a kernel, stride: layers of ResNets and of a small network. */
const cases = [
  [16, 8, 3, 1],
  [32, 16, 3, 2],
  [64, 64, 3, 1],
  [64, 3, 7, 2],
  [128, 64, 3, 2],
  [128, 128, 3, 1],
  [256, 64, 1, 1],
  [64, 256, 1, 1],
  [64, 32, 5, 1],
  [256, 256, 3, 1],
];
const seconds = Number(process.argv[2] ?? 2);

const peer = startPeer('conv_orth_peer.py');
const spent = clockOf();

const device = Device.open('cpu', { threads: 1 });
for (const [outputs, channels, side, stride] of cases) {
  const shape = [outputs, side, side, channels];
  const kernel = Tensor.randn(device, shape, { seed: 1 });
  const gradOut = Tensor.zeros(device, shape);
  const data = async (tensor) => Buffer.from((await tensor.read()).buffer).toString('base64');
  await peer.ask({ shape, stride, data: await data(kernel) });
  const { loss } = await convOrthLoss(kernel, { stride, gradOut });
  const { error } = await peer.ask({ loss, gradient: await data(gradOut) });
  if (error > 1e-5) throw new Error(`${shape}: a difference of ${error}`);
  const repeats = outputs < 64 ? 20 : 3;
  const [ours, theirs] = [[], []];
  for (const end = Date.now() + 1e3 * seconds; Date.now() < end || ours.length < 5; ) {
    const start = spent();
    for (let i = 0; i < repeats; ++i) await convOrthLoss(kernel, { stride, gradOut });
    ours.push((spent() - start) / repeats);
    theirs.push((await peer.ask({ repeats })).milliseconds);
  }
  console.log(
    `${outputs} × ${channels}, ${side} × ${side}, stride ${stride}: ${least(ours).toFixed(2)} ms against ` +
      `${least(theirs).toFixed(2)}, PyTorch takes ${(least(theirs) / least(ours)).toFixed(1)} times as long, of medians ` +
      `${(median(theirs) / median(ours)).toFixed(1)}; difference ${error.toExponential(1)}`,
  );
  for (const tensor of [kernel, gradOut]) tensor.dispose();
}
await peer.end();
await device.close();
