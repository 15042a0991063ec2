// node scripts/peers/lanczos.mjs [turns] [threads] [operator …]: `lanczos` against SciPy's `eigsh` for the same products, in f64 and
// call by call in turns: a child process runs SciPy. Operators: 100 × 100, 1,000 × 1,000 and 2,000 × 2,000 matrices, and the
// five-point Laplacian of 50 × 50 and 300 × 300 points (ours a stencil, SciPy's a sparse matrix). Both begin with the same vector.
//
// 1. As many steps in one pass: `eigsh` with as large a basis (`ncv`) and a tolerance that is met at once. Products are
//    counted on both sides, and the largest Ritz values must be the same within 1e-5.
// 2. The largest eigenvalue to 1e-8 of itself: `eigsh` with its own basis of 20 vectors and restarts, `lanczos` with as many
//    steps as that takes; but for the largest stencil. Products of each.
//
// Prints a line each: milliseconds, of processors on one thread and of the clock on several, the least and the median of the
// turns, and which share of SciPy's ours are.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Device, Tensor } from 'orthokit';
import { poissonOperator } from 'orthokit/constrained';
import { lanczos, matrixOperator } from 'orthokit/solvers';
import { clockOf, least, startPeer } from './peer.mjs';
import { median } from './turns.mjs';

const [turns = 5, threads = 1] = process.argv.slice(2, 4).map(Number);
const accuracy = 1e-8;
const device = Device.open('cpu', { threads });
const folder = mkdtempSync(path.join(tmpdir(), 'orthokit-peer-'));

/** A symmetric matrix of normal numbers, as an operator, and its file. */
async function dense(n) {
  const half = await Tensor.randn(device, [n, n], { seed: n, dtype: 'f64' }).read();
  const list = Float64Array.from({ length: n * n }, (_, at) => half[at] + half[(at % n) * n + Math.floor(at / n)]);
  const file = path.join(folder, `matrix-${n}`);
  writeFileSync(file, list);
  const a = Tensor.from(device, list, [n, n]);
  return { operator: matrixOperator(a), request: { kind: 'dense', n, file } };
}

const stencil = (side) => ({
  operator: poissonOperator(device, [side, side]),
  request: { kind: 'stencil', n: side * side, side },
});

const operators = {
  'dense-100': { make: () => dense(100), steps: 60, isWhole: true },
  'dense-1000': { make: () => dense(1000), steps: 100, isWhole: true },
  'dense-2000': { make: () => dense(2000), steps: 100, isWhole: true },
  'stencil-50': { make: () => stencil(50), steps: 100, isWhole: true },
  'stencil-300': { make: () => stencil(300), steps: 100 },
};
const names = process.argv.length > 4 ? process.argv.slice(4) : Object.keys(operators);
const unknown = names.filter((name) => !Object.hasOwn(operators, name));
if (unknown.length > 0) throw new Error(`there is no ${unknown}; operators: ${Object.keys(operators).join(' ')}`);

/** Steps after which the largest Ritz value is as near as is asked: to those of a run of more steps. */
async function stepsTo(operator, v0, value) {
  let [low, high] = [1, 16];
  const isThere = async (steps) => {
    const { ritz } = await lanczos(operator, { steps, v0 });
    return Math.abs(ritz.at(-1) - value) <= accuracy * value;
  };
  while (!(await isThere(high))) [low, high] = [high, 2 * high];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (await isThere(middle)) high = middle;
    else low = middle;
  }
  return high;
}

const clock = clockOf(threads);

async function timed(work) {
  const begin = clock();
  const result = await work();
  return [clock() - begin, result];
}

const peer = startPeer('lanczos_peer.py', [threads], threads);
try {
  for (const name of names) {
    const { make, steps, isWhole } = operators[name];
    const { operator, request } = await make();
    const v0 = Tensor.randn(device, [request.n], { seed: 1, dtype: 'f64' });
    const start = path.join(folder, 'start');
    writeFileSync(start, await v0.read());
    const { version, largest } = await peer.ask({ ...request, start });
    const forms = [{ form: `${steps} steps`, steps, ncv: steps, tol: 1e10 }];
    if (isWhole)
      forms.push({ form: `to ${accuracy}`, steps: await stepsTo(operator, v0, largest), ncv: 20, tol: accuracy });
    for (const { form, ncv, tol, steps: own } of forms) {
      const [ours, theirs] = [[], []];
      let [value, other, products] = [];
      for (let turn = 0; turn <= turns; ++turn) {
        const [ms, { ritz, iterations }] = await timed(() => lanczos(operator, { steps: own, v0 }));
        const answer = await peer.ask({ ncv, tol });
        [value, other, products] = [ritz.at(-1), answer, iterations];
        if (turn === 0) continue;
        ours.push(ms);
        theirs.push(answer.milliseconds);
      }
      const apart = Math.abs(value - other.value) / other.value;
      // A pass of SciPy's ends with a step of a restart.
      if (!(apart <= (tol === accuracy ? 3 * accuracy : 1e-5))) throw new Error(`${name}: ${value} and ${other.value}`);
      // SciPy asks for one more, of the start.
      if (tol !== accuracy && other.products - products > 1) throw new Error(`${name}: ${products} products and ${other.products}`); // biome-ignore format: one line
      const [a, b] = [ours, theirs].map((times) => [least(times), median(times)]);
      console.log(
        `${name}, ${form}, ${threads} ${threads === 1 ? 'thread' : 'threads'} (SciPy ${version}): ${a[0].toFixed(2)} ms against ${b[0].toFixed(2)}, ` +
          `the median ${a[1].toFixed(2)} against ${b[1].toFixed(2)}; products ${products} and ${other.products}; ` +
          `ours take ${(a[0] / b[0]).toFixed(2)} of their time, of medians ${(a[1] / b[1]).toFixed(2)}; apart ${apart.toExponential(0)}`,
      );
    }
    v0.dispose();
  }
} finally {
  rmSync(folder, { recursive: true });
  await peer.end();
}
await device.close();
