// Devices: cpu, cuda
// Random shapes, values, groups and options: no step of any class makes NaN of numbers that are finite.
import { expect, it } from 'vitest';
import { AdamW, combine, type Dtype, OrthokitError, Tensor } from '../../lib/index.ts';
import { normal, sizeOf, uniform } from '../support/data.ts';
import { kind } from '../support/devices.ts';
import { arrayOf, type Floating, rounded } from '../support/dtypes.ts';
import { goal } from '../support/goal.ts';
import { valuesOf } from '../support/tensors.ts';
import { type AnyOptimizer, type OptimizerClass, takesVectors } from './classes.ts';
import { eachClass } from './each-class.ts';

// A case is an optimizer of one class and four steps; the emulator takes far longer.
const runs = goal('R10', { ci: kind === 'cpu' ? 6 : 2, deep: kind === 'cpu' ? 2000 : 50 });
const steps = 4;

type Random = () => number;
const pick = <T>(random: Random, list: readonly T[]): T => list[Math.floor(random() * list.length)]!;
const whole = (random: Random, most: number): number => 1 + Math.floor(most ** random() - 1e-9);

/** Words and numbers of options, of which a class takes those that it has and that go together. */
const options: Record<string, readonly unknown[]> = {
  weightDecay: [0, 0.1],
  weightDecayMode: ['decoupled', 'independent', 'l2', 'palm', 'cautious'],
  missingGrad: ['skip', 'zero'],
  stateDtype: ['f32', 'f64', 'f16', 'bf16'],
  masterWeights: ['none', 'fp32', 'split16'],
  variant: ['sgd', 'adamw', 'paper', 'head', 'rms', 'repo', 'dion', 'nanogpt'],
  momentum: [0, 0.5, 0.95],
  momentumForm: ['ema', 'heavy-ball'],
  nesterov: [true, false],
  betas: [[0, 0], [0.9, 0.999], [0.5, 0.5]], // biome-ignore format: one line
  eps: [0, 1e-8],
  nsMethod: ['auto', 'newton-schulz', 'gram', 'polar'],
  nsDtype: ['f32', 'f64', 'f16', 'bf16'],
  nsScaling: ['frobenius', 'schatten4', 'aol'],
  nsRestarts: [[1], [2], [4]], // biome-ignore format: one line
  coefficients: [
    ...['jordan', 'you5', 'polar-express', 'polar-express-101', 'polar-express-kj', 'cans', 'aol4-fns', 'cubic5'],
    ...[
      'deepseek-v4',
      [[1.5, -0.5, 0]],
      [
        [3.4445, -4.775, 2.0315],
        [1.875, -1.25, 0.375],
      ],
    ],
  ],
  nsSteps: [0, 1, 3, 7, 12],
  heads: [1, 2, 3, 4],
  split: [0, 1],
  shapeScale: ['original', 'match_rms_adamw', 'spectral', 'max', 'none'],
  layout: ['out_in', 'in_out'],
  flatten: [true, false],
  axis: ['row', 'long'],
  rank: [1, 2, 5],
  gap: [1, 2],
  rotate: [true, false],
  errorFeedback: [true, '8bit', '4bit'],
  basis: ['dct2', 'dct3'],
  side: ['std', 'reverse_std', 'left', 'right'],
  scope: ['tensor', 'rows', 'global'],
  fraction: [0.1, 0.5, 1],
  efDecay: [0, 0.95],
  gamma: [0.5, 20],
};

function shapeOf(random: Random, vectors: boolean): number[] {
  const size = () => whole(random, 40);
  const rank = pick(random, vectors ? [0, 1, 2, 2, 2, 3, 4] : [2, 2, 2, 3, 4]);
  const shape = Array.from({ length: rank }, (_, i) => (rank > 2 && i !== 1 ? Math.min(size(), 4) : size()));
  return shape;
}

const largest: Record<Floating, number> = { f16: 65504, bf16: 1e37, f32: 1e37, f64: 1e37 };

