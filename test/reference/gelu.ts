// Φ from its own series and continued fraction: JavaScript has no erf.

const density = (x: number) => Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI);

/** 1 − Φ(a) for a ≥ 0, by the continued fraction of Laplace, φ(a) / (a + 1 / (a + 2 / (a + 3 / …))). */
function upperTail(a: number): number {
  let fraction = a;
  for (let k = 800; k >= 1; k--) fraction = a + k / fraction;
  return density(a) / fraction;
}

/** Φ(x) − 1/2 = φ(x) (x + x³/3 + x⁵/(3·5) + …), for small |x|. */
function centre(x: number): number {
  let term = x;
  let sum = 0;
  for (let k = 3; Math.abs(term) > 1e-20 * Math.abs(sum); k += 2) {
    sum += term;
    term *= (x * x) / k;
  }
  return density(x) * sum;
}

/** The distribution function of the normal distribution. */
export const normalDistribution = (x: number): number =>
  Math.abs(x) < 0.75 ? 0.5 + centre(x) : x < 0 ? upperTail(-x) : 1 - upperTail(x);

export type Form = 'erf' | 'tanh';

/** 1 + tanh(z), where it does not cancel. */
const onePlusTanh = (z: number) => 2 / (1 + Math.exp(-2 * z));

export const gelu = (x: ArrayLike<number>, form: Form): Float64Array =>
  Float64Array.from(x, (v) =>
    form === 'erf'
      ? v * normalDistribution(v)
      : (v / 2) * onePlusTanh(Math.sqrt(2 / Math.PI) * (v + 0.044715 * v ** 3)),
  );
