import { type OrthogonalOptions, orthogonalUpdate } from './muon.ts';
import { apply, matricesOf, type Parameter, type Statistics } from './step.ts';
import { sumOfSquares } from './sums.ts';

export interface NorMuonOptions extends OrthogonalOptions {
  beta2?: number;
  rowEps?: number;
  variant?: 'repo' | 'paper' | 'dion' | 'nanogpt';
  axis?: 'row' | 'long';
  shapeScale?: 'original' | 'spectral' | 'none';
}

/** Each neuron by the root of its second moment, then the whole by its norm. */
export function norMuon(
  p: Parameter,
  { momenta, secondMoments }: { momenta: Float64Array; secondMoments: Float64Array },
  options: NorMuonOptions,
): Statistics {
  const { beta2 = 0.95, rowEps: eps = 1e-8, variant = 'repo', axis = 'row', shapeScale = 'original' } = options;
  const { batch, rows, columns } = matricesOf(p.shape);
  const o = orthogonalUpdate(p, momenta, options);
  const byColumn = axis === 'long' && rows < columns;
  const count = byColumn ? columns : rows;
  const size = rows * columns;
  for (let s = 0; s < batch; s++) {
    const part = o.subarray(s * size, (s + 1) * size);
    const norm = Math.sqrt(sumOfSquares(part));
    const neuron = (i: number): number => (byColumn ? i % columns : Math.floor(i / columns));
    const means = new Float64Array(count);
    for (const [i, x] of part.entries()) means[neuron(i)]! += (x * x * count) / size;
    for (const [i, mean] of means.entries()) {
      const v = beta2 * secondMoments[s * count + i]! + (1 - beta2) * mean;
      secondMoments[s * count + i] = v;
      means[i] = variant === 'nanogpt' ? Math.sqrt(Math.max(v, eps)) : Math.sqrt(v) + eps;
    }
    for (const [i, x] of part.entries()) part[i] = x === 0 ? 0 : x / means[neuron(i)]!;
    const now = Math.sqrt(sumOfSquares(part));
    const factor = {
      repo: norm / (now + eps),
      paper: (0.2 * Math.sqrt(size)) / now,
      dion: norm / Math.max(now, eps),
      nanogpt: norm / Math.max(now, eps),
    }[variant];
    for (const [i, x] of part.entries()) part[i] = x === 0 ? 0 : x * factor;
  }
  const scale = {
    original: Math.sqrt(Math.max(1, rows / columns)),
    spectral: Math.sqrt(rows / columns),
    none: 1,
  }[shapeScale];
  return apply(p, o, options.lr * scale, options);
}
