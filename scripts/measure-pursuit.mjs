#!/usr/bin/env node
// Measures the forms of omp on this machine and writes lib/sparse/rates.ts, by which `algorithm: 'auto'` chooses among them.
// usage: node scripts/measure-pursuit.mjs [--print]
// Operations a second of one thread; --print writes to the terminal only. Takes some minutes.
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { Device, Dictionary, omp, ops, Tensor } from '../dist/index.js';
import { secondsOnProcessor } from './peers/processor-time.mjs';

const { values: options } = parseArgs({ options: { print: { type: 'boolean' } } });
const sizes = { n: [500, 4000], d: [64, 512, 4096], k: [8, 64] };
const signals = 64;
const runs = 3;
const device = Device.open('cpu', { threads: 1 });

/** Operations a second of the quickest of a few runs. */
async function rate(operations, run) {
  let best = Infinity;
  for (let i = 0; i < runs; i++) best = Math.min(best, await secondsOnProcessor(run));
  return Number((operations / best).toPrecision(2));
}

/** Runs `body`, and disposes what it kept. */
async function scope(body) {
  const kept = [];
  const keep = (x) => kept.push(x) && x;
  const result = await body(keep);
  for (const x of kept) x.dispose();
  return result;
}

const random = (dtype, shape) => Tensor.randn(device, shape, { seed: shape[0], dtype });

/** The forms of a pursuit and what they need once. */
const pursuits = (dtype, n, d) =>
  scope(async (keep) => {
    const atoms = keep(random(dtype, [n, d]));
    const y = keep(random(dtype, [signals, d]));
    const dictionary = keep(new Dictionary(atoms));
    const pursue = (k, algorithm) => async () => (await omp(dictionary, y, { k, algorithm })).dispose();
    await pursue(1, 'gram')(); // norms and Gram matrix
    const [gram, gemm] = [[], []];
    for (const k of sizes.k) {
      gram.push(await rate(signals * (2 * n * d + n * k * k), pursue(k, 'gram')));
      gemm.push(await rate(signals * 2 * n * d * k, pursue(k, 'gemm')));
    }
    const product = await rate(n * n * d, async () => {
      const other = new Dictionary(atoms);
      other.gram();
      await device.synchronize();
      other.dispose();
    });
    return { gram, gemm, product };
  });

const correlations = (dtype, n, d) =>
  scope((keep) => {
    const [x, atoms] = [keep(random(dtype, [signals, d])), keep(random(dtype, [n, d]))];
    const out = keep(new Tensor(device, [signals, n], dtype));
    return rate(signals * 2 * n * d, async () => {
      ops.correlations(device, { x, atoms, out });
      await device.synchronize();
    });
  });

const combination = (dtype, n, k) =>
  scope((keep) => {
    const [x, coefficients] = [keep(random(dtype, [n, n])), keep(random(dtype, [signals, k]))];
    const places = Int32Array.from({ length: signals * k }, (_, i) => (i * 997) % n);
    const indices = keep(Tensor.from(device, places, [signals, k]));
    const out = keep(new Tensor(device, [signals, n], dtype));
    return rate(signals * 2 * n * k, async () => {
      ops.combineRows(device, { x, indices, coefficients, out });
      await device.synchronize();
    });
  });

async function measure(dtype) {
  const byN = [];
  for (const n of sizes.n) {
    const byD = [];
    for (const d of sizes.d) byD.push(await pursuits(dtype, n, d));
    byN.push(byD);
  }
  const of = (name) => byN.map((byD) => byD.map((found) => found[name]));
  const largest = sizes.n.at(-1);
  const products = [];
  for (const d of sizes.d) products.push(await correlations(dtype, largest, d));
  const sums = [];
  for (const k of sizes.k) sums.push(await combination(dtype, largest, k));
  return { gram: of('gram'), gemm: of('gemm'), product: of('product'), correlations: products, combination: sums };
}

const rates = { f32: await measure('f32'), f64: await measure('f64') };
const { isa } = device.info;
await device.close();
const text = `// Written by scripts/measure-pursuit.mjs on ${os.cpus()[0].model}, ${isa}, one thread: operations a second.

import type { RateSizes, Rates } from './rate-table.ts';

export const sizes: RateSizes = ${JSON.stringify(sizes)};

export const rates: Record<'f32' | 'f64', Rates> = ${JSON.stringify(rates)};
`;
if (options.print) {
  console.log(text);
} else {
  const file = path.join(import.meta.dirname, '../lib/sparse/rates.ts');
  writeFileSync(file, text);
  const biome = path.join(import.meta.dirname, '../node_modules/@biomejs/biome/bin/biome');
  spawnSync(process.execPath, [biome, 'format', '--write', file], { stdio: 'inherit' });
}
