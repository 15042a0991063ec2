import { codedRows } from './codes.ts';
import { CosineSubspace } from './cosine-subspace.ts';
import { apply, type Decay, decayed, matricesOf, type Parameter, type Statistics } from './step.ts';

export interface DctAdamwOptions extends Decay {
  beta1?: number;
  beta2?: number;
  eps?: number;
  rank?: number;
  gap?: number;
  rotate?: boolean | 'off' | 'on';
  errorFeedback?: boolean | 'off' | 'on' | '8bit' | '4bit';
  basis?: 'dct2' | 'dct3';
}

export interface DctAdamwState {
  momenta: Float64Array;
  roots: Float64Array;
  indices: Float64Array;
  feedback?: Float64Array;
  /** The ranges of codes, in place of their numbers: the first step then starts from none. */
  ranges?: Float64Array;
  step: number;
}

/** Rows of a state, of which each stays with its index; 0 for new ones. */
function carried(state: Float64Array, before: readonly number[], after: readonly number[], longer: number): void {
  const old = state.slice();
  for (const [p, index] of after.entries()) {
    const q = before.indexOf(index);
    const row = q < 0 ? new Float64Array(longer) : old.subarray(q * longer, (q + 1) * longer);
    state.set(row, p * longer);
  }
}

/** The numbers of codes. */
function decoded(codes: ArrayLike<number>, ranges: ArrayLike<number>, columns: number, bits: 8 | 4): Float64Array {
  const rows = ranges.length / 2;
  const width = codes.length / rows;
  return Float64Array.from({ length: rows * columns }, (_, at) => {
    const [row, j] = [Math.floor(at / columns), at % columns];
    const [low, high] = [ranges[2 * row]!, ranges[2 * row + 1]!];
    const byte = codes[row * width + (bits === 8 ? j : Math.floor(j / 2))]!;
    const code = bits === 8 ? byte : j % 2 === 0 ? Math.floor(byte / 16) : byte % 16;
    return low + (code * (high - low)) / (2 ** bits - 1);
  });
}

/** A = g + E, a = A D_r, E ← A − a D_rᵀ, w ← keep · w − lr · adamw(a) D_rᵀ. */
export function dctAdamw(p: Parameter, state: DctAdamwState, options: DctAdamwOptions): Statistics {
  const { beta1 = 0.9, beta2 = 0.999, eps = 1e-8, rank = 128, gap = 1, basis = 'dct2' } = options;
  const { rotate = false, errorFeedback = false } = options;
  const { momenta, roots, indices, feedback, ranges, step } = state;
  const { batch, rows, columns } = matricesOf(p.shape);
  const [size, taken, longer] = [rows * columns, Math.min(rank, rows, columns), Math.max(rows, columns)];
  const bits = errorFeedback === '8bit' ? 8 : errorFeedback === '4bit' ? 4 : undefined;
  const kept = bits ? decoded(feedback!, ranges!, columns, bits) : feedback;
  const sum = decayed(p, options).map((g, i) => g + (kept?.[i] ?? 0));
  const update = new Float64Array(sum.length);
  for (let b = 0; b < batch && size > 0; ++b) {
    const own = sum.subarray(b * size, (b + 1) * size);
    const subspace = new CosineSubspace(rows, columns, basis);
    const all = subspace.coordinates(own);
    const places = indices.subarray(b * taken, (b + 1) * taken);
    const [m, r] = [momenta, roots].map((x) => x.subarray(b * taken * longer, (b + 1) * taken * longer)) as [
      Float64Array,
      Float64Array,
    ];
    if (step === 1 || step % gap === 0) {
      const chosen = subspace.largest(all, taken).sort((x, y) => x - y);
      if (rotate === true || rotate === 'on') for (const x of [m, r]) carried(x, [...places], chosen, longer);
      places.set(chosen);
    }
    const inside = [...places].map((k) => all[k]!);
    const [missing1, missing2] = [1 - beta1 ** step, Math.sqrt(1 - beta2 ** step)];
    const moved = inside.map((row, k) =>
      row.map((a, j) => {
        const at = k * longer + j;
        m[at] = beta1 * m[at]! + (1 - beta1) * a;
        r[at] = Math.sqrt(beta2 * r[at]! ** 2 + (1 - beta2) * a ** 2);
        return m[at] === 0 ? 0 : m[at]! / missing1 / (r[at]! / missing2 + eps);
      }),
    );
    update.set(subspace.matrix(moved, [...places]), b * size);
    for (const [i, x] of subspace.matrix(inside, [...places]).entries()) own[i]! -= x;
  }
  if (bits) {
    const coded = codedRows(sum, columns, bits);
    feedback!.set(coded.codes);
    ranges!.set(coded.ranges);
  } else feedback?.set(sum);
  return apply(p, update, options.lr, options);
}
