import { apply, type Decay, decayed, matricesOf, type Parameter, type Statistics } from './step.ts';
import { sumOfSquares } from './sums.ts';

export interface AdagradNormOptions extends Decay {
  lrDecay?: number;
  eps?: number;
  scope?: 'tensor' | 'global' | 'rows';
}

/** b² ← b² + ‖g‖² for a tensor, the list or a row; w ← w − lr / (b + eps) · g. */
export function adagradNorm(
  list: readonly Parameter[],
  squares: readonly Float64Array[],
  step: number,
  options: AdagradNormOptions,
): Statistics[] {
  const { lr, lrDecay = 0, eps = 0, scope = 'tensor' } = options;
  const grads = list.map((p) => decayed(p, options));
  const all = grads.reduce((sum, g) => sum + sumOfSquares(g), 0);
  return list.map((p, t) => {
    const g = grads[t]!;
    const b2 = squares[t]!;
    const { columns } = matricesOf(p.shape);
    if (scope === 'tensor') b2[0]! += sumOfSquares(g);
    if (scope === 'global') b2[0]! += all;
    if (scope === 'rows') for (const r of b2.keys()) b2[r]! += sumOfSquares(g.subarray(r * columns, (r + 1) * columns));
    const update = g.map((x, i) => {
      const b = Math.sqrt(b2[scope === 'rows' ? Math.floor(i / columns) : 0]!);
      return b === 0 ? 0 : x / (b + eps);
    });
    return apply(p, update, lr / (1 + (step - 1) * lrDecay), options);
  });
}
