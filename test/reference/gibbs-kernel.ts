import { planOf } from './transport.ts';

/** exp((fᵢ + gⱼ − costᵢⱼ) / eps) */
export const gibbsKernel = (cost: Float64Array, f: Float64Array, g: Float64Array, eps: number): Float64Array =>
  planOf(cost, f, g, eps);
