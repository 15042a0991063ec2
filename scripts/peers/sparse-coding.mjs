#!/usr/bin/env node
// Races omp against scikit-learn's orthogonal_mp_gram and batched pursuits in PyTorch: signals a second of time on a
// processor, the Gram matrix given; omp on one thread and on two, peers on one. For omp also with the Gram matrix counted
// in: in memory that the process has had, and in memory that the system has to find first.
// usage: node scripts/peers/sparse-coding.mjs [--turns n] [--json] [NxdxkxB …]
// Each turn is a process of its own, peer after peer. Slow peers get fewer signals. ORTHOKIT_PYTHON names the interpreter
// (default /usr/bin/python3). Without shapes: the growth in N, k and B, and those of published figures.
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { secondsOnProcessor as seconds } from './processor-time.mjs';

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: { turns: { type: 'string', default: '3' }, json: { type: 'boolean' }, own: { type: 'string' } },
});

if (options.own) await own(...options.own.split('x').map(Number));
else race();

/** One process of orthokit: its line. */
async function own(n, length, k, signals, threads) {
  const { Device, Dictionary, omp, reconstruct, Tensor } = await import('../../dist/index.js');
  const device = Device.open('cpu', { threads });
  const atoms = Tensor.randn(device, [n, length], { seed: 1 });
  const y = Tensor.randn(device, [signals, length], { seed: 2 });
  await device.synchronize();
  let dictionary, code;
  const select = 'unit'; // as if atoms were normalized, which the peers are given
  const withGram = [];
  for (let i = 0; i < 4; i++) {
    code?.dispose();
    dictionary?.dispose();
    dictionary = new Dictionary(atoms);
    withGram.push(await seconds(async () => (code = await omp(dictionary, y, { k, select, algorithm: 'gram' }))));
  }
  const times = [];
  for (let i = 0; i < 5; i++)
    times.push(
      await seconds(async () => {
        code.dispose();
        code = await omp(dictionary, y, { k, select, algorithm: 'gram' });
      }),
    );
  const [sums, rows] = [await reconstruct(code, dictionary).read(), await y.read()];
  let residual = 0;
  for (let b = 0; b < signals; b++) {
    let [left, whole] = [0, 0];
    for (let i = b * length; i < (b + 1) * length; i++) {
      left += (rows[i] - sums[i]) ** 2;
      whole += rows[i] ** 2;
    }
    residual += Math.sqrt(left / whole) / signals;
  }
  const peer = threads > 1 ? `orthokit, ${threads} threads` : 'orthokit';
  const per = {
    per_second: signals / Math.min(...times),
    with_gram: signals / Math.min(...withGram),
    with_gram_first: signals / withGram[0],
  };
  const peak = process.resourceUsage().maxRSS * 1024;
  console.log(JSON.stringify({ peer, version: device.info.isa, ...per, residual, peak_bytes: peak }));
  await device.close();
}

function race() {
  const shapes =
    positionals.length > 0
      ? positionals
      : [
          ...['8000x1024x64x128', '4000x1024x64x128', '16000x1024x64x128', '8000x1024x32x128', '8000x1024x64x32'],
          ...['1024x256x32x5000', '1207x8064x30x1200', '2048x512x64x5000', '2000x256x32x1024'],
        ];
  const python = process.env.ORTHOKIT_PYTHON ?? '/usr/bin/python3';
  const here = (file) => path.join(import.meta.dirname, file);
  const ofPython = (name, most) => (shape) => {
    const [n, d, k, signals] = shape;
    return [python, here('omp_peer.py'), name, n, d, k, Math.min(signals, most)];
  };
  const ofOwn = (threads) => (shape) => [
    process.execPath,
    here('sparse-coding.mjs'),
    '--own',
    [...shape, threads].join('x'),
  ];
  const peers = [
    ofOwn(1),
    ofOwn(2),
    ofPython('torch-gram', 64),
    ofPython('torch-products', 64),
    ofPython('sklearn', 16),
  ];
  const env = { ...process.env, OMP_NUM_THREADS: '1', OPENBLAS_NUM_THREADS: '1', MKL_NUM_THREADS: '1' };
  for (const shape of shapes) {
    const best = new Map();
    for (let turn = 0; turn < Number(options.turns); turn++)
      for (const [i, peer] of peers.entries()) {
        const [program, ...words] = peer(shape.split('x').map(Number)).map(String);
        const { status, stdout, stderr } = spawnSync(program, words, { encoding: 'utf8', env, timeout: 300_000 });
        const line =
          status === 0 ? JSON.parse(stdout.trim()) : { peer: words[1], skipped: stderr.trim().split('\n').at(-1) };
        best.set(i, best.has(i) ? better(best.get(i), line) : line);
      }
    for (const line of best.values()) {
      if (options.json) console.log(JSON.stringify({ shape, ...line }));
      else if (line.skipped) console.log(`${shape.padEnd(18)} ${line.peer}: ${line.skipped}`);
      else
        console.log(
          `${shape.padEnd(18)} ${line.peer.padEnd(20)} ${line.per_second.toFixed(1).padStart(9)} signals/s  ` +
            `×${(best.get(0).per_second / line.per_second).toFixed(1).padStart(6)}  |r|/|y| ${line.residual.toFixed(4)}  ${line.version}` +
            (line.with_gram
              ? `, ${line.with_gram.toFixed(0)} with the Gram matrix, ${line.with_gram_first.toFixed(0)} in new memory, peak ${(line.peak_bytes / 2 ** 20).toFixed(0)} MB`
              : ''),
        );
    }
  }
}

/** Of two turns the larger rates. */
function better(a, b) {
  if (a.skipped || b.skipped) return a.skipped ? b : a;
  const rates = ['per_second', 'with_gram', 'with_gram_first'].filter((name) => name in a);
  return { ...a, ...Object.fromEntries(rates.map((name) => [name, Math.max(a[name], b[name])])) };
}
