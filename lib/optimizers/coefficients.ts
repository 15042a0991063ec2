// Coefficient sets of Newton–Schulz iterations, as data with their source.
import { isListOf } from '../core/options.ts';

/** p(x) = a·x + b·x³ + c·x⁵, one step of Newton–Schulz. */
export type Triple = readonly [a: number, b: number, c: number];

/** The names of {@link coefficientSets}. */
export type CoefficientName =
  | 'jordan'
  | 'you5'
  | 'polar-express'
  | 'polar-express-101'
  | 'polar-express-kj'
  | 'cans'
  | 'aol4-fns'
  | 'deepseek-v4'
  | 'cubic5';

/** A published set of steps. */
export interface CoefficientSet {
  /** Who published it. */
  readonly source: string;
  /** (a, b, c) of each step, in order. */
  readonly steps: readonly Triple[];
  /** The step after the last one: it again, or the first. */
  readonly beyond: 'last' | 'first';
  /** Number of steps where the caller does not say. */
  readonly count: number;
  /** Multiplies the norm that the input is divided by: room for rounding above 1. Default 1. */
  readonly normScale?: number;
  /** Added to the norm. Default 1e-7. */
  readonly eps?: number;
}

// Polar Express for singular values from 1e-3 on, without safety.
const polarExpress: readonly Triple[] = [
  [8.28721201814563, -23.595886519098837, 17.300387312530933],
  [4.107059111542203, -2.9478499167379106, 0.5448431082926601],
  [3.9486908534822946, -2.908902115962949, 0.5518191394370137],
  [3.3184196573706015, -2.488488024314874, 0.51004894012372],
  [2.300652019954817, -1.6689039845747493, 0.4188073119525673],
  [1.891301407787398, -1.2679958271945868, 0.37680408948524835],
  [1.8750014808534479, -1.2500016453999487, 0.3750001645474248],
  [1.875, -1.25, 0.375],
];

/** p(x / s): the set stays in range for inputs up to s. */
const withSafety = (steps: readonly Triple[], s: number): Triple[] =>
  steps.map(([a, b, c]) => [a / s, b / s ** 3, c / s ** 5]);

/** The published sets by name; frozen. */
export const coefficientSets: Readonly<Record<CoefficientName, CoefficientSet>> = {
  jordan: {
    source: 'KellerJordan/Muon, zeropower_via_newtonschulz5',
    steps: [[3.4445, -4.775, 2.0315]],
    beyond: 'last',
    count: 5,
  },
  you5: {
    source: 'You Jiacheng; "quintic" in NVIDIA Emerging-Optimizers',
    steps: [
      [4.0848, -6.8946, 2.927],
      [3.9505, -6.3029, 2.6377],
      [3.7418, -5.5913, 2.3037],
      [2.8769, -3.1427, 1.2046],
      [2.8366, -3.0525, 1.2012],
    ],
    beyond: 'first',
    count: 5,
  },
  'polar-express': {
    source:
      'Polar Express (Amsel et al. 2025) for [1e-3, 1], safety 1.05 on every step, as in Dao-AILab/gram-newton-schulz',
    steps: withSafety(polarExpress, 1.05),
    beyond: 'last',
    count: 5,
  },
  'polar-express-101': {
    source: 'Polar Express, safety 1.01 on all steps but the last, as in the paper and NVIDIA Emerging-Optimizers',
    steps: [...withSafety(polarExpress.slice(0, 7), 1.01), ...polarExpress.slice(7)],
    beyond: 'last',
    count: 5,
    normScale: 1.01,
  },
  'polar-express-kj': {
    source: 'Polar Express with safety 1.02 inside the recurrence, as in modded-nanogpt and dion; norm × 1.02 + 1e-6',
    steps: [
      [8.156554524902461, -22.48329292557795, 15.878769915207462],
      [4.042929935166739, -2.808917465908714, 0.5000178451051316],
      [3.8916678022926607, -2.772484153217685, 0.5060648178503393],
      [3.285753657755655, -2.3681294933425376, 0.46449024233003106],
      [2.3465413258596377, -1.7097828382687081, 0.42323551169305323],
    ],
    beyond: 'last',
    count: 5,
    normScale: 1.02,
    eps: 1e-6,
  },
  cans: {
    source: '"cans" in NVIDIA Emerging-Optimizers; the norm × 1.02 is ours, as it diverges above 1',
    steps: [
      [8.4703, -25.1081, 18.6293],
      [4.1828, -3.1087, 0.5806],
      [3.9619, -2.9541, 0.563],
      [3.2866, -2.4647, 0.5074],
      [2.2737, -1.6447, 0.4162],
    ],
    beyond: 'last',
    count: 5,
    normScale: 1.02,
  },
  'aol4-fns': {
    source: 'thib-s/flash-newton-schulz, for matrices scaled by AOL (Turbo-Muon)',
    steps: [
      [4.6051, -9.6552, 5.6769],
      [4.7505, -6.0861, 2.179],
      [2.7763, -2.319, 0.5523],
      [2.4231, -2.2861, 0.8193],
    ],
    beyond: 'last',
    count: 4,
  },
  'deepseek-v4': {
    source: 'Jordan’s step eight times, then (2, −1.5, 0.5) twice',
    steps: [...Array<Triple>(8).fill([3.4445, -4.775, 2.0315]), [2, -1.5, 0.5], [2, -1.5, 0.5]],
    beyond: 'last',
    count: 10,
  },
  cubic5: {
    source: '"cubic5", whose steps have no fifth power; the norm × 1.01 is ours, as it turns signs above 1.0035',
    steps: [
      [3.3656576, -3.3420992, 0],
      [2.5744352, -1.4957376, 0],
      [2.5368962, -1.431257, 0],
      [2.4418906, -1.276404, 0],
      [2.2230472, -0.963065, 0],
    ],
    beyond: 'last',
    count: 5,
    normScale: 1.01,
  },
};

