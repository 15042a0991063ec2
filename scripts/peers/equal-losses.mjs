// node scripts/peers/equal-losses.mjs digits [turns] [seed]: the problem of the experiment `fairness`, softmax regression of three
// digits whose expected errors are the same; or
// node scripts/peers/equal-losses.mjs [classes] [features] [samples] [turns]: softmax regression of random samples under the
// constraint that all classes have the same mean loss. By adaSketchNewton with direct solves and with block sketches, on one
// thread, against SciPy's SLSQP, which gets the same functions but for the Hessian. Each runs in processes of its own, in turns.
// A process solves the problem several times: the first one holds what code that runs for the first time costs.
// Prints a line each: milliseconds of processors, steps, the value and the largest violation of a constraint.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Device, ops, Tensor } from 'orthokit';
import { adaSketchNewton } from 'orthokit/constrained';
import * as fairness from '../experiments/fairness/problem.mjs';
import { splitmix } from '../splitmix.mjs';
import { clockOf } from './peer.mjs';
import { here, python, race } from './turns.mjs';

const l2 = 1e-2;
/** Solves of one process; but the first one runs code that has run before. */
const solves = 12;

if (process.argv[2] === '--run') await run(process.argv[3], process.argv[4], process.argv.slice(5).map(Number));
else if (process.argv[2] === 'digits') compareDigits(...process.argv.slice(3).map(Number));
else compare(process.argv.slice(2).map(Number));

/**
 * Softmax regression whose classes have equal losses, or equal expected errors, as functions on arrays. What functions share at a
 * point is computed once, as for SciPy; sums over the samples are products on the device.
 */
function problemOf(equal, device, x, y, classes, d) {
  const n = y.length;
  const constraints = classes - 1;
  const size = classes * d;
  const counts = new Float64Array(classes);
  for (const label of y) counts[label] += 1;
  /** The weight by which a sample of a class counts in each constraint. */
  const partOf = (label, k) => {
    if (label === k) return 1 / counts[k];
    return label === (equal === 'losses' ? k + 1 : classes - 1) ? -1 / counts[label] : 0;
  };
  const make = (...shape) => new Tensor(device, shape, 'f64');
  const samples = Tensor.from(device, x, [n, d]);
  const [weights, logits] = [make(classes, d), make(n, classes)];
  const [slopes, sums] = [make(n, classes * classes), make(classes * classes, d)];
  const pairs = [];
  for (let a = 0; a < classes; ++a) for (let b = 0; b <= a; ++b) pairs.push([a, b]);
  const [shares, scaled, blocks] = [make(pairs.length, n), make(n, d), make(pairs.length * d, d)];
  const rows = pairs.map((_, i) => [shares.rows(i, i + 1).reshape([n]), blocks.rows(i * d, (i + 1) * d)]);

  let at;
  /** Chances less the own class, losses and right chances of all samples. */
  const look = async (w) => {
    if (at?.w.every((value, i) => value === w[i])) return at;
    weights.write(w);
    ops.gemm(device, { a: samples, b: weights, c: logits, transB: 'transposed' });
    const q = await logits.read();
    const [losses, right] = [new Float64Array(n), new Float64Array(n)];
    for (let i = 0; i < n; ++i) {
      const from = i * classes;
      let top = -Infinity;
      for (let k = 0; k < classes; ++k) top = Math.max(top, q[from + k]);
      const own = q[from + y[i]];
      let total = 0;
      for (let k = 0; k < classes; ++k) total += q[from + k] = Math.exp(q[from + k] - top);
      for (let k = 0; k < classes; ++k) q[from + k] /= total;
      losses[i] = Math.log(total) + top - own;
      right[i] = q[from + y[i]];
      q[from + y[i]] -= 1;
    }
    at = { w, q, losses, right };
    return at;
  };
  /** The gradient of the mean loss, and the rows of the Jacobian below it. */
  const slopesAt = async (w) => {
    const seen = await look(w);
    if (seen.sums) return seen.sums;
    const list = new Float64Array(n * classes * classes);
    for (let i = 0, to = 0; i < n; ++i)
      for (let of = 0; of < classes; ++of) {
        // The slope of an expected error is the right chance times that of the loss.
        const share = of === 0 ? 1 / n : partOf(y[i], of - 1) * (equal === 'losses' ? 1 : seen.right[i]);
        for (let k = 0; k < classes; ++k) list[to++] = share * seen.q[i * classes + k];
      }
    slopes.write(list);
    ops.gemm(device, { a: slopes, b: samples, c: sums, transA: 'transposed' });
    seen.sums = await sums.read();
    return seen.sums;
  };
  return {
    forget() {
      at = undefined;
    },
    variables: size,
    constraints,
    async value(w) {
      const { losses } = await look(w);
      let [sum, squares] = [0, 0];
      for (let i = 0; i < n; ++i) sum += losses[i];
      for (let j = 0; j < size; ++j) squares += w[j] * w[j];
      return sum / n + (l2 / 2) * squares;
    },
    async gradient(w, out) {
      const all = await slopesAt(w);
      for (let j = 0; j < size; ++j) out[j] = all[j] + l2 * w[j];
    },
    async constraint(w, out) {
      const { losses, right } = await look(w);
      out.fill(0);
      for (let i = 0; i < n; ++i)
        for (let k = 0; k < constraints; ++k)
          out[k] += partOf(y[i], k) * (equal === 'losses' ? losses[i] : 1 - right[i]);
    },
    async jacobian(w, out) {
      out.set((await slopesAt(w)).subarray(size));
    },
    async hessian(w, lambda, out) {
      const { q, right } = await look(w);
      const list = new Float64Array(pairs.length * n);
      for (let i = 0; i < n; ++i) {
        let part = 0;
        for (let k = 0; k < constraints; ++k) part += lambda[k] * partOf(y[i], k);
        const share = 1 / n + part * (equal === 'losses' ? 1 : right[i]);
        const bent = equal === 'losses' ? 0 : part * right[i];
        for (let pair = 0; pair < pairs.length; ++pair) {
          const [a, b] = pairs[pair];
          const [qa, qb] = [q[i * classes + a], q[i * classes + b]];
          const [pa, pb] = [a === y[i] ? qa + 1 : qa, b === y[i] ? qb + 1 : qb];
          list[pair * n + i] = share * pa * ((a === b ? 1 : 0) - pb) - bent * qa * qb;
        }
      }
      shares.write(list);
      for (const [scale, block] of rows) {
        ops.scaleAxis(device, { x: samples, scale, axis: 0, out: scaled });
        ops.gemm(device, { a: samples, b: scaled, c: block, transA: 'transposed' });
      }
      const found = await blocks.read();
      for (let pair = 0; pair < pairs.length; ++pair) {
        const [a, b] = pairs[pair];
        for (let j = 0; j < d; ++j)
          for (let k = 0; k < d; ++k) {
            // Either of the two, so that the matrix is symmetric in each bit.
            const value = found[(pair * d + Math.max(j, k)) * d + Math.min(j, k)] + (a === b && j === k ? l2 : 0);
            out[(a * d + j) * size + b * d + k] = value;
            out[(b * d + k) * size + a * d + j] = value;
          }
      }
    },
  };
}

