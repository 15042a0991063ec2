import { type MomentumRule, momentum } from './momentum.ts';
import { newtonSchulz } from './newton-schulz.ts';
import { shapeScaleOf } from './shape-scale.ts';
import { apply, type Decay, decayed, matricesOf, type Parameter, type Statistics } from './step.ts';

export interface OrthogonalOptions extends Decay, MomentumRule {
  coefficients?: readonly number[];
  eps?: number;
  normScale?: number;
}
export interface MuonOptions extends OrthogonalOptions {
  shapeScale?: 'original' | 'match_rms_adamw' | 'spectral' | 'max' | 'none';
}

/** The orthogonalized look-ahead of the momentum, each matrix of a batch by itself. */
export function orthogonalUpdate(p: Parameter, m: Float64Array, options: OrthogonalOptions): Float64Array {
  const u = momentum(m, decayed(p, options), { nesterov: 'on', ...options });
  const { batch, rows, columns } = matricesOf(p.shape);
  const { coefficients = [], eps = 1e-7, normScale = 1 } = options;
  for (let s = 0; s < batch; s++) {
    const part = u.subarray(s * rows * columns, (s + 1) * rows * columns);
    part.set(newtonSchulz(part, rows, columns, { coefficients, eps, scale: normScale }));
  }
  return u;
}

/** w ← keep · w − lr · s(rows, columns) · o. */
export function muon(p: Parameter, { momenta }: { momenta: Float64Array }, options: MuonOptions): Statistics {
  const scale = shapeScaleOf(p.shape, options.shapeScale);
  return apply(p, orthogonalUpdate(p, momenta, options), options.lr * scale, options);
}