/** A gradient of some kind, every element finite in its dtype and none larger than `most`; its scale, a power of ten. */
function gradient(random: Random, shape: readonly number[], dtype: Floating, most: number): Float64Array {
  const size = sizeOf(shape);
  const columns = Math.max(1, shape.at(-1) ?? 1);
  const seed = Math.floor(random() * 2 ** 31);
  const outer = (rank: number): Float64Array => {
    const [a, b] = [normal(Math.ceil(size / columns) * rank, seed), normal(columns * rank, seed + 1)];
    return Float64Array.from({ length: size }, (_, k) => {
      const [i, j] = [Math.floor(k / columns), k % columns];
      return Array.from({ length: rank }, (_, r) => a[i * rank + r]! * b[j * rank + r]!).reduce((x, y) => x + y, 0);
    });
  };
  const values = pick<() => Float64Array>(random, [
    () => normal(size, seed),
    () => new Float64Array(size),
    () => new Float64Array(size).fill(1),
    () => outer(1),
    () => outer(2),
    () => normal(size, seed).map((x, k) => (Math.floor(k / columns) % 2 === 0 ? x : 0)),
    () => Float64Array.from({ length: size }, (_, k) => (k === size - 1 ? -1 : 0)),
    () => normal(size, seed).map((x) => x * 10 ** (6 * x)),
  ])();
  const scale = 10 ** pick(random, [-45, -30, -8, -3, 0, 0, 0, 3, 5, 30]);
  return values.map((x) => rounded(Math.max(-most, Math.min(most, x * scale)), dtype));
}

/** A cut of the matrices of a weight in two, along an axis. */
function splitOf(random: Random, { shape }: Tensor, axis: 0 | 1): object {
  const size = shape.at(shape.length === 4 && axis === 0 ? 0 : axis - 2) ?? 1;
  const first = 1 + Math.floor(random() * (size - 1));
  return { axis, sizes: [first, size - first] };
}

interface Case {
  readonly weights: Tensor[];
  readonly optimizer: Pick<AnyOptimizer, 'step' | 'report' | 'dispose'>;
  readonly state: [string, Tensor][];
  readonly words: string;
}

const refusals = ['ERR_ARGUMENT', 'ERR_SHAPE', 'ERR_DTYPE', 'ERR_UNSUPPORTED'];
const accepts = (make: () => { dispose(): void }): boolean => {
  try {
    make().dispose();
    return true;
  } catch (error) {
    if (error instanceof OrthokitError && refusals.includes(error.code)) return false;
    throw error;
  }
};

