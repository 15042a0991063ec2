// node scripts/peers/refactor-lora.mjs [side] [rank] [turns]: an adapter's factors made orthogonal, of a weight of side × side in f32
// on one thread, against PyTorch: the form of FedSVD's program, singular vectors of the whole product, and thin factorizations.
// Products are compared first. Prints a line each: the least milliseconds of processors.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Device, Tensor } from 'orthokit';
import { refactorLora } from 'orthokit/adapters';
import { here, python, turn } from './turns.mjs';

const [side = 4096, rank = 8, turns = 1] = process.argv.slice(2).map(Number);
const rounds = 20;
/** The whole decomposition takes minutes on one thread. */
const limit = 3_600_000;
const device = Device.open('cpu', { threads: 1 });
const folder = mkdtempSync(path.join(tmpdir(), 'orthokit-peer-'));
try {
  const a = Tensor.randn(device, [rank, side], { seed: 1 });
  const b = Tensor.randn(device, [side, rank], { seed: 2 });
  const own = await refactorLora(a, b);
  for (const [name, tensor] of Object.entries({ a, b, own_a: own.a, own_b: own.b }))
    writeFileSync(path.join(folder, name), new Uint8Array((await tensor.read()).buffer));
  let ours = Infinity;
  for (let round = 0; round < rounds; ++round) {
    const begin = process.cpuUsage();
    const { a: newA, b: newB } = await refactorLora(a, b);
    const { user, system } = process.cpuUsage(begin);
    ours = Math.min(ours, (user + system) / 1000);
    newA.dispose();
    newB.dispose();
  }
  console.log(`${side} x ${side}, rank ${rank}, one thread, ms of processors`);
  console.log(`orthokit: ${ours.toFixed(2)}`);
  for (const form of ['thin', 'whole']) {
    let theirs = Infinity;
    for (let i = 0; i < turns; ++i) {
      const answer = turn([python, here('refactor_lora_peer.py'), form, folder, side, rank], limit);
      if (answer.skipped) throw new Error(answer.skipped);
      if (!(answer.error <= 2e-5)) throw new Error(`${form}: a difference of ${answer.error}`);
      theirs = Math.min(theirs, answer.min_ms);
    }
    console.log(`PyTorch, ${form}: ${theirs.toFixed(2)}, ${(theirs / ours).toFixed(1)} times`);
  }
} finally {
  rmSync(folder, { recursive: true });
  await device.close();
}
