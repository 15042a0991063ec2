export interface MomentumRule {
  momentum?: number;
  dampening?: number;
  nesterov?: 'off' | 'on';
  momentumForm?: 'ema' | 'heavy-ball';
}

/** Brings m up to date in place; returns m or its look-ahead. */
export function momentum(m: Float64Array, g: Float64Array, rule: MomentumRule): Float64Array {
  const { momentum: beta = 0.95, dampening = 0, nesterov = 'off', momentumForm = 'ema' } = rule;
  const isEma = momentumForm === 'ema';
  const out = new Float64Array(m.length);
  for (let i = 0; i < m.length; i++) {
    m[i] = beta * m[i]! + (isEma ? 1 - beta : 1 - dampening) * g[i]!;
    out[i] = nesterov === 'off' ? m[i]! : beta * m[i]! + (isEma ? 1 - beta : 1) * g[i]!;
  }
  return out;
}
