import { singularVectors } from './singular-vectors.ts';
import { apply, type Decay, decayed, matricesOf, type Parameter, type Statistics } from './step.ts';

export interface CondaOptions extends Decay {
  beta1?: number;
  beta2?: number;
  eps?: number;
  scale?: number;
  gap?: number;
  side?: 'std' | 'reverse_std' | 'left' | 'right';
}

export interface CondaState {
  momenta: Float64Array;
  roots: Float64Array;
  bases: Float64Array;
  /** From 1 on. */
  step: number;
}

/** The sides of a basis, and whether its vectors are of the columns. */
export function basisSides(shape: readonly number[], side: CondaOptions['side'] = 'std') {
  const { batch, rows, columns } = matricesOf(shape);
  const isLeft = { left: true, right: false, std: rows < columns, reverse_std: rows >= columns }[side];
  return { batch, isLeft, length: isLeft ? rows : columns, vectors: Math.min(rows, columns) };
}

/** Adam in a basis of singular vectors of the momentum, one element after the other. */
export function conda(p: Parameter, state: CondaState, options: CondaOptions): Statistics {
  const { beta1 = 0.9, beta2 = 0.999, eps = 1e-8, scale = 0.25, gap = 2000 } = options;
  const { rows, columns } = matricesOf(p.shape);
  const { batch, isLeft, length, vectors } = basisSides(p.shape, options.side);
  const size = rows * columns;
  const others = isLeft ? columns : rows;
  const grads = decayed(p, options);
  for (const [i, g] of grads.entries()) state.momenta[i] = beta1 * state.momenta[i]! + (1 - beta1) * g;
  const factor = Math.sqrt(1 - beta2 ** state.step) / (1 - beta1 ** state.step);
  const update = new Float64Array(p.weights.length);
  for (let s = 0; s < batch && size > 0; ++s) {
    const own = state.momenta.subarray(s * size, (s + 1) * size);
    const basis = state.bases.subarray(s * length * vectors, (s + 1) * length * vectors);
    if ((state.step - 1) % gap === 0)
      for (const [j, v] of singularVectors(own, rows, columns, isLeft).entries())
        for (const [i, x] of v.entries()) basis[i * vectors + j] = x;
    const at = (k: number, i: number): number => (isLeft ? i * columns + k : k * columns + i);
    for (let k = 0; k < others; ++k)
      for (let j = 0; j < vectors; ++j) {
        let [m, g] = [0, 0];
        for (let i = 0; i < length; ++i) {
          m += basis[i * vectors + j]! * own[at(k, i)]!;
          g += basis[i * vectors + j]! * grads[s * size + at(k, i)]!;
        }
        const place = s * others * vectors + (isLeft ? j * columns + k : k * vectors + j);
        const root = Math.hypot(Math.sqrt(beta2) * state.roots[place]!, Math.sqrt(1 - beta2) * g);
        state.roots[place] = root;
        const u = root === 0 ? 0 : (factor * m) / (root + eps);
        for (let i = 0; i < length; ++i) update[s * size + at(k, i)]! += basis[i * vectors + j]! * u;
      }
  }
  return decayedBehind(p, update, options, scale);
}

/** The step, then the decay of the new weights; l2 and cautious decay have their own place. */
function decayedBehind(p: Parameter, update: Float64Array, options: CondaOptions, scale: number): Statistics {
  const { lr, weightDecay = 0, weightDecayMode = 'decoupled' } = options;
  const decays = { decoupled: lr * weightDecay, independent: weightDecay, palm: weightDecay * lr ** 2 } as const;
  if (!(weightDecayMode in decays)) return apply(p, update, lr * scale, options);
  const keep = 1 - decays[weightDecayMode as keyof typeof decays];
  const statistics = apply(p, update, lr * scale, { lr });
  for (let i = 0; i < p.weights.length; ++i) p.weights[i]! *= keep;
  return [statistics[0], keep ** 2 * statistics[1], 0];
}
