import { CosineSubspace } from './cosine-subspace.ts';
import { newtonSchulz } from './newton-schulz.ts';
import { shapeScaleOf } from './shape-scale.ts';
import { apply, type Decay, decayed, matricesOf, type Parameter, type Statistics } from './step.ts';

export interface TrionOptions extends Decay {
  rank?: number;
  basis?: 'dct2' | 'dct3';
  momentum?: number;
  coefficients?: readonly number[];
  eps?: number;
  shapeScale?: string;
}

/** m ← m + g, a = m D_r, m ← m − (1 − μ) a D_rᵀ, w ← keep · w − lr · s · NS(a) D_rᵀ. */
export function trion(p: Parameter, { momenta: m }: { momenta: Float64Array }, options: TrionOptions): Statistics {
  const { rank = 128, basis = 'dct2', momentum = 0.95, coefficients = [], eps = 1e-7 } = options;
  const { batch, rows, columns } = matricesOf(p.shape);
  const size = rows * columns;
  for (const [i, g] of decayed(p, options).entries()) m[i]! += g;
  const update = new Float64Array(m.length);
  for (let b = 0; b < batch && size > 0; ++b) {
    const own = m.subarray(b * size, (b + 1) * size);
    const subspace = new CosineSubspace(rows, columns, basis);
    const all = subspace.coordinates(own);
    const indices = subspace.largest(all, rank);
    const inside = indices.map((k) => all[k]!);
    for (const [i, x] of subspace.matrix(inside, indices).entries()) own[i]! -= (1 - momentum) * x;
    const o = newtonSchulz(inside.flat(), inside.length, subspace.longer, { coefficients, eps });
    const turned = indices.map((_, k) => o.subarray(k * subspace.longer, (k + 1) * subspace.longer));
    update.set(subspace.matrix(turned, indices), b * size);
  }
  return apply(p, update, options.lr * shapeScaleOf(p.shape, options.shapeScale), options);
}
