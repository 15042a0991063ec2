import { refusal, shown } from '../../core/errors.ts';
import { isRecord } from '../../core/options.ts';
import type { Tensor } from '../../core/tensor.ts';
import { checkOracle, type Oracle } from '../../solvers/oracle.ts';

/** An approximation of the Hessian at the parameters as they are, positive semidefinite, of d elements together. */
export type GnsCurvature =
  | {
      /** The matrix itself, d at most 4096. */
      readonly kind: 'dense';
      /** out `[d, d]` = the matrix, in the dtype of the parameters; its lower half is read. */
      matrix(out: Tensor): void | Promise<void>;
    }
  | {
      /** `scale` · Fᵀ F of a factor F `[m, d]`. */
      readonly kind: 'lowrank';
      /** F, in the dtype of the parameters; it stays the oracle's. */
      factor(): Tensor | Promise<Tensor>;
      /** A number that is not negative, or one by what it is at the parameters. */
      readonly scale: number | Tensor;
    }
  | {
      /** Products by the oracle's `gaussNewtonProduct`, solved with by conjugate gradients. */
      readonly kind: 'product';
    };

/** An oracle that knows an approximation of its Hessian; without one, steps go along the gradient. */
export interface GnsOracle extends Oracle {
  /** The approximation, and how steps are solved for. */
  readonly curvature?: GnsCurvature | undefined;
}

const mostDense = 4096;
const functionsOf = { dense: 'matrix', lowrank: 'factor', product: undefined } as const;

/** @throws ERR_ARGUMENT, ERR_DTYPE, ERR_SHAPE, ERR_DEVICE, ERR_DISPOSED for what is no oracle */
export function checkGnsOracle(where: string, oracle: GnsOracle): void {
  checkOracle(where, oracle);
  const { curvature } = oracle;
  if (curvature === undefined) return;
  const kind = isRecord(curvature) ? curvature.kind : undefined;
  if (kind === undefined || !Object.hasOwn(functionsOf, kind))
    throw refusal(where, 'oracle.curvature', "be of the kind 'dense', 'lowrank' or 'product'", shown(kind));
  const name = functionsOf[kind];
  const own = (curvature as unknown as Record<string, unknown>)[name ?? ''];
  if (name && typeof own !== 'function')
    throw refusal(where, 'oracle.curvature', `have a function ${name}`, shown(own));
  if (kind === 'product' && typeof oracle.gaussNewtonProduct !== 'function')
    throw refusal(where, 'oracle', 'have a function gaussNewtonProduct', shown(oracle.gaussNewtonProduct));
  const size = oracle.params.reduce((sum, one) => sum + one.size, 0);
  if (kind === 'dense' && size > mostDense)
    throw refusal(where, 'oracle.params', `have at most ${mostDense} elements for the kind 'dense'`, size);
}
