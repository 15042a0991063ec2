import { OrthokitError } from '../../core/errors.ts';
import { mean, randn, zero } from './constant.ts';
import { johnHewitt } from './gaussian.ts';
import { commonInterpolation } from './interpolation.ts';
import { landmarkPca } from './landmark-pca.ts';
import type { MethodKind, MethodName } from './method.ts';
import { omp } from './omp.ts';
import { subword } from './subword.ts';

const methods: Readonly<Record<MethodName, MethodKind | undefined>> = {
  omp: { prepare: omp, needs: 'anchors' },
  mean: { prepare: mean },
  zero: { prepare: zero },
  randn: { prepare: randn },
  john_hewitt: { prepare: johnHewitt },
  common_interpolation: { prepare: commonInterpolation, needs: 'anchors' },
  subword: { prepare: subword, needs: 'merges' },
  landmark_pca: { prepare: landmarkPca, needs: 'anchors' },
  stb: undefined,
  mp_rope: undefined,
};

/** @throws ERR_UNSUPPORTED for a method that is known and not there */
export function findMethod(op: string, name: MethodName): MethodKind {
  const method = methods[name];
  if (!method) throw new OrthokitError('ERR_UNSUPPORTED', `${op}: method ${name} is not implemented`);
  return method;
}
