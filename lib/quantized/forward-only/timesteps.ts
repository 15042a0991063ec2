import { refusal, shown } from '../../core/errors.ts';
import { uniform } from '../../core/philox.ts';
import { type Resolved, readOptions, required, type Schema, whole } from '../../core/schema.ts';

/** Options of {@link partialUniformTimesteps}. */
export interface PartialUniformTimestepsOptions {
  /** The first timestep that may come: whole, from 0 to 2^31. Default: 500. */
  readonly low?: number | undefined;
  /** The first one behind those that may come: whole, from 0 to 2^31, above `low`. Default: 900. */
  readonly high?: number | undefined;
  /** Whole, 0 to 2^53 − 1. It has no default: steps want seeds of their own. */
  readonly seed: number;
}

const most = 2 ** 31;
const schema: Schema<Resolved<PartialUniformTimestepsOptions>> = {
  low: whole(500, 0, most),
  high: whole(900, 0, most),
  seed: required(whole(0, 0, 2 ** 53 - 1)),
};

/**
 * Timesteps of a diffusion model, uniform over `low` … `high` − 1 alone: those at which the gradient of the embedding
 * of a new token is large. The defaults are for a scheduler of 1000 steps.
 *
 * Source: ZOODiP, Partial Uniform Timestep Sampling; `train_zoodip.py` draws from 500 to 899.
 *
 * @param n Whole, from 0 to 2^31.
 * @example
 * const [t] = partialUniformTimesteps(1, { seed: step });
 *
 * @throws ERR_ARGUMENT
 */
export function partialUniformTimesteps(n: number, options: PartialUniformTimestepsOptions): Uint32Array {
  const where = 'partialUniformTimesteps';
  const problem = whole(0, 0, most).wrong(n);
  if (problem) throw refusal(where, 'n', problem.slice(5), shown(n));
  const { low, high, seed } = readOptions(where, options, schema);
  if (low >= high) throw refusal(where, 'high', `be above low, ${low}`, high);
  const out = new Uint32Array(n);
  for (let i = 0; i < n; ++i) out[i] = low + Math.floor(uniform(seed, 0, i) * (high - low));
  return out;
}
