import * as check from '../core/check.ts';
import { refusal } from '../core/errors.ts';
import { ops } from '../core/native-ops.ts';
import { Owned } from '../core/owned.ts';
import {
  finite,
  type Given,
  notNegative,
  optional,
  positive,
  readOptions,
  type Schema,
  whole,
  word,
} from '../core/schema.ts';
import { Tensor } from '../core/tensor.ts';

/** Options of {@link multiplicativeStep}; all may be left out. */
export interface MultiplicativeStepOptions {
  /** Length of the step, > 0. Default 0.001. */
  delta: number;
  /** Volatility σ of the process, > 0. Default 0.8. */
  sigma: number;
  /** Drift μ of the process. Default σ²/2: none of log x. */
  mu: number | undefined;
  /** Factor of the noise, ≥ 0; 0 is a step without. Default 1. */
  anneal: number;
  /** `dale` multiplies by an exponential and keeps signs, `unconstrained` by a sum. Default `dale`. */
  mode: 'dale' | 'unconstrained';
  /** Standard normal numbers of x's shape and dtype. Default: those of the seed. */
  noise: Tensor | undefined;
  /** Seed of the noise: another one for each step. Default 0. */
  seed: number | undefined;
}

const schema: Schema<MultiplicativeStepOptions> = {
  delta: positive(1e-3),
  sigma: positive(0.8),
  mu: optional(finite(0)),
  anneal: notNegative(1),
  mode: word<MultiplicativeStepOptions['mode']>(['dale', 'unconstrained'], 'dale'),
  noise: check.tensorOption,
  seed: optional(whole(0, 0, 2 ** 32 - 1)),
};

/** t ← b·t + a·z + c for the noise z, which is drawn where it is not given. */
function addNoise(t: Tensor, b: number, a: number, noise: Tensor | undefined, seed: number, c: number): void {
  const { device, shape, dtype } = t;
  using owned = new Owned<Tensor>();
  const terms = [t];
  const coefficients = [b];
  if (a !== 0) {
    const z = noise ?? owned.add(new Tensor(device, shape, dtype));
    if (noise === undefined) ops.random(device, { x: [z], distribution: 'normal', seed });
    terms.push(z);
    coefficients.push(a);
  }
  if (c !== 0) {
    terms.push(owned.add(Tensor.full(device, shape, c, { dtype })));
    coefficients.push(1);
  }
  ops.linearCombination(device, { out: [t], terms, coefficients });
}

/** x ← x·exp(−e), by the step of exponentiated gradient, whose guards keep signs; e is overwritten. */
function divideByExponential(x: Tensor, e: Tensor): void {
  const { device, shape, dtype } = x;
  using signs = new Tensor(device, shape, dtype);
  ops.map(device, { x: [x], out: [signs], function: 'sign' });
  ops.multiply(device, { out: [e], x: [e], y: [signs] });
  ops.eg(device, { weights: [x], grads: [e], lr: 1 });
}

/**
 * One step of a sampler of "Dale meets Langevin" (arXiv 2510.02730), in place: the reverse of a geometric Brownian
 * motion with the score s of x. `dale`: x ← x·exp(δσ²·x·s − δ(μ − 3σ²/2) + a√δσ·z), which keeps every sign: exponents
 * are cut to ±30, and no size leaves the range of f32, also in f64, as in {@link EG}; both guards are ours.
 * `unconstrained`: x ← x·(1 + 2δσ² − δμ + δσ²·x·s + a√δσ·z). x and the score are f32 or f64, of one shape. Queued;
 * returns at once.
 *
 * @example
 * multiplicativeStep(x, score, { delta: 1e-3, seed: level });
 * @throws ERR_ARGUMENT for options out of range, and a seed beside noise; ERR_SHAPE, ERR_DTYPE, ERR_DEVICE for a score
 * or noise that is not like x; ERR_DISPOSED
 */
export function multiplicativeStep(x: Tensor, score: Tensor, options: Given<MultiplicativeStepOptions> = {}): void {
  const where = 'multiplicativeStep';
  const { delta, sigma, mu = sigma ** 2 / 2, anneal, mode, noise, seed } = readOptions(where, options, schema);
  check.tensor(where, 'x', x, { dtypes: check.arithmetic });
  const { device, shape, dtype } = x;
  const like = { dtypes: [dtype], shape, device };
  check.tensor(where, 'score', score, like);
  if (noise !== undefined) check.tensor(where, 'noise', noise, like);
  if (noise !== undefined && seed !== undefined) throw refusal(where, 'seed', 'be left out where there is noise', seed);

  const variance = delta * sigma ** 2;
  using change = new Tensor(device, shape, dtype);
  ops.multiply(device, { out: [change], x: [x], y: [score] });
  const factor = anneal * Math.sqrt(variance);
  if (mode === 'dale') {
    addNoise(change, -variance, -factor, noise, seed ?? 0, delta * mu - 1.5 * variance);
    divideByExponential(x, change);
  } else {
    addNoise(change, variance, factor, noise, seed ?? 0, 0);
    ops.multiply(device, { out: [change], x: [x], y: [change] });
    const kept = 1 + 2 * variance - delta * mu;
    ops.linearCombination(device, { out: [x], terms: [x, change], coefficients: [kept, 1] });
  }
}
