import { OrthokitError } from '../../core/errors.ts';
import { mean, randn, zero } from './constant.ts';
import { johnHewitt } from './gaussian.ts';
import { commonInterpolation } from './interpolation.ts';
import { landmarkPca } from './landmark-pca.ts';
import type { MethodName, PrepareMethod } from './method.ts';
import { omp } from './omp.ts';
import { subword } from './subword.ts';

const methods: Readonly<Record<MethodName, PrepareMethod | undefined>> = {
  omp,
  mean,
  zero,
  randn,
  john_hewitt: johnHewitt,
  common_interpolation: commonInterpolation,
  subword,
  landmark_pca: landmarkPca,
  stb: undefined,
  mp_rope: undefined,
};

/** @throws `ERR_UNSUPPORTED` for a method that is known and not there */
export function findMethod(op: string, name: MethodName): PrepareMethod {
  const method = methods[name];
  if (!method) throw new OrthokitError('ERR_UNSUPPORTED', `${op}: method ${name} is not implemented`);
  return method;
}

/** Whether a method stands on tokens that both models know. */
export function needsAnchors(name: MethodName): boolean {
  return !['mean', 'zero', 'randn', 'john_hewitt', 'subword'].includes(name);
}

/** Whether a method encodes text with the base's tokenizer. */
export function needsMerges(name: MethodName): boolean {
  return name === 'subword';
}
