import * as check from '../core/check.ts';
import { checkLike } from '../core/params.ts';
import { type Resolved, readOptions, type Schema, whole } from '../core/schema.ts';
import type { Tensor } from '../core/tensor.ts';

/** Options of what a policy computes at other parameters than its own. */
export interface PolicyPlace {
  /** Tensors like the policy's. Default: the policy's own. */
  params?: readonly Tensor[] | undefined;
}

/** Options of the draws of a policy. */
export interface PolicySampleOptions extends PolicyPlace {
  /** Whole, from 0 to 2⁵³ − 1. Default: 0. */
  seed?: number | undefined;
  /** The place in the sequence of the seed: whole, from 0 on; another one for each draw. Default: 0. */
  offset?: number | undefined;
}

export const place: Schema<Resolved<PolicyPlace, 'params'>> = {
  params: {
    default: undefined,
    wrong: (x) => (x === undefined || Array.isArray(x) ? undefined : 'must be a list of tensors'),
  },
};

export const draws: Schema<Resolved<PolicySampleOptions, 'params'>> = {
  ...place,
  seed: whole(0, 0, 2 ** 53 - 1),
  offset: whole(0, 0, 2 ** 53 - 1),
};

/** The parameters that options name, or the policy's own. */
export function paramsAt(where: string, own: readonly Tensor[], options: PolicyPlace): readonly Tensor[] {
  const { params } = readOptions(where, options, place);
  for (const [i, one] of own.entries()) check.alive(where, `the policy's parameter ${i}`, one);
  if (params !== undefined) checkLike(where, 'params', params, own);
  return params ?? own;
}
