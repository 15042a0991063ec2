import { momentum } from './momentum.ts';
import { norm } from './norms.ts';
import { apply, type Decay, decayed, matricesOf, type Parameter, type Statistics } from './step.ts';

export interface AuonOptions extends Decay {
  momentum?: number;
  nesterov?: 'off' | 'on';
  gamma?: number;
  eps?: number;
  variant?: 'paper' | 'head' | 'rms';
}

/** log mean cosh² z, without overflow. */
function logMeanCosh2(z: Float64Array): number {
  const logs = z.map((x) => 2 * (Math.abs(x) + Math.log1p(Math.exp(-2 * Math.abs(x))) - Math.LN2));
  const most = logs.reduce((a, b) => Math.max(a, b), 0);
  return most + Math.log(logs.reduce((sum, x) => sum + Math.exp(x - most), 0) / z.length);
}

/** r − 1 = sqrt(1 + mean sinh² z) − 1, right where r rounds to 1. */
export function brakeOf(z: Float64Array): number {
  const mean = z.reduce((sum, x) => sum + Math.sinh(x) ** 2, 0) / z.length;
  return Number.isFinite(mean) ? mean / (1 + Math.sqrt(1 + mean)) : Math.exp(logMeanCosh2(z) / 2) - 1;
}

/** The loss of the weights, but for lr, and the brake, of one matrix or tensor u. */
export function scaledUpdate(u: Float64Array, shape: readonly number[], options: AuonOptions): [Float64Array, number] {
  const { gamma = 1, eps = 1e-7, variant = 'paper' } = options;
  const { rows, columns } = matricesOf(shape);
  const size = norm(u);
  if (size === 0) return [u.map(() => 0), 0];
  const isMatrix = shape.length >= 2;
  const s = isMatrix ? Math.sqrt(Math.max(1, rows / columns)) : 1;
  if (variant === 'rms') {
    const rms = size / Math.sqrt(u.length);
    const z = u.map((x) => (gamma * x) / rms);
    const r = Math.exp(logMeanCosh2(z) / 2);
    return [u.map((x) => ((x / rms) * s) / Math.sqrt(isMatrix ? Math.max(rows, columns) : u.length) / r), brakeOf(z)];
  }
  const brake = brakeOf(u.map((x) => (gamma * x) / (size + eps)));
  const divisor = (1 + brake + 1e-8) * (variant === 'paper' ? (size + eps) / s : 1);
  return [u.map((x) => x / divisor), brake];
}

/** One AuON step; a batch has a norm a matrix, except in the variant head. */
export function auon(p: Parameter, state: { momenta?: Float64Array }, options: AuonOptions): Statistics {
  const g = decayed(p, options);
  const u = state.momenta ? momentum(state.momenta, g, { nesterov: 'on', ...options }) : Float64Array.from(g);
  return applyScaled(p, u, options);
}

/** Scales each matrix of u and applies it. */
export function applyScaled(p: Parameter, u: Float64Array, options: AuonOptions): Statistics {
  const { batch, rows, columns } = matricesOf(p.shape);
  const parts = options.variant === 'head' ? 1 : batch;
  let brake = 0;
  for (let b = 0; b < parts; b++) {
    const part = u.subarray((b * u.length) / parts, ((b + 1) * u.length) / parts);
    const [update, own] = scaledUpdate(part, parts > 1 ? [rows, columns] : p.shape, options);
    part.set(update);
    brake = Math.max(brake, own);
  }
  return apply(p, u, options.lr, options, brake);
}
