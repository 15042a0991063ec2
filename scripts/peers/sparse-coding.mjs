#!/usr/bin/env node
// Races omp against scikit-learn's orthogonal_mp_gram and batched pursuits in PyTorch: signals a second, all in f32, the same
// signals at once, the Gram matrix given; omp on one thread and on two, peers on one. For omp also with the Gram matrix
// counted in: in memory that the process has had, and in memory that the system has to find first.
// usage: node scripts/peers/sparse-coding.mjs [--turns n] [--json] [NxdxkxB …]
// Rates are by the time on a processor of the longest thread, which neighbours do not lengthen, and by the clock on the wall.
// Each turn is a process of its own, peer after peer. ORTHOKIT_PYTHON names the interpreter (default /usr/bin/python3).
// Without shapes: the growth in N, k and B, and those of published figures; peers race two of them, as others take minutes.
import { parseArgs } from 'node:util';
import { secondsOf } from './processor-time.mjs';
import { here, python, race } from './turns.mjs';

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: { turns: { type: 'string', default: '3' }, json: { type: 'boolean' }, own: { type: 'string' } },
});

const shapes = [
  ...['8000x1024x64x128', '4000x1024x64x128', '16000x1024x64x128', '8000x1024x32x128', '8000x1024x64x32'],
  ...['2000x256x32x1024', '1024x256x32x5000', '1207x8064x30x1200', '2048x512x64x5000'],
];
const raced = ['8000x1024x64x32', '2000x256x32x1024'];

if (options.own) await own(...options.own.split('x').map(Number));
else raceAll();

/** One process of orthokit: its line, in milliseconds for all signals. */
async function own(n, length, k, signals, threads) {
  const { Device, Dictionary, omp, reconstruct, Tensor } = await import('../../dist/index.js');
  const device = Device.open('cpu', { threads });
  const atoms = Tensor.randn(device, [n, length], { seed: 1 });
  const y = Tensor.randn(device, [signals, length], { seed: 2 });
  await device.synchronize();
  let dictionary, code;
  const select = 'unit'; // as if atoms were normalized, which the peers are given
  const pursue = async () => (code = await omp(dictionary, y, { k, select, algorithm: 'gram' }));
  const withGram = [];
  for (let i = 0; i < 3; i++) {
    code?.dispose();
    dictionary?.dispose();
    dictionary = new Dictionary(atoms);
    withGram.push(await secondsOf(pursue));
  }
  const times = [];
  for (let i = 0; i < 5; i++) {
    code.dispose();
    times.push(await secondsOf(pursue));
  }
  const residual = meanResidual(await reconstruct(code, dictionary).read(), await y.read(), signals);
  const least = (seconds, clock) => 1e3 * Math.min(...seconds.map((time) => time[clock]));
  const line = {
    peer: threads > 1 ? `orthokit, ${threads} threads` : 'orthokit',
    version: device.info.isa,
    median_ms: least(times, 'processor'),
    min_ms: least(times, 'processor'),
    wall_ms: least(times, 'wall'),
    with_gram_ms: least(withGram, 'processor'),
    with_gram_wall_ms: least(withGram, 'wall'),
    with_gram_first_ms: 1e3 * withGram[0].processor,
    residual,
    peak_bytes: process.resourceUsage().maxRSS * 1024,
  };
  console.log(JSON.stringify(line));
  await device.close();
}

/** Mean of |y − approximation| / |y| over the signals. */
function meanResidual(sums, rows, signals) {
  const length = rows.length / signals;
  let residual = 0;
  for (let b = 0; b < signals; b++) {
    let [left, whole] = [0, 0];
    for (let i = b * length; i < (b + 1) * length; i++) {
      left += (rows[i] - sums[i]) ** 2;
      whole += rows[i] ** 2;
    }
    residual += Math.sqrt(left / whole) / signals;
  }
  return residual;
}

function racersOf(shape) {
  const words = shape.split('x');
  const ofOwn = (threads) => ({
    command: [process.execPath, here('sparse-coding.mjs'), '--own', `${shape}x${threads}`],
  });
  const ofPython = (name) => ({ command: [python, here('omp_peer.py'), name, ...words] });
  const ours = [
    ['orthokit', ofOwn(1)],
    ['orthokit, 2 threads', ofOwn(2)],
  ];
  const peers = ['torch-gram', 'torch-products', 'sklearn'].map((name) => [name, ofPython(name)]);
  return new Map(positionals.length > 0 || raced.includes(shape) ? [...ours, ...peers] : ours);
}

function raceAll() {
  for (const shape of positionals.length > 0 ? positionals : shapes) {
    const signals = Number(shape.split('x').at(-1));
    const lines = race(racersOf(shape), Number(options.turns));
    const ours = lines.get('orthokit');
    for (const [peer, line] of lines) {
      const rate = (key) => (1e3 * signals) / line[key];
      if (options.json) console.log(JSON.stringify({ ...line, peer, shape, signals }));
      else if (line.skipped) console.log(`${shape.padEnd(18)} ${peer}: ${line.skipped}`);
      else
        console.log(
          `${shape.padEnd(18)} ${peer.padEnd(20)} ${rate('median_ms').toFixed(1).padStart(9)} signals/s  ` +
            `×${(line.median_ms / ours.median_ms).toFixed(1).padStart(6)}  |r|/|y| ${line.residual.toFixed(4)}  ${line.version}` +
            (line.wall_ms
              ? `, on the wall ${rate('wall_ms').toFixed(1)}, with the Gram matrix ${rate('with_gram_ms').toFixed(0)}, ` +
                `in new memory ${rate('with_gram_first_ms').toFixed(0)}, peak ${(line.peak_bytes / 2 ** 20).toFixed(0)} MB`
              : ''),
        );
    }
  }
}
