// node scripts/peers/equal-losses.mjs digits [turns] [seed]: the problem of the experiment `fairness`, softmax regression of three
// digits whose expected errors are the same; or
// node scripts/peers/equal-losses.mjs [classes] [features] [samples] [turns]: softmax regression of random samples under the
// constraint that all classes have the same mean loss. By adaSketchNewton with direct solves and with block sketches, on one
// thread, against SciPy's SLSQP, which gets the same functions but for the Hessian. Each runs in processes of its own, in turns.
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

if (process.argv[2] === '--run') await run(process.argv[3], process.argv[4], process.argv.slice(5).map(Number));
else if (process.argv[2] === 'digits') compareDigits(...process.argv.slice(3).map(Number));
else compare(process.argv.slice(2).map(Number));

/** The problem as functions on arrays: every one of them is a weighted sum over the samples. */
function problemOf(device, x, y, classes, d) {
  const n = y.length;
  const counts = new Float64Array(classes);
  for (const label of y) counts[label] += 1;
  const z = new Float64Array(classes);
  /** Told each sample, its loss, and p less its class. */
  const each = (w, visit) => {
    for (let i = 0; i < n; ++i) {
      let top = -Infinity;
      for (let k = 0; k < classes; ++k) {
        let sum = 0;
        for (let j = 0; j < d; ++j) sum += w[k * d + j] * x[i * d + j];
        z[k] = sum;
        top = Math.max(top, sum);
      }
      const own = z[y[i]];
      let total = 0;
      for (let k = 0; k < classes; ++k) total += z[k] = Math.exp(z[k] - top);
      for (let k = 0; k < classes; ++k) z[k] /= total;
      visit(i, Math.log(total) + top - own, z);
    }
  };
  const classGradients = (w) => {
    const out = Array.from({ length: classes }, () => new Float64Array(classes * d));
    each(w, (i, _, p) => {
      for (let k = 0; k < classes; ++k) {
        const share = (p[k] - (k === y[i] ? 1 : 0)) / counts[y[i]];
        for (let j = 0; j < d; ++j) out[y[i]][k * d + j] += share * x[i * d + j];
      }
    });
    return out;
  };
  const classLosses = (w) => {
    const out = new Float64Array(classes);
    each(w, (i, loss) => {
      out[y[i]] += loss / counts[y[i]];
    });
    return out;
  };
  return {
    variables: classes * d,
    constraints: classes - 1,
    value: (w) =>
      classLosses(w).reduce((sum, loss, k) => sum + (loss * counts[k]) / n, 0) +
      (l2 / 2) * w.reduce((sum, value) => sum + value * value, 0),
    gradient(w, out) {
      for (let at = 0; at < out.length; ++at) out[at] = l2 * w[at];
      for (const [k, list] of classGradients(w).entries())
        for (let at = 0; at < out.length; ++at) out[at] += (counts[k] / n) * list[at];
    },
    constraint(w, out) {
      const losses = classLosses(w);
      for (let k = 0; k + 1 < classes; ++k) out[k] = losses[k] - losses[k + 1];
    },
    jacobian(w, out) {
      const lists = classGradients(w);
      for (let k = 0; k + 1 < classes; ++k)
        for (let at = 0; at < classes * d; ++at) out[k * classes * d + at] = lists[k][at] - lists[k + 1][at];
    },
    async hessian(w, lambda, out) {
      const weights = counts.map((count, k) => 1 / n + ((lambda[k] ?? 0) - (lambda[k - 1] ?? 0)) / count);
      const slopes = [];
      each(w, (i, _, p) => slopes.push({ weight: weights[y[i]], p: p.slice() }));
      const shareOf = (i, a, b) => slopes[i].weight * slopes[i].p[a] * ((a === b ? 1 : 0) - slopes[i].p[b]);
      await bySamples(device, x, [classes, d, n], shareOf, out);
    },
  };
}