async function run(kind, folder, [classes, d, _, tol]) {
  const buffer = (name) => new Uint8Array(readFileSync(path.join(folder, name))).buffer;
  const [x, y] = [new Float64Array(buffer('x')), new Int32Array(buffer('y'))];
  const device = Device.open('cpu', { threads: 1 });
  const [of, sketch] = kind.split(' ');
  const problem = problemOf(of, device, x, y, classes, d);
  const clock = clockOf();
  const times = [];
  let end;
  for (let solve = 0; solve < (sketch === 'direct' ? solves : 1); ++solve) {
    problem.forget();
    const begin = clock();
    end = await adaSketchNewton(problem, new Float64Array(classes * d), new Float64Array(classes - 1), {
      sketch,
      tol,
      device,
    });
    times.push(clock() - begin);
  }
  const [first, ms] = [times[0], Math.min(...times)];
  const missed = new Float64Array(classes - 1);
  await problem.constraint(end.x, missed);
  const violation = missed.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const { status, iterations, value } = end;
  console.log(JSON.stringify({ median_ms: ms, min_ms: ms, first_ms: first, value, violation, iterations, status }));
}

function compareDigits(turns = 3, seed = 1) {
  const { x, labels, count } = fairness.samplesOf('full', seed).train;
  raceOn('errors', { x, y: labels }, [fairness.digits.length, fairness.width, count], turns);
}

function compare([classes = 10, d = 40, samples = 500, turns = 3]) {
  const next = splitmix(1);
  const normal = () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
  const y = Int32Array.from({ length: samples }, (_, i) => i % classes);
  const centres = Float64Array.from({ length: classes * d }, normal);
  // Classes that are spread differently, so that their losses differ where nothing asks them not to.
  const x = Float64Array.from({ length: samples * d }, (_, at) => {
    const [i, j] = [Math.floor(at / d), at % d];
    return j === d - 1 ? 1 : 0.5 * centres[y[i] * d + j] + (0.5 + y[i] / classes) * normal();
  });
  raceOn('losses', { x, y }, [classes, d, samples], turns);
}

/** Races on data of classes that are to have equal `losses` or `errors`; sizes are classes, features and samples. */
function raceOn(equal, data, sizes, turns) {
  const folder = mkdtempSync(path.join(tmpdir(), 'orthokit-'));
  try {
    for (const [name, list] of Object.entries(data)) writeFileSync(path.join(folder, name), list);
    const [classes, d, samples] = sizes;
    const words = [folder, ...sizes];
    const own = (sketch) => [process.execPath, import.meta.filename, '--run', `${equal} ${sketch}`, ...words, 1e-6];
    const racers = new Map([
      ['direct', { command: own('direct') }],
      ['block', { command: own('block'), most: 1, timeout: 120_000 }],
      ["SciPy's SLSQP", { command: [python, here('equal_losses_peer.py'), equal, ...words, 1e-10, solves] }],
    ]);
    console.log(`equal ${equal}, ${classes} classes of ${d} features, ${samples} samples, ${classes * d} variables, one thread`); // biome-ignore format: one line
    const found = race(racers, turns);
    for (const [name, line] of found) {
      if (line.skipped) {
        console.log(`${name}: ${line.skipped}`);
        continue;
      }
      const { min_ms, first_ms, value, violation, iterations, status } = line;
      const times = (min_ms / found.get('direct').min_ms).toFixed(1);
      console.log(`${name}: ${min_ms.toFixed(1)} ms (${times} x), the first of a process ${first_ms.toFixed(0)}, ${iterations} steps, value ${value.toFixed(9)}, violation ${violation.toExponential(1)}, ${status}`); // biome-ignore format: one line
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
}
