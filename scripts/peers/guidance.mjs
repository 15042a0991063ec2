// node scripts/peers/guidance.mjs [batch] [channels] [height] [width] [turns]: adaptive projected guidance with momentum and a
// bound of norms, f32 on one thread, against PyTorch running the rule that its paper publishes. Results are compared first.
// Prints a line each: the least milliseconds of processors.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Device, Tensor } from 'orthokit';
import { AdaptiveProjectedGuidance } from 'orthokit/guidance';
import { here, python, turn } from './turns.mjs';

const [batch = 8, channels = 4, height = 128, width = 128, turns = 3] = process.argv.slice(2).map(Number);
const shape = [batch, channels, height, width];
const rounds = 20;
const limit = 600_000;
const device = Device.open('cpu', { threads: 1 });
const folder = mkdtempSync(path.join(tmpdir(), 'orthokit-peer-'));
try {
  const [cond, uncond] = [1, 2].map((seed) => Tensor.randn(device, shape, { seed }));
  const out = Tensor.zeros(device, shape);
  const guidance = new AdaptiveProjectedGuidance({ scale: 5, rescale: 15, momentum: -0.5 });
  let ours = Infinity;
  for (let round = 0; round < rounds; ++round) {
    await device.synchronize();
    const begin = process.cpuUsage();
    guidance.apply(cond, uncond, { out });
    await device.synchronize();
    const { user, system } = process.cpuUsage(begin);
    ours = Math.min(ours, (user + system) / 1000);
  }
  for (const [name, tensor] of Object.entries({ cond, uncond, out }))
    writeFileSync(path.join(folder, name), new Uint8Array((await tensor.read()).buffer));
  console.log(`${shape}, one thread, ms of processors`);
  console.log(`orthokit: ${ours.toFixed(2)}`);
  let theirs = Infinity;
  for (let i = 0; i < turns; ++i) {
    const answer = turn([python, here('guidance_peer.py'), folder, rounds, ...shape], limit);
    if (answer.skipped) throw new Error(answer.skipped);
    if (!(answer.error <= 1e-5)) throw new Error(`a difference of ${answer.error}`);
    theirs = Math.min(theirs, answer.min_ms);
  }
  console.log(`PyTorch: ${theirs.toFixed(2)}, ${(theirs / ours).toFixed(1)} times`);
} finally {
  rmSync(folder, { recursive: true });
  await device.close();
}
