// node scripts/peers/low-rank.mjs [rows] [columns] [entries of a row] [rank] [rounds] [turns]: completion of a matrix by
// alternating least squares, on one thread, against PyTorch: a loop over rows, and a batch of them. Each runs in processes of
// its own, in turns; errors are compared. Prints a line each: seconds of the processor for all and for a round, the median of
// the turns, how many times ours they are, and by how much the memory of the process grew; of ours, on the device too.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Device } from 'orthokit';
import { completeMatrix } from 'orthokit/lowrank';
import { splitmix } from '../splitmix.mjs';
import { here, median, plainEnvironment, python } from './turns.mjs';

if (process.argv[2] === '--run') await run(process.argv[3], process.argv.slice(4).map(Number));
else compare(process.argv.slice(2).map(Number));

/** One completion, in this process. */
async function run(folder, [rows, columns, rank, rounds]) {
  const list = (name) => readFileSync(path.join(folder, name)).buffer;
  const entries = {
    rows: new Int32Array(list('rows')),
    cols: new Int32Array(list('cols')),
    values: new Float32Array(list('values')),
    shape: [rows, columns],
  };
  const device = Device.open('cpu', { threads: 1 });
  const before = process.resourceUsage().maxRSS;
  const seconds = () => process.cpuUsage().user + process.cpuUsage().system;
  const begin = seconds();
  const ends = [];
  const { trainRmse } = await completeMatrix(entries, {
    rank,
    device,
    maxIterations: rounds,
    tol: 0,
    onProgress: () => ends.push(seconds()),
  });
  const ms = (seconds() - begin) / 1000;
  const round_ms = (ends.at(-1) - ends[0]) / 1000 / (rounds - 1);
  const bytes = 1024 * (process.resourceUsage().maxRSS - before);
  console.log(JSON.stringify({ ms, round_ms, rmse: trainRmse, bytes, device: device.info.memory.peak }));
}

function compare([rows = 100_000, columns = 10_000, each = 100, rank = 16, rounds = 5, turns = 3]) {
  const folder = mkdtempSync(path.join(tmpdir(), 'orthokit-'));
  try {
    const size = writeEntries(folder, rows, columns, each, rank);
    const words = [folder, rows, columns, rank, rounds];
    const peer = (form) => [python, [here('low_rank_peer.py'), form, ...words]];
    const forms = {
      orthokit: [process.execPath, [import.meta.filename, '--run', ...words]],
      'PyTorch, batched': peer('batched'),
      'PyTorch, loop': peer('loop'),
    };
    const found = Object.fromEntries(Object.keys(forms).map((name) => [name, []]));
    for (let turn = 0; turn < turns; ++turn)
      for (const [name, command] of Object.entries(forms)) found[name].push(answerOf(...command));
    console.log(`${size} entries of ${rows} x ${columns}, rank ${rank}, ${rounds} rounds, one thread, f32`);
    const of = (name, key) => median(found[name].map((answer) => answer[key]));
    for (const name of Object.keys(forms)) {
      const times = (key) =>
        `${(of(name, key) / 1000).toFixed(2)} s (${(of(name, key) / of('orthokit', key)).toFixed(1)} x)`;
      const [{ device, version }] = found[name];
      const more = device ? `, on the device ${(device / 1e6).toFixed(0)} MB` : `, ${version}`;
      console.log(
        `${name}: ${times('ms')}, a round ${times('round_ms')}, ${(of(name, 'bytes') / 1e6).toFixed(0)} MB${more}, error ${of(name, 'rmse').toPrecision(4)}`,
      );
      if (!(Math.abs(Math.log2(of(name, 'rmse') / of('orthokit', 'rmse'))) < 1))
        throw new Error(`${name}: another error`);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function answerOf(program, words) {
  const env = { ...plainEnvironment, OMP_NUM_THREADS: '1', ORTHOKIT_NUM_THREADS: '1' };
  const options = { env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] };
  const { status, stdout } = spawnSync(program, words.map(String), options);
  if (status !== 0) throw new Error(`${program} ended with ${status}`);
  return JSON.parse(stdout);
}

/** Entries of a product of two random factors and noise, as many in each row, in no order. */
function writeEntries(folder, rows, columns, each, rank) {
  const next = splitmix(1);
  const drawn = (count) => Float32Array.from({ length: count }, () => next() - 0.5);
  const [u, v] = [drawn(rows * rank), drawn(columns * rank)];
  const size = rows * each;
  const order = Int32Array.from({ length: size }, (_, e) => e);
  for (let e = size - 1; e > 0; --e) {
    const other = Math.floor(next() * (e + 1));
    [order[e], order[other]] = [order[other], order[e]];
  }
  const span = Math.floor(columns / each);
  const [i, j, values] = [new Int32Array(size), new Int32Array(size), new Float32Array(size)];
  for (let e = 0; e < size; ++e) {
    const at = order[e];
    const row = Math.floor(e / each);
    const column = (e % each) * span + Math.floor(next() * span);
    let sum = 0.01 * (next() - 0.5);
    for (let c = 0; c < rank; ++c) sum += u[row * rank + c] * v[column * rank + c];
    [i[at], j[at], values[at]] = [row, column, sum];
  }
  for (const [name, list] of Object.entries({ rows: i, cols: j, values })) writeFileSync(path.join(folder, name), list);
  return size;
}
