import { gemm } from './gemm.ts';
import { norm } from './norms.ts';

/** Coefficients a, b, c of each step; sources in the optimizer guide. */
export const coefficientSets: Record<'jordan' | 'you5' | 'polarExpress' | 'polarExpressKj', readonly number[]> = {
  jordan: Array.from({ length: 5 }, () => [3.4445, -4.775, 2.0315]).flat(),
  you5: [
    [4.0848, -6.8946, 2.927],
    [3.9505, -6.3029, 2.6377],
    [3.7418, -5.5913, 2.3037],
    [2.8769, -3.1427, 1.2046],
    [2.8366, -3.0525, 1.2012],
  ].flat(),
  polarExpress: [
    [7.892582874424405, -20.38301394587955, 13.55530614940691],
    [3.911484868135427, -2.546463592906086, 0.4268988319673071],
    [3.760657955697424, -2.512819018216563, 0.4323647349070071],
    [3.160399673686286, -2.149649518898498, 0.3996366907664389],
    [2.191097161861731, -1.441662010214664, 0.3281464876231551],
  ].flat(),
  polarExpressKj: [
    [8.156554524902461, -22.48329292557795, 15.878769915207462],
    [4.042929935166739, -2.808917465908714, 0.5000178451051316],
    [3.8916678022926607, -2.772484153217685, 0.5060648178503393],
    [3.285753657755655, -2.3681294933425376, 0.46449024233003106],
    [2.3465413258596377, -1.7097828382687081, 0.42323551169305323],
  ].flat(),
};

export interface NewtonSchulzOptions {
  coefficients?: readonly number[];
  eps?: number;
  /** Multiplies the norm. */
  scale?: number;
}

/** y = x / (scale·‖x‖ + eps), then y ← a y + b (y yᵀ) y + c (y yᵀ)² y, for one matrix. */
export function newtonSchulz(
  x: ArrayLike<number>,
  rows: number,
  columns: number,
  { coefficients = [], eps = 1e-7, scale = 1 }: NewtonSchulzOptions,
): Float64Array {
  const size = norm(x);
  let y = Float64Array.from(x, (v) => (size === 0 ? 0 : v / (scale * size + eps)));
  const none: number[] = [];
  for (let step = 0; step < coefficients.length; step += 3) {
    const [a, b, c] = coefficients.slice(step, step + 3) as [number, number, number];
    // The cheaper side; both orders are the same polynomial.
    const n = Math.min(rows, columns);
    const tall = rows > columns;
    const g = gemm({ rows: n, columns: n, inner: Math.max(rows, columns), transA: tall, transB: !tall }, y, y, none);
    const g2 = gemm({ rows: n, columns: n, inner: n }, g, g, none);
    const p = g.map((v, i) => b * v + c * g2[i]!);
    const more = tall ? gemm({ rows, columns, inner: n }, y, p, none) : gemm({ rows, columns, inner: n }, p, y, none);
    y = y.map((v, i) => a * v + more[i]!);
  }
  return y;
}
