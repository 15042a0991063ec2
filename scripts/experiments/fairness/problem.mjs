// Three digits that look alike, of which there are many, some and few; and softmax regression whose expected error is the same for each.
import * as nn from 'orthokit/nn';
import { loadDigits, pixels } from '../../../examples/digits/data.mjs';

/** @typedef {{ x: Float64Array, labels: Int32Array, count: number }} Samples rows of `width` numbers, the last one 1 */

export const digits = [3, 5, 8];
export const counts = { full: [400, 200, 100], quick: [40, 20, 10] };
const classes = digits.length;
const side = 7;
export const width = side * side + 1;
export const variables = classes * width;
export const penalty = 1e-2;

/** @param {import('../../../examples/digits/data.mjs').Examples} from @param {readonly number[]} count of each digit @param {number} seed @returns {Samples} */
function some(from, count, seed) {
  const index = digits.flatMap((digit, k) => {
    const own = [...from.labels.keys()].filter((i) => from.labels[i] === digit);
    const size = Math.min(count[k], own.length);
    const { index: chosen } = nn.batches({ count: own.length, size, seed })[Symbol.iterator]().next().value;
    return [...chosen].map((i) => own[i]);
  });
  const x = new Float64Array(index.length * width);
  for (const [i, at] of index.entries()) {
    for (let p = 0; p < pixels; ++p)
      x[i * width + Math.floor(p / 112) * side + Math.floor((p % 28) / 4)] += from.images[at * pixels + p] / 16;
    x[(i + 1) * width - 1] = 1;
  }
  return { x, labels: Int32Array.from(index, (at) => digits.indexOf(from.labels[at])), count: index.length };
}

/** @param {'full' | 'quick'} size @param {number} seed */
export function samplesOf(size, seed) {
  const all = loadDigits();
  return {
    train: some(all.train, counts[size], seed),
    test: some(
      all.test,
      digits.map(() => Infinity),
      0,
    ),
  };
}

/** Chances of each class for each sample. @param {Samples} samples @param {Float64Array} w `[classes, width]` */
export function chances({ x, count }, w) {
  const p = new Float64Array(count * classes);
  for (let i = 0; i < count; ++i) {
    const row = p.subarray(i * classes, (i + 1) * classes);
    for (let k = 0; k < classes; ++k) for (let j = 0; j < width; ++j) row[k] += w[k * width + j] * x[i * width + j];
    const largest = Math.max(...row);
    const sum = row.reduce((total, z) => total + Math.exp(z - largest), 0);
    for (let k = 0; k < classes; ++k) row[k] = Math.exp(row[k] - largest) / sum;
  }
  return p;
}

/**
 * Mean cross entropy and `penalty` |w|² / 2; without constraints, or with an expected error, the mean of 1 − p of the right class, that
 * is as large for each class as for the last one.
 *
 * @param {Samples} samples @param {boolean} isFair @returns {import('orthokit/constrained').EqualityProblem}
 */
export function problemOf(samples, isFair) {
  const { x, labels, count } = samples;
  const sizes = digits.map((_, k) => labels.filter((label) => label === k).length);
  const constraints = isFair ? classes - 1 : 1;
  /** out += Σ weight_i · d(i) ⊗ xᵢ. @param {Float64Array} out @param {(i: number, k: number) => number} d */
  const add = (out, d) => {
    for (let i = 0; i < count; ++i)
      for (let k = 0; k < classes; ++k) {
        const slope = d(i, k);
        if (slope !== 0) for (let j = 0; j < width; ++j) out[k * width + j] += slope * x[i * width + j];
      }
  };
  /** The weight by which an error of a sample counts in each constraint: those of the last class in all of them. @param {number} label @param {number} k */
  const part = (label, k) => (label === k ? 1 / sizes[k] : label === classes - 1 ? -1 / sizes[label] : 0);
  return {
    variables,
    constraints,
    value(w) {
      const p = chances(samples, w);
      const loss = labels.reduce((sum, label, i) => sum - Math.log(p[i * classes + label]) / count, 0);
      return loss + (penalty / 2) * w.reduce((sum, number) => sum + number * number, 0);
    },
    gradient(w, out) {
      const p = chances(samples, w);
      out.set(w.map((number) => penalty * number));
      add(out, (i, k) => (p[i * classes + k] - Number(labels[i] === k)) / count);
    },
    constraint(w, out) {
      out.fill(0);
      if (!isFair) {
        // Weights of all classes together may be anything; their biases add up to 0.
        for (let k = 0; k < classes; ++k) out[0] += w[(k + 1) * width - 1];
        return;
      }
      const p = chances(samples, w);
      for (let k = 0; k < constraints; ++k)
        for (const [i, label] of labels.entries()) out[k] += part(label, k) * (1 - p[i * classes + label]);
    },
    jacobian(w, out) {
      out.fill(0);
      if (!isFair) {
        for (let k = 0; k < classes; ++k) out[(k + 1) * width - 1] = 1;
        return;
      }
      const p = chances(samples, w);
      for (let k = 0; k < constraints; ++k)
        add(out.subarray(k * variables, (k + 1) * variables), (i, a) => {
          const right = p[i * classes + labels[i]];
          return -part(labels[i], k) * right * (Number(labels[i] === a) - p[i * classes + a]);
        });
    },
    hessian(w, lambda, out) {
      const p = chances(samples, w);
      out.fill(0);
      for (let i = 0; i < count; ++i) {
        const label = labels[i];
        const right = p[i * classes + label];
        const error = isFair ? lambda.reduce((sum, number, k) => sum + number * part(label, k), 0) : 0;
        for (let a = 0; a < classes; ++a)
          for (let b = 0; b < classes; ++b) {
            const [pa, pb] = [p[i * classes + a], p[i * classes + b]];
            const soft = pa * (Number(a === b) - pb);
            const bent = right * ((Number(a === label) - pa) * (Number(b === label) - pb) - soft);
            const scale = soft / count - error * bent;
            for (let j = 0; j < width; ++j) {
              const factor = scale * x[i * width + j];
              if (factor === 0) continue;
              const row = (a * width + j) * variables + b * width;
              for (let l = 0; l < width; ++l) out[row + l] += factor * x[i * width + l];
            }
          }
      }
      for (let at = 0; at < variables; ++at) out[at * variables + at] += penalty;
    },
  };
}

/** For each class, the mean of 1 − p of the right one, and the share that is told wrong. @param {Samples} samples @param {Float64Array} w */
export function errorsOf(samples, w) {
  const p = chances(samples, w);
  return digits.map((_, label) => {
    const own = [...samples.labels.keys()].filter((i) => samples.labels[i] === label);
    const rows = own.map((i) => p.subarray(i * classes, (i + 1) * classes));
    return {
      expected: rows.reduce((sum, row) => sum + (1 - row[label]) / own.length, 0),
      wrong: rows.reduce((sum, row) => sum + Number(row.indexOf(Math.max(...row)) !== label) / own.length, 0),
    };
  });
}