for (const set of Object.values(coefficientSets)) {
  for (const step of set.steps) Object.freeze(step);
  Object.freeze(set.steps);
  Object.freeze(set);
}
Object.freeze(coefficientSets);

/** Published sets that are refused, and why. */
const unsafeSets: Readonly<Record<string, string>> = {
  aol: 'turns the sign of singular values above 0.884 of the norm: a step uphill',
  'aol4-nv': 'turns the sign of singular values above 0.884 of the norm: a step uphill',
  'polar-express-raw': 'diverges above 1, where rounding puts the singular value of a matrix of rank 1',
};

/** A named set, or the (a, b, c) of each step. */
export type Coefficients = CoefficientName | readonly Triple[];

/** Coefficients of Newton–Schulz as its op takes them. */
export interface Iteration {
  /** a, b, c of each step, one after the other. */
  readonly coefficients: number[];
  readonly normScale: number;
  readonly eps: number;
}

const isNumber = (x: unknown): x is number => Number.isFinite(x);
const isTriple = (x: unknown): x is Triple => Array.isArray(x) && x.length === 3 && isListOf(x, isNumber);

/** The fault of coefficients, or nothing. */
export function wrongCoefficients(value: Coefficients): string | undefined {
  if (typeof value === 'string' && Object.hasOwn(unsafeSets, value))
    return `must be a set that is safe, and this one ${unsafeSets[value]}`;
  if (typeof value === 'string')
    return Object.hasOwn(coefficientSets, value)
      ? undefined
      : `must be one of ${Object.keys(coefficientSets).join(', ')}, or a list of [a, b, c]`;
  if (!isListOf(value, isTriple) || value.length === 0) return 'must be a list of [a, b, c]';
  return undefined;
}

/** The ways to an orthogonal matrix; see {@link OrthogonalizeOptions.method}. */
export type OrthogonalMethod = 'auto' | 'newton-schulz' | 'gram' | 'polar';

/**
 * The iteration of a set, or of the caller's steps, which are repeated from the first where `count` asks for more. The
 * steps of `polar` are in its kernels.
 */
export function iterationOf(
  coefficients: Coefficients,
  count?: number,
  eps?: number,
  method?: OrthogonalMethod,
): Iteration {
  if (method === 'polar') return { coefficients: [], normScale: 1, eps: eps ?? 0 };
  const set: CoefficientSet =
    typeof coefficients === 'string'
      ? coefficientSets[coefficients]
      : { source: 'the caller', steps: coefficients, beyond: 'first', count: coefficients.length };
  const flat: number[] = [];
  for (let i = 0; i < (count ?? set.count); ++i) {
    const at = set.beyond === 'first' ? i % set.steps.length : Math.min(i, set.steps.length - 1);
    flat.push(...(set.steps[at] as Triple));
  }
  return { coefficients: flat, normScale: set.normScale ?? 1, eps: eps ?? set.eps ?? 1e-7 };
}

/** f(σ) of the whole iteration for one singular value. */
export function composed({ coefficients }: Iteration, sigma: number): number {
  let x = sigma;
  for (let i = 0; i < coefficients.length; i += 3) {
    const [a = 0, b = 0, c = 0] = coefficients.slice(i, i + 3);
    x = a * x + b * x ** 3 + c * x ** 5;
  }
  return x;
}

/**
 * Rounding to 16 bits puts the singular value of a matrix of rank 1 at most at 1 + 2⁻⁸ of the norm, for bf16: steps
 * that hold to 1.01 have more than twice the room. The warning here and the refusal of {@link polarExpress} ask for it.
 */
const largestByRounding = 1.01;

/** The first singular value up to 1.01 that steps bring to 0 or below, or to 1.6 or above, and where to. */
export function firstOutOfRange(iteration: Iteration): { readonly sigma: number; readonly value: number } | undefined {
  for (let i = 1; i <= 1000 * largestByRounding; ++i) {
    const sigma = i / 1000;
    const value = composed(iteration, sigma / iteration.normScale);
    if (!(value > 0 && value < 1.6)) return { sigma, value };
  }
  return undefined;
}

/** Numbers of coefficients that lists have been examined with: some steps may be safe, and more of them not. */
const examined = new WeakMap<object, Set<number>>();
const warned = new Set<string>();

/**
 * Warns, once, of steps that do not keep every singular value in [0, 1.01] positive and below 1.6: some published sets
 * turn the sign of large ones, which is a step uphill, or diverge just above 1, where rounding puts the one of a rank-1
 * input.
 */
export function warnOfRange(where: string, steps: readonly Triple[], iteration: Iteration): void {
  const counts = examined.get(steps) ?? new Set();
  if (counts.has(iteration.coefficients.length)) return;
  examined.set(steps, counts.add(iteration.coefficients.length));
  const found = firstOutOfRange(iteration);
  if (!found) return;
  const { sigma, value } = found;
  const text = `${where}: coefficients map singular value ${sigma} to ${value.toPrecision(4)}, outside (0, 1.6)`;
  if (warned.has(text)) return;
  warned.add(text);
  process.emitWarning(text, { type: 'OrthokitWarning', code: 'ORTHOKIT_COEFFICIENTS' });
}
