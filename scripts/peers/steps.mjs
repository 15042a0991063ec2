// node scripts/peers/steps.mjs [turns] [case …]: steps of optimizers that compare.mjs does not race, in f32 on one thread, against
// PyTorch: its own class where it has one (Adagrad), else the same rule in a few lines, in place and into tensors that are
// reused; a child process runs those, in turns with this one. Both begin with the same weights, and must be at the same ones
// after three steps. Rules by elements step 148 tensors of 29.4 million elements, those of matrices the 8 of two layers of the
// same model. Prints a line of JSON each: milliseconds of a processor for a step, the least and the median of the turns.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import {
  AdaGrad,
  AdaGradNorm,
  Conda,
  DCTAdamW,
  Device,
  DiffGrad,
  Dion,
  Dion2,
  EG,
  Lion,
  Muon,
  NorMuon,
  Tensor,
  Trion,
} from 'orthokit';
import { clockOf, least, startPeer } from './peer.mjs';
import { gpt2Like } from './shapes.mjs';
import { median } from './turns.mjs';

const matrices = gpt2Like.slice(2, 26).filter((shape) => shape.length === 2);
const ofWidth = matrices.filter(([, columns]) => columns === 384);
const rank = 64;
const jordan = { coefficients: 'jordan', nsSteps: 5 };
/** Coordinates that rounding may have made stay in ours and step by `lr` in PyTorch's: a share of all, as for Adam's first step. */
const ofCoordinates = 1e-2;

const cases = {
  AdaGrad: { Optimizer: AdaGrad, shapes: gpt2Like },
  AdaGradNorm: { Optimizer: AdaGradNorm, shapes: gpt2Like, options: { lr: 1 } },
  Lion: { Optimizer: Lion, shapes: gpt2Like },
  DiffGrad: { Optimizer: DiffGrad, shapes: gpt2Like },
  EG: { Optimizer: EG, shapes: gpt2Like, options: { lr: 0.1 } },
  Muon: { Optimizer: Muon, shapes: matrices, options: jordan },
  NorMuon: { Optimizer: NorMuon, shapes: matrices, options: jordan },
  Dion: { Optimizer: Dion, shapes: ofWidth, options: { rank }, basis: true },
  Dion2: { Optimizer: Dion2, shapes: matrices, options: jordan },
  Trion: { Optimizer: Trion, shapes: matrices, options: { ...jordan, rank } },
  DCTAdamW: { Optimizer: DCTAdamW, shapes: matrices, options: { rank, weightDecay: 0 }, near: ofCoordinates },
  // Its basis is made in the first step; a new one every 200 steps is not part of what is timed.
  Conda: { Optimizer: Conda, shapes: matrices, options: { gap: 200 }, near: ofCoordinates },
};

const [turns = 5, ...asked] = process.argv.slice(2).map((word) => (Number.isNaN(Number(word)) ? word : Number(word)));
const unknown = asked.filter((name) => !Object.hasOwn(cases, name));
if (unknown.length > 0 || !(turns >= 1)) {
  console.error(
    unknown.length > 0
      ? `there is no case ${unknown}; cases: ${Object.keys(cases).join(' ')}`
      : `turns must be 1 or more, got ${turns}`,
  );
  process.exit(2);
}
const device = Device.open('cpu', { threads: 1 });
const folder = mkdtempSync(path.join(tmpdir(), 'orthokit-peer-'));
const peer = startPeer('steps_peer.py');
const spent = clockOf();
const file = (name) => path.join(folder, name);
const bytes = async (tensors) =>
  Buffer.concat(await Promise.all(tensors.map(async (x) => new Uint8Array((await x.read()).buffer))));
const ask = async (request) => {
  const answer = await peer.ask(request);
  if (answer.error) throw new Error(answer.error);
  return answer;
};

try {
  for (const name of asked.length > 0 ? asked : Object.keys(cases)) {
    const { Optimizer, shapes, options = {}, basis: hasBasis, near = 1e-3 } = cases[name];
    const draw = (seed) => shapes.map((shape, i) => Tensor.randn(device, shape, { seed: 1000 * seed + i }));
    const [weights, grads, others] = [draw(1), draw(2), draw(3)];
    const basis = Tensor.randn(device, [384, rank], { seed: 4 });
    const lists = { weights, grads, others, basis: [basis] };
    for (const [list, tensors] of Object.entries(lists)) writeFileSync(file(list), await bytes(tensors));
    const numbers = await basis.read();
    const initialBasis = Array.from({ length: 384 }, (_, i) => Array.from(numbers.subarray(rank * i, rank * (i + 1))));
    const optimizer = new Optimizer(weights, { ...options, ...(hasBasis ? { initialBasis } : {}) });
    await ask({ begin: name, shapes, folder });
    for (const list of [grads, others, grads]) optimizer.step(list);
    await ask({ check: file('theirs') });
    const [own, theirs, before] = [
      await bytes(weights),
      readFileSync(file('theirs')),
      readFileSync(file('weights')),
    ].map((all) => new Float32Array(all.buffer, all.byteOffset, all.byteLength / 4));
    let [moved, difference] = [0, 0];
    own.forEach((x, i) => {
      moved += (x - before[i]) ** 2;
      difference += (x - theirs[i]) ** 2;
    });
    const error = Math.sqrt(difference / moved);
    if (!(error < near)) throw new Error(`${name}: steps differ by ${error} of their length`);
    const times = { ours: [], theirs: [] };
    const run = async (count) => {
      const begin = spent();
      for (let i = 0; i < count; ++i) optimizer.step(grads);
      await device.synchronize();
      return (spent() - begin) / count;
    };
    const count = Math.max(1, Math.min(20, Math.round(150 / (await run(1)))));
    await ask({ steps: 1 });
    for (let i = 0; i < turns; ++i) {
      times.ours.push(await run(count));
      times.theirs.push((await ask({ steps: count })).ms);
    }
    const of = (list) => ({ least: Number(least(list).toFixed(2)), median: Number(median(list).toFixed(2)) });
    const [ours, pytorch] = [of(times.ours), of(times.theirs)];
    const ratio = [pytorch.least / ours.least, pytorch.median / ours.median].map((x) => Number(x.toFixed(2)));
    console.log(JSON.stringify({ case: name, tensors: shapes.length, ours, pytorch, ratio, error }));
    optimizer.dispose();
    for (const x of Object.values(lists).flat()) x.dispose();
  }
} finally {
  await peer.end();
  rmSync(folder, { recursive: true });
  await device.close();
}
