import { gelu } from './gelu.ts';

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));

/** The functions of the words, each with its parameters behind x. */
export const map: Record<string, (x: number, a: number, b: number) => number> = {
  abs: Math.abs,
  sign: Math.sign,
  sqrt: Math.sqrt,
  exp: Math.exp,
  log: Math.log,
  tanh: Math.tanh,
  sigmoid,
  softplus: (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))),
  softplus_derivative: sigmoid,
  softplus_second_derivative: (x) => sigmoid(x) * sigmoid(-x),
  relu: (x) => Math.max(x, 0) + 0,
  gelu: (x) => gelu([x], 'erf')[0]!,
  silu: (x) => (x === -Infinity ? -0 : x < 0 ? (x * Math.exp(x)) / (1 + Math.exp(x)) : x * sigmoid(x)),
  soft_threshold: (x, t) => (Math.abs(x) <= t ? 0 : x - Math.sign(x) * t),
  clamp: (x, low, high) => Math.min(Math.max(x, low), high),
  power: (x, exponent) => x ** exponent,
};