/** The problem of the experiment, the Hessian by a product on the device. */
function errorsOf(device, x, labels, classes, d) {
  const count = labels.length;
  const samples = { x, labels, count };
  const sizes = new Float64Array(classes);
  for (const label of labels) sizes[label] += 1;
  return {
    ...fairness.problemOf(samples, true),
    async hessian(w, lambda, out) {
      const p = fairness.chances(samples, w);
      const all = lambda.reduce((sum, value) => sum + value, 0);
      const errors = sizes.map((size, k) => (k === classes - 1 ? -all : lambda[k]) / size);
      const shareOf = (i, a, b) => {
        const [pa, pb, right] = [p[i * classes + a], p[i * classes + b], p[i * classes + labels[i]]];
        const soft = pa * ((a === b ? 1 : 0) - pb);
        const bent = ((a === labels[i] ? 1 : 0) - pa) * ((b === labels[i] ? 1 : 0) - pb) - soft;
        return soft / count - errors[labels[i]] * right * bent;
      };
      await bySamples(device, x, [classes, d, count], shareOf, out);
    },
  };
}

/** out = for each pair of classes Xᵀ diag(shares) X, all by one product on the device, and the penalty. */
async function bySamples(device, x, [classes, d, n], shareOf, out) {
  const size = classes * d;
  const pairs = [];
  for (let a = 0; a < classes; ++a) for (let b = 0; b <= a; ++b) pairs.push([a, b]);
  const width = pairs.length * d;
  const scaled = new Float64Array(n * width);
  let at = 0;
  for (let i = 0; i < n; ++i)
    for (const [a, b] of pairs) {
      const share = shareOf(i, a, b);
      for (let j = 0; j < d; ++j) scaled[at++] = share * x[i * d + j];
    }
  const [all, right] = [Tensor.from(device, x, [n, d]), Tensor.from(device, scaled, [n, width])];
  const product = new Tensor(device, [d, width], 'f64');
  ops.gemm(device, { a: all, b: right, c: product, transA: 'transposed' });
  const found = await product.read();
  for (const one of [all, right, product]) one.dispose();
  for (const [place, [a, b]] of pairs.entries())
    for (let j = 0; j < d; ++j)
      for (let k = 0; k < d; ++k) {
        const value = found[j * width + place * d + k] + (a === b && j === k ? l2 : 0);
        out[(a * d + j) * size + b * d + k] = value;
        out[(b * d + k) * size + a * d + j] = value;
      }
}

async function run(kind, folder, [classes, d, _, tol]) {
  const buffer = (name) => new Uint8Array(readFileSync(path.join(folder, name))).buffer;
  const [x, y] = [new Float64Array(buffer('x')), new Int32Array(buffer('y'))];
  const device = Device.open('cpu', { threads: 1 });
  const [of, sketch] = kind.split(' ');
  const problem = (of === 'errors' ? errorsOf : problemOf)(device, x, y, classes, d);
  const clock = clockOf();
  const begin = clock();
  const end = await adaSketchNewton(problem, new Float64Array(classes * d), new Float64Array(classes - 1), {
    sketch,
    tol,
    device,
  });
  const ms = clock() - begin;
  const missed = new Float64Array(classes - 1);
  problem.constraint(end.x, missed);
  const violation = missed.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const { status, iterations, value } = end;
  console.log(JSON.stringify({ median_ms: ms, min_ms: ms, value, violation, iterations, status }));
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
      ["SciPy's SLSQP", { command: [python, here('equal_losses_peer.py'), equal, ...words, 1e-10] }],
    ]);
    console.log(`equal ${equal}, ${classes} classes of ${d} features, ${samples} samples, ${classes * d} variables, one thread`); // biome-ignore format: one line
    const found = race(racers, turns);
    for (const [name, line] of found) {
      if (line.skipped) {
        console.log(`${name}: ${line.skipped}`);
        continue;
      }
      const { min_ms, value, violation, iterations, status } = line;
      const times = (min_ms / found.get('direct').min_ms).toFixed(1);
      console.log(`${name}: ${min_ms.toFixed(0)} ms (${times} x), ${iterations} steps, value ${value.toFixed(9)}, violation ${violation.toExponential(1)}, ${status}`); // biome-ignore format: one line
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
}
