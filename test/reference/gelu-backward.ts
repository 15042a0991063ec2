import { type Form, normalDistribution } from './gelu.ts';

function slope(x: number, form: Form): number {
  if (form === 'erf') return normalDistribution(x) + (x * Math.exp((-x * x) / 2)) / Math.sqrt(2 * Math.PI);
  const factor = Math.sqrt(2 / Math.PI);
  const z = factor * (x + 0.044715 * x ** 3);
  return (1 + Math.tanh(z)) / 2 + ((x / 2) * factor * (1 + 3 * 0.044715 * x * x)) / Math.cosh(z) ** 2;
}

/** grad · gelu'(x) */
export const geluBackward = (grad: ArrayLike<number>, x: ArrayLike<number>, form: Form): Float64Array =>
  Float64Array.from(x, (v, i) => grad[i]! * slope(v, form));