eachClass('R10: ', ['R10'], ({ device, name, Class }) => {
  const vectors = takesVectors(device, Class);
  const schema = new Class([Tensor.zeros(device, [2, 2])]).part().schema;
  const known = Object.keys(options).filter((option) => option in schema);

  /** Options that a weight is stepped with: each is tried with those before it, and left out where they do not go together. */
  function chosen(random: Random, weights: Tensor[]): Record<string, unknown> {
    const given: Record<string, unknown> = { lr: pick(random, [0, 1e-3, 0.1]) };
    for (const option of known) {
      if (random() > 0.3) continue;
      const drawn = pick(random, options[option]!);
      const value = option === 'split' ? splitOf(random, weights[0]!, drawn as 0 | 1) : drawn;
      if (accepts(() => new Class(weights, { ...given, [option]: value }))) given[option] = value;
    }
    return given;
  }

  function make(random: Random): Case | undefined {
    const dtype = pick<Floating>(random, ['f32', 'f32', 'f64', 'f16', 'bf16']);
    const groups = Array.from({ length: whole(random, 3) }, (_, g) => {
      const params = Array.from({ length: whole(random, 4) }, (_, i) => {
        const shape = shapeOf(random, vectors);
        const values = normal(sizeOf(shape), 10 * g + i, pick(random, [0, 0.02, 1]));
        return Tensor.from(device, arrayOf(values, dtype), shape, { dtype });
      }).filter((weight) => accepts(() => new Class([weight])));
      return { name: `g${g}`, params, ...(params.length > 0 ? chosen(random, params) : {}) };
    });
    const weights = groups.flatMap(({ params }) => params);
    if (weights.length === 0) return undefined;
    const nonFinite = pick(random, ['propagate', 'skip'] as const);
    // Vectors beside them, which all classes leave to another.
    const others = random() < 0.3 ? [5, 1].map((size) => Tensor.zeros(device, [size], { dtype })) : [];
    const words = JSON.stringify({
      dtype,
      nonFinite,
      combined: others.length > 0,
      groups: groups.map(({ params, ...rest }) => ({ ...rest, shapes: params.map(({ shape }) => shape) })),
    });
    if (others.length > 0) {
      const parts = [
        { optimizer: Class as OptimizerClass, params: groups },
        { optimizer: AdamW, params: others },
      ];
      const optimizer = combine(parts as never, { nonFinite }) as unknown as Case['optimizer'] & {
        stored(): { tensors: Record<string, Tensor> }[];
      };
      const state = optimizer.stored().flatMap(({ tensors }) => Object.entries(tensors));
      return { weights: [...weights, ...others], optimizer, state, words };
    }
    const optimizer = new (Class as OptimizerClass)(groups, { nonFinite });
    return { weights, optimizer, state: Object.entries(optimizer.part().tensors), words };
  }

  /** Weights and state, but for codes, counters and low bits, which are no numbers. */
  const all = ({ weights, state }: Case): [string, Tensor][] => [
    ...weights.map((w, i): [string, Tensor] => [`weight ${i}`, w]),
    ...state.filter(
      ([key, { dtype }]) => dtype !== 'i32' && dtype !== 'u8' && !(dtype === 'bf16' && /\.master(\.\d+)?$/.test(key)),
    ),
  ];
  const matricesOf = ({ shape }: Tensor): number => sizeOf(shape.slice(0, -2)) || 1;

  it('makes no NaN of finite numbers, and reports what it did', { timeout: runs.limit(120_000) }, async () => {
    let made = 0;
    await runs.each(async (seed) => {
      const random = uniform(seed);
      const own = make(random);
      if (!own) return;
      made += 1;
      const { weights, optimizer, words } = own;
      const gradDtype = pick<Dtype | undefined>(random, [undefined, undefined, 'f32']);
      for (let step = 1; step <= steps; ++step) {
        const given = (i: number) => (gradDtype ?? weights[i]!.dtype) as Floating;
        const numbers = weights.map(({ shape }, i) =>
          random() < 0.15 ? null : gradient(random, shape, given(i), largest[given(i)]),
        );
        const grads = numbers.map(
          (x, i) => x && Tensor.from(device, arrayOf(x, given(i)), weights[i]!.shape, { dtype: given(i) }),
        );
        optimizer.step(grads);
        const where = `step ${step} of ${words}`;
        let finite = true;
        // EG keeps sizes in the range of f32, of which rounding to bf16 may leave it.
        const isNarrow = weights.some(({ dtype }) => dtype === 'f16' || (dtype === 'bf16' && name === 'EG'));
        for (const [key, tensor] of all(own)) {
          const values = await valuesOf(tensor);
          const bad = values.find(Number.isNaN);
          expect(bad, `${key} has NaN, ${where}`).toBe(undefined);
          // Sixteen bits overflow; other dtypes hold all that these scales give.
          const holds = values.every(Number.isFinite);
          if (!isNarrow) expect(holds, `${key} has infinity, ${where}`).toBe(true);
          finite &&= holds;
        }
        const report = await optimizer.report();
        const norm = Math.hypot(...numbers.map((x) => (x ? Math.hypot(...x) : 0)));
        expect(report, where).toMatchObject({ step, nonFinite: 0, skipped: 0 });
        expect(Math.abs(report.gradNorm - norm), where).toBeLessThanOrEqual(1e-6 * norm);
        if (finite) expect(Number.isFinite(report.updateRms) && report.updateRms >= 0, where).toBe(true);
        if (report.fallbacks !== undefined) {
          expect(report.fallbacks, where).toBeGreaterThanOrEqual(0);
          expect(report.fallbacks % 1, where).toBe(0);
          expect(report.fallbacks, where).toBeLessThanOrEqual(weights.reduce((sum, w) => sum + matricesOf(w), 0));
        }
        for (const grad of grads) grad?.dispose();
        // Numbers that have outgrown their dtype are no finite input any more.
        if (!finite) break;
      }
      optimizer.dispose();
      for (const w of weights) w.dispose();
    });
    // One seed alone, as `replay` runs it, may draw no weights.
    if (runs.count > 1) expect(made, name).toBeGreaterThan(0);
  });
});
