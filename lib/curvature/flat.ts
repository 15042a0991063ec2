import * as check from '../core/check.ts';
import { OrthokitError, oneOf, refusal, shown } from '../core/errors.ts';
import type { LinearOperator } from '../core/operator.ts';
import { Owned } from '../core/owned.ts';
import type { Tensor } from '../core/tensor.ts';
import { checkOracle, type Oracle } from '../solvers/oracle.ts';

/** The matrix that {@link flat} multiplies by. */
export type Curvature = 'hessian' | 'gauss-newton';

/** The operator of {@link flat}. */
export interface FlatOperator extends LinearOperator {
  /** The shapes of the parameters, in their order. */
  readonly shapes: readonly (readonly number[])[];
}

const functions = { hessian: 'hessianProduct', 'gauss-newton': 'gaussNewtonProduct' } as const;

/**
 * The Hessian or the Gauss–Newton matrix of an oracle as an operator over one vector `[n]`, n the elements of all
 * parameters, in their order, at the parameters as they are when it is applied.
 *
 * @param sample Names the mini-batch: whole, from 0 on. Default: none.
 * @example
 * const { ritz } = await lanczos(flat(oracle, 'gauss-newton'), { steps: 20 });
 *
 * @throws ERR_ARGUMENT, ERR_DTYPE, ERR_SHAPE, ERR_DEVICE, ERR_DISPOSED for what is no oracle, and for another word or
 * sample; ERR_UNSUPPORTED for an oracle without these products. A product rejects with ERR_SHAPE, ERR_DTYPE,
 * ERR_DEVICE, ERR_DISPOSED for vectors that are not `[n]` of the dtype and device of the parameters, with ERR_DISPOSED
 * for an oracle that disposes of what it is given, and with what it throws
 */
export function flat(oracle: Oracle, curvature: Curvature, sample?: number): FlatOperator {
  const where = 'flat';
  checkOracle(where, oracle);
  if (!Object.hasOwn(functions, curvature))
    throw refusal(where, 'curvature', `be ${oneOf(Object.keys(functions))}`, shown(curvature));
  if (sample !== undefined && !(Number.isSafeInteger(sample) && sample >= 0))
    throw refusal(where, 'sample', 'be a whole number from 0 on', shown(sample));
  const name = functions[curvature];
  if (typeof oracle[name] !== 'function')
    throw new OrthokitError('ERR_UNSUPPORTED', `${where}: oracle must have a function ${name}, got none`);
  const { params } = oracle;
  const { device, dtype } = params[0]!;
  const size = params.reduce((sum, parameter) => sum + parameter.size, 0);
  /** The parts of a vector, in the shapes of the parameters. */
  const partsOf = (x: Tensor, owned: Owned<Tensor>): readonly Tensor[] => {
    let end = 0;
    return params.map((parameter) => {
      const part = owned.add(x.rows(end, end + parameter.size));
      end += parameter.size;
      return owned.add(part.reshape(parameter.shape));
    });
  };
  return {
    device,
    dtype: dtype as 'f32' | 'f64',
    shape: [size, size],
    shapes: params.map(({ shape }) => [...shape]),
    async apply(x, out) {
      for (const [vector, tensor] of Object.entries({ x, out }))
        check.tensor('flat.apply', vector, tensor, { dtypes: [dtype], shape: [size], device });
      using owned = new Owned<Tensor>();
      const [from, to] = [partsOf(x, owned), partsOf(out, owned)];
      await oracle[name]!(from, to, sample);
      if ([...from, ...to].some(({ disposed }) => disposed))
        throw new OrthokitError(
          'ERR_DISPOSED',
          `flat.apply: oracle.${name} has disposed of a tensor that it was given`,
        );
    },
  };
}
