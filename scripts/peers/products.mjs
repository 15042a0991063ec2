// node scripts/peers/products.mjs [--isa avx512|avx2] [--form nn|nt|tn] [case …]: products by OpenBLAS's time, as a table. A case is
// [batch x]m x k x n, as 20000x4x64 or 1000x8x8x8, of f32 and f64. OpenBLAS (Debian: libopenblas-serial-dev) has one thread; ours
// has one, by CPU time, and two, on the wall. Both run in turn in one process; below 1 ours is faster.
import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { root } from './sections.mjs';
import { number, table } from './table.mjs';
import { plainEnvironment } from './turns.mjs';

const known = [
  // The shapes of `orthokit_bench gemm`.
  ...['1024x1024x1024', '128x784x256', '768x128x512', '512x512x512', '784x128x10', '100000x4x4', '512x512x17'],
  // Small, alone and in batches.
  ...['16x16x16', '33x33x33', '65x65x65', '129x129x129', '256x256x256', '1000x3x3x3', '1000x8x8x8', '200x32x32x32'],
  // One side or two are short.
  ...['100000x2x2', '100000x6x6', '100000x8x8', '50000x8x2', '20000x4x64', '20000x64x4', '10000x64x16', '1000x30x10'],
  ...['8x8x10000', '100x5x1000', '784x10x128', '512x17x512', '24x129x17x129', '64x64x10000', '31x4097x33'],
  ...['1000x1000x1', '1000x1000x2', '1x1000x1000', '3x1000x1000', '4x4096x1024', '65x3x530x2'],
];
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { isa: { type: 'string', default: 'avx512' }, form: { type: 'string', default: 'nn' } },
});
// OpenBLAS chooses its kernels by another variable.
const cores = { avx512: 'SkylakeX', avx2: 'Haswell' };
const env = { ...plainEnvironment, ORTHOKIT_CPU: values.isa, OPENBLAS_CORETYPE: cores[values.isa] };
const bench = path.join(root, 'build', 'cpu', 'orthokit_bench');

function lineOf(shape, dtype, threads) {
  const sides = shape.split('x');
  const [m, k, n] = sides.slice(-3);
  const matrix = (...side) => `${dtype}[${[...sides.slice(0, -3), ...side].join('x')}]`;
  const [turnsA, turnsB] = [...values.form].map((letter) => letter === 't');
  const a = turnsA ? [`a=${matrix(k, m)}`, 'transA=transposed'] : [`a=${matrix(m, k)}`];
  const b = turnsB ? [`b=${matrix(n, k)}`, 'transB=transposed'] : [`b=${matrix(k, n)}`];
  const words = ['gemm', ...a, ...b, `c=${matrix(m, n)}`, '--threads', `${threads}`];
  return JSON.parse(execFileSync(bench, words, { env }));
}

const rows = (positionals.length ? positionals : known).map((shape) => {
  const cells = ['f32', 'f64'].flatMap((dtype) => {
    const [one, two] = [1, 2].map((threads) => lineOf(shape, dtype, threads));
    return [one.median_ms, one.ratio_to_baseline, two.ratio_to_baseline].map(number);
  });
  return [shape, ...cells];
});
const heads = (dtype) => [`${dtype}, ms`, 'by OpenBLAS', 'on two threads'];
console.log(table(['m×k×n', ...heads('f32'), ...heads('f64')], rows));
