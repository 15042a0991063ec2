/** The numbers of DADAO that follow from μ, L and the graph, in its own letters. */
export interface DadaoConstants {
  readonly nu: number;
  readonly alpha: number;
  readonly alphaTilde: number;
  readonly eta: number;
  readonly theta: number;
  readonly beta: number;
  readonly betaTilde: number;
  readonly gamma: number;
  readonly gammaTilde: number;
  /** δ + δ̃. */
  readonly deltas: number;
}

export function constantsOf(mu: number, lipschitz: number, chi1Star: number): DadaoConstants {
  const nu = mu / 2;
  const q = Math.sqrt(nu / lipschitz);
  return {
    nu,
    alpha: q / 4,
    alphaTilde: q / 8,
    eta: q / 8,
    theta: 1 / (2 * q),
    beta: 1 / 2,
    betaTilde: (2 * chi1Star) / q,
    gamma: 1 / (4 * lipschitz),
    gammaTilde: 1 / (4 * Math.sqrt(lipschitz * nu)),
    deltas: q / 4 + 1,
  };
}

/** Rows of a node's vectors: x, x̃, y, ỹ, z, z̃. */
export const vectorsOfNode = 6;

/** A matrix of six rows of six, one after the other. */
type Square = Float64Array;

/** The rates of the six vectors, by rows: what each gets of the others in a unit of time. */
const ratesOf = ({ nu, alpha, alphaTilde, eta, theta }: DadaoConstants): number[][] => [
  [-eta, eta, 0, 0, 0, 0],
  [eta, -eta, 0, 0, 0, 0],
  [0, 0, -alpha, alpha, 0, 0],
  [0, -theta * nu, -theta, 0, -theta, 0],
  [0, 0, 0, 0, -alpha, alpha],
  [0, 0, 0, 0, alphaTilde, -alphaTilde],
];

function times(a: Square, b: Square): Square {
  const out = new Float64Array(36);
  for (let i = 0; i < 36; i += 6)
    for (let k = 0; k < 6; ++k) {
      const factor = a[i + k]!;
      if (factor === 0) continue;
      for (let j = 0; j < 6; ++j) out[i + j]! += factor * b[6 * k + j]!;
    }
  return out;
}

const identity = Float64Array.from({ length: 36 }, (_, k) => Number(k % 7 === 0));

/**
 * Six rows of six: the six vectors after so much time without an event. Those of y and ỹ by a series, scaled and
 * squared; those of x and z in closed form, so that rows that are means add up to 1.
 */
export function flowOf(constants: DadaoConstants, time: number): Square {
  const rates = ratesOf(constants);
  const norm = time * Math.max(...rates.map((row) => row.reduce((sum, value) => sum + Math.abs(value), 0)));
  const squarings = norm > 0.5 ? Math.ceil(Math.log2(norm / 0.5)) : 0;
  const step = Float64Array.from(rates.flat(), (value) => (value * time) / 2 ** squarings);
  let flow: Square = identity.slice();
  let term: Square = identity;
  // 0.5¹⁴ / 14! is far below rounding.
  for (let k = 1; k <= 14; ++k) {
    term = times(term, step);
    for (let i = 0; i < 36; ++i) {
      term[i]! /= k;
      flow[i]! += term[i]!;
    }
  }
  for (let k = 0; k < squarings; ++k) flow = times(flow, flow);
  const { eta, alpha, alphaTilde } = constants;
  const gone = -Math.expm1(-2 * eta * time) / 2;
  const moved = -Math.expm1(-(alpha + alphaTilde) * time) / (alpha + alphaTilde);
  flow.set([1 - gone, gone, 0, 0, 0, 0, gone, 1 - gone, 0, 0, 0, 0]);
  flow.set([0, 0, 0, 0, 1 - alpha * moved, alpha * moved, 0, 0, 0, 0, alphaTilde * moved, 1 - alphaTilde * moved], 24);
  return flow;
}

/** Six rows of seven: the six vectors after a gradient event, of them and the gradient. */
export function jumpOf({ nu, gamma, gammaTilde, deltas }: DadaoConstants): number[][] {
  // g = ∇f(x) − ν x − ỹ
  const g = [-nu, 0, 0, -1, 0, 0, 1];
  const factors = [-gamma, -gammaTilde, 0, deltas, 0, 0];
  return factors.map((factor, i) => g.map((value, j) => factor * value + Number(i === j)));
}
