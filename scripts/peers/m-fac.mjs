// node scripts/peers/m-fac.mjs [turns] [window] [parameters] [steps]: a step of MFacOptimizer, with the window in f32 and in bf16, on
// one thread, against PyTorch with the authors' recurrences and with Woodbury's identity by a Cholesky factor. Each runs in
// processes of its own, in turns. Then against the floor: the window is read twice, at the rate at which this process reads or
// copies memory in between. A slot costs the same whether it holds a gradient yet or not. Prints a line each: milliseconds of
// processors of a step, the least and the median, and what share of them is of ours. Without sizes: 512 gradients of 1,000,000 parameters.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Device, ops, Tensor } from 'orthokit';
import { MFacOptimizer } from 'orthokit/curvature';
import { splitmix } from '../splitmix.mjs';
import { clockOf } from './peer.mjs';
import { here, median, python, race } from './turns.mjs';

/** Gradients that steps take in turn, and the steps after which both sides tell where they are. */
const different = 4;
const [damp, lr] = [1e-3, 0.1];
/** Bytes of the two arrays by which memory is measured: more than caches hold, or as much as the window. */
const most = 2 ** 29;

if (process.argv[2] === '--run') await run(process.argv[3], process.argv[4], process.argv.slice(5).map(Number));
else compare(...process.argv.slice(2).map(Number));

async function run(dtype, folder, [window, size, steps]) {
  const device = Device.open('cpu', { threads: 1 });
  const all = gradients(device, folder, size);
  const w = Tensor.zeros(device, [size]);
  const optimizer = new MFacOptimizer([w], { lr, window, damp, dtype });
  const bytes = window * size * (dtype === 'bf16' ? 2 : 4);
  const half = Math.ceil(Math.min(bytes, most) / 4);
  const memory = Tensor.full(device, [2, half], 1);
  const [from, to] = [memory.rows(0, 1), memory.rows(1, 2)];
  const sums = Tensor.zeros(device, [1], { dtype: 'f64' });
  const clock = clockOf();
  const timed = async (work) => {
    const begin = clock();
    await work();
    await device.synchronize();
    return clock() - begin;
  };
  const [times, reads, copies] = [[], [], []];
  let place;
  for (let step = 0; step < Math.max(steps, different); ++step) {
    times.push(await timed(() => optimizer.step([all[step % different]])));
    if (step === different - 1) place = [...(await w.read()).subarray(0, 8)];
    reads.push(await timed(() => ops.norms(device, { x: [memory], out: sums })));
    copies.push(await timed(() => ops.copy(device, { x: [from], out: [to] })));
  }
  // Both move as many bytes: one reads them, the other one reads a half and writes the other half.
  const floor = (2 * bytes * Math.min(...reads, ...copies)) / memory.byteLength;
  const later = times.slice(1);
  console.log(JSON.stringify({ min_ms: Math.min(...later), median_ms: median(later), floor_ms: floor, place }));
}

/** Gradients of length 1, the same on both sides. */
function gradients(device, folder, size) {
  const list = new Float32Array(new Uint8Array(readFileSync(path.join(folder, 'gradients'))).buffer);
  return Array.from({ length: different }, (_, i) => Tensor.from(device, list.slice(i * size, (i + 1) * size), [size]));
}

function compare(turns = 3, window = 512, size = 1_000_000, steps = 9) {
  const folder = mkdtempSync(path.join(tmpdir(), 'orthokit-'));
  try {
    const next = splitmix(1);
    const unit = Math.sqrt(12 / size);
    writeFileSync(path.join(folder, 'gradients'), Float32Array.from({ length: different * size }, () => unit * (next() - 0.5))); // biome-ignore format: one line
    const words = [folder, window, size, steps];
    const own = (dtype) => [process.execPath, import.meta.filename, '--run', dtype, ...words];
    const peer = (form) => [python, here('m_fac_peer.py'), form, ...words, different, damp, lr];
    const racers = new Map([
      ['orthokit f32', { command: own('f32') }],
      ["PyTorch, the authors'", { command: peer('authors') }],
      ['orthokit bf16', { command: own('bf16') }],
      ["PyTorch, Woodbury's", { command: peer('woodbury') }],
    ]);
    const found = race(racers, turns);
    const ours = found.get('orthokit f32');
    console.log(`window ${window}, ${size} parameters, one thread`);
    for (const [name, line] of found) {
      if (line.skipped) {
        console.log(`  ${name}: ${line.skipped}`);
        continue;
      }
      const { min_ms, median_ms, floor_ms, version } = line;
      const floor = floor_ms ? `, ${(min_ms / floor_ms).toFixed(2)} times the floor of ${floor_ms.toFixed(0)} ms` : '';
      const share = floor_ms ? '' : `; orthokit f32 takes ${(ours.min_ms / min_ms).toFixed(2)} of its time, of medians ${(ours.median_ms / median_ms).toFixed(2)}`; // biome-ignore format: one line
      console.log(`  ${name}${version ? ` (${version})` : ''}: ${min_ms.toFixed(0)} ms, the median ${median_ms.toFixed(0)}${floor}${share}`); // biome-ignore format: one line
      const apart = Math.max(...line.place.map((value, i) => Math.abs(value - ours.place[i])));
      const largest = Math.max(...ours.place.map(Math.abs));
      if (!(apart <= 1e-2 * largest)) throw new Error(`${name} is ${apart} from where ours is, of ${largest}`);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
}
