import { callback } from '../core/callbacks.ts';
import { Owned } from '../core/owned.ts';
import type { Tensor } from '../core/tensor.ts';
import * as vectors from '../core/vectors.ts';
import { type BilevelOracle, checkBilevelOracle } from '../solvers/bilevel-oracle.ts';
import { saved, stepAlong } from '../solvers/oracle.ts';

/**
 * The same oracle with the second derivatives of g by central differences of its gradients along v, for those that have
 * none: two gradients a product, right to some ten digits in f64 and four in f32. y is moved and put back, bit for bit.
 *
 * @example
 * const method = new BoRep(finiteDifferences(oracle), { lr: 0.1, lowerLr: 0.2, nu: 0.2 });
 *
 * @throws ERR_ARGUMENT, ERR_SHAPE, ERR_DTYPE, ERR_DEVICE, ERR_DISPOSED for what is no oracle; ERR_UNSUPPORTED for one
 * that has neither lowerJacobianXY nor lowerGradientX. A product rejects with what a gradient throws, y as before
 */
export function finiteDifferences(
  oracle: BilevelOracle,
): BilevelOracle & Required<Pick<BilevelOracle, 'lowerHessianYY' | 'lowerJacobianXY'>> {
  const where = 'finiteDifferences';
  checkBilevelOracle(where, oracle, ['lowerGradientY', 'upperGradientX', 'upperGradientY']);
  if (!oracle.lowerJacobianXY) checkBilevelOracle(where, oracle, ['lowerGradientX']);
  const { x, y } = oracle;
  const { device } = y[0]!;
  const product =
    (name: 'lowerGradientX' | 'lowerGradientY') =>
    async (v: readonly Tensor[], out: readonly Tensor[], sample?: number): Promise<void> => {
      using owned = new Owned<Tensor>();
      const restore = saved(y, owned);
      try {
        const { h, inverse } = stepAlong(device, y, v, owned);
        const [above, below] = [vectors.like(out, owned), vectors.like(out, owned)];
        const gradient = (to: readonly Tensor[]) =>
          callback(undefined, `${where}: oracle.${name}`, [...x, ...y, ...to], () => oracle[name]!(to, sample));
        vectors.axpy(device, [1, h], v, y);
        await gradient(above);
        restore();
        vectors.axpy(device, [-1, h], v, y);
        await gradient(below);
        vectors.combine(device, out, [[0.5, inverse], above], [[-0.5, inverse], below]);
      } finally {
        restore();
      }
    };
  const own = <T extends (...args: never[]) => unknown>(call: T | undefined): T | undefined =>
    call && (call.bind(oracle) as T);
  return {
    x,
    y,
    lowerGradientY: own(oracle.lowerGradientY)!,
    upperGradientX: own(oracle.upperGradientX)!,
    upperGradientY: own(oracle.upperGradientY)!,
    ...(oracle.lowerGradientX && { lowerGradientX: own(oracle.lowerGradientX)! }),
    ...(oracle.upperValue && { upperValue: own(oracle.upperValue)! }),
    lowerHessianYY: own(oracle.lowerHessianYY) ?? product('lowerGradientY'),
    lowerJacobianXY: own(oracle.lowerJacobianXY) ?? product('lowerGradientX'),
  };
}
