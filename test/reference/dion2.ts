import { newtonSchulz } from './newton-schulz.ts';
import { apply, type Decay, decayed, matricesOf, type Parameter, type Statistics } from './step.ts';

export interface Dion2Options extends Decay {
  coefficients?: readonly number[];
  fraction?: number;
  efDecay?: number;
  eps?: number;
  normScale?: number;
  shapeScale?: 'original' | 'spectral' | 'none';
}

/** Gradients add up; the slices with the largest 1-norms are orthogonalized, and decay: the update, and who was taken. */
export function slicedUpdate(
  p: Parameter,
  momenta: Float64Array,
  options: Dion2Options,
  byRow: boolean,
): { update: Float64Array; taken: Set<number> } {
  const { coefficients = [], fraction = 0.25, efDecay = 0.95, eps = 1e-7, normScale = 1 } = options;
  const { batch, rows, columns } = matricesOf(p.shape);
  const update = new Float64Array(momenta.length);
  const all = new Set<number>();
  for (const [i, g] of decayed(p, options).entries()) momenta[i]! += g;
  const [count, length] = byRow ? [rows, columns] : [columns, rows];
  for (let s = 0; s < batch; s++) {
    const at = (i: number, k: number): number => s * rows * columns + (byRow ? i * columns + k : k * columns + i);
    const sums = Array.from({ length: count }, (_, i) => {
      let sum = 0;
      for (let k = 0; k < length; k++) sum += Math.abs(momenta[at(i, k)]!);
      return sum;
    });
    const order = [...sums.keys()].sort((a, b) => sums[b]! - sums[a]! || a - b);
    const taken = order.slice(0, Math.max(1, Math.ceil(fraction * count))).sort((a, b) => a - b);
    for (const i of taken) all.add(s * count + i);
    const place = (q: number, k: number): number => (byRow ? q * length + k : k * taken.length + q);
    const part = new Float64Array(taken.length * length);
    for (const [q, i] of taken.entries())
      for (let k = 0; k < length; k++) {
        part[place(q, k)] = momenta[at(i, k)]!;
        momenta[at(i, k)]! *= efDecay;
      }
    const [m, n] = byRow ? [taken.length, length] : [length, taken.length];
    const o = newtonSchulz(part, m, n, { coefficients, eps, scale: normScale });
    for (const [q, i] of taken.entries()) for (let k = 0; k < length; k++) update[at(i, k)] = o[place(q, k)]!;
  }
  return { update, taken: all };
}

export function scaleOf({ shape }: Parameter, rule: Dion2Options['shapeScale'] = 'spectral'): number {
  const { rows, columns } = matricesOf(shape);
  return { original: Math.sqrt(Math.max(1, rows / columns)), spectral: Math.sqrt(rows / columns), none: 1 }[rule];
}

/** By rows, or by columns where they are fewer. */
export function dion2(p: Parameter, { momenta }: { momenta: Float64Array }, options: Dion2Options): Statistics {
  const { rows, columns } = matricesOf(p.shape);
  const { update } = slicedUpdate(p, momenta, options, rows <= columns);
  return apply(p, update, options.lr * scaleOf(p, options.shapeScale), options);
}
