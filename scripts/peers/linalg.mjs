// node scripts/peers/linalg.mjs [rounds] [turns]: factorizations of matrices of f32 on one thread, against PyTorch, whose are those
// of LAPACK. Each runs in processes of its own, in turns. Prints a line each: milliseconds of the processor, the least of all
// rounds and the median of the turns' medians, and how many times PyTorch's ours take.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Device, Tensor } from 'orthokit';
import { cholesky, eigh, qr, svd } from 'orthokit/linalg';
import { splitmix } from '../splitmix.mjs';
import { here, median, python, race } from './turns.mjs';

const functions = { cholesky, eigh, qr, svd };
const cases = [
  ['svd', 1024, 1024],
  ['svd', 4096, 1024],
  ['svd', 1024, 512],
  ['eigh', 1024, 1024],
  ['eigh', 512, 512],
  ['qr', 1024, 1024],
  ['qr', 4096, 1024],
  ['cholesky', 1024, 1024],
];

if (process.argv[2] === '--run') await run(...process.argv.slice(3));
else compare(...process.argv.slice(2).map(Number));

async function run(name, file, rows, columns, rounds) {
  const device = Device.open('cpu', { threads: 1 });
  const x = Tensor.from(device, new Float32Array(readFileSync(file).buffer), [Number(rows), Number(columns)]);
  const milliseconds = () => (process.cpuUsage().user + process.cpuUsage().system) / 1000;
  const times = [];
  for (let round = -1; round < rounds; ++round) {
    const begin = milliseconds();
    const found = await functions[name](x);
    await device.synchronize();
    if (round >= 0) times.push(milliseconds() - begin);
    for (const tensor of found instanceof Tensor ? [found] : Object.values(found)) tensor.dispose();
  }
  console.log(JSON.stringify({ min_ms: Math.min(...times), median_ms: median(times) }));
}

function compare(rounds = 5, turns = 3) {
  const folder = mkdtempSync(path.join(tmpdir(), 'orthokit-'));
  try {
    for (const [name, rows, columns] of cases) {
      const file = path.join(folder, 'x');
      writeFileSync(file, matrix(name, rows, columns));
      const words = [name, file, rows, columns, rounds];
      const racers = new Map([
        ['orthokit', { command: [process.execPath, import.meta.filename, '--run', ...words] }],
        ['PyTorch', { command: [python, here('linalg_peer.py'), ...words] }],
      ]);
      const found = race(racers, turns);
      const [own, other] = ['orthokit', 'PyTorch'].map((racer) => found.get(racer));
      if (own.skipped ?? other.skipped) throw new Error(own.skipped ?? other.skipped);
      const shown = ({ min_ms, median_ms }) => `${min_ms.toFixed(1)} ms, median ${median_ms.toFixed(1)}`;
      console.log(
        `${name} ${rows} x ${columns}: ${shown(own)}; PyTorch ${other.version} ${shown(other)}; ${(own.min_ms / other.min_ms).toFixed(2)} times, by medians ${(own.median_ms / other.median_ms).toFixed(2)}`,
      );
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Nearly normal numbers: symmetric for `eigh`, and with a heavy diagonal for `cholesky`. */
function matrix(name, rows, columns) {
  const next = splitmix(1);
  const x = Float32Array.from({ length: rows * columns }, () => next() + next() + next() - 1.5);
  if (name === 'svd' || name === 'qr') return x;
  for (let i = 0; i < rows; ++i) {
    for (let j = 0; j < i; ++j) x[j * rows + i] = x[i * rows + j];
    if (name === 'cholesky') x[i * rows + i] += rows;
  }
  return x;
}
