import type { Device } from '../core/device.ts';
import { ops } from '../core/native-ops.ts';
import { Owned } from '../core/owned.ts';
import { checkLike, checkParams } from '../core/params.ts';
import { finite, flag, notNegative, type Resolved, readOptions, type Schema } from '../core/schema.ts';
import { Tensor } from '../core/tensor.ts';
import * as vectors from '../core/vectors.ts';

/** Options of {@link projectOut}. */
export interface ProjectOutOptions {
  /** The share of the component that is taken away: 1 leaves none of it. Finite. Default: 1. */
  scale?: number | undefined;
  /** The least divisor of the coefficient, or with `relative` a share: finite, not negative. Default: 1e-10. */
  floor?: number | undefined;
  /**
   * True: nothing is taken away where |forward|² is at most `floor` · |backward|², whatever the units. Default: false.
   */
  relative?: boolean | undefined;
  /** Tensors like `backward` for the result. Default: `backward` itself. */
  out?: readonly Tensor[] | undefined;
}

const schema: Schema<Resolved<ProjectOutOptions, 'out'>> = {
  scale: finite(1),
  floor: notNegative(1e-10),
  relative: flag(false),
  out: {
    default: undefined,
    wrong: (x) => (x === undefined || Array.isArray(x) ? undefined : 'must be a list of tensors'),
  },
};

/** The least number above 0 whose quotients are right. */
const least = 2 ** -1022;

/**
 * Takes from one vector its component along another: out = backward − scale · k · forward, where k = ⟨forward,
 * backward⟩ / max(|forward|², floor), over all tensors of the lists as one vector. For gradients of two aims, a step
 * against what is left changes the first aim no more, to first order, than one against `forward` alone. Gives k, a new
 * f64 of one element. Queued, without a number read; products and sums in f64.
 *
 * `floor` is absolute unless `relative`: gradients of losses that are scaled down by 1e-5 fall below it.
 *
 * Source: O-DICE, "Revealing the Mystery of Distribution Correction Estimation via Orthogonal-gradient Update" (ICLR
 * 2024), the orthogonal-gradient update.
 *
 * @example
 * using k = projectOut(gradientsOfFirst, gradientsOfSecond);
 *
 * @param forward f32 or f64, of one device.
 * @param backward Tensors like those of `forward`.
 * @throws ERR_ARGUMENT, ERR_SHAPE, ERR_DTYPE, ERR_DEVICE, ERR_DISPOSED, ERR_MEMORY
 */
export function projectOut(
  forward: readonly Tensor[],
  backward: readonly Tensor[],
  options: ProjectOutOptions = {},
): Tensor<'f64'> {
  const where = 'projectOut';
  checkParams(where, 'forward', forward);
  checkParams(where, 'backward', backward);
  checkLike(where, 'backward', backward, forward);
  const { out, ...given } = readOptions(where, options, schema);
  if (out !== undefined) {
    checkParams(where, 'out', out);
    checkLike(where, 'out', out, forward);
  }
  const { device } = forward[0]!;
  using owned = new Owned<Tensor>();
  const k = owned.add(new Tensor(device, [1], 'f64'));
  setCoefficient(forward, backward, k, productsOn(device, owned), given.floor, given.relative);
  vectors.combine(device, out ?? backward, [1, backward], [[-given.scale, k], forward]);
  return owned.release(k);
}

/** Products of {@link setCoefficient}: |forward|² and ⟨forward, backward⟩, f64 `[2]`, and a view of each. */
export interface Products {
  readonly both: Tensor;
  readonly square: Tensor;
  readonly product: Tensor;
}

export function productsOn(device: Device, owned: Owned<Tensor>): Products {
  const both = owned.add(new Tensor(device, [2], 'f64'));
  const [square, product] = [owned.add(both.rows(0, 1)), owned.add(both.rows(1, 2))];
  return { both, square, product };
}

/** k = ⟨forward, backward⟩ / max(|forward|², floor), or with `relative` 0 where |forward|² is small. */
export function setCoefficient(
  forward: readonly Tensor[],
  backward: readonly Tensor[],
  k: Tensor,
  { both, square, product }: Products,
  floor: number,
  relative = false,
): void {
  const { device } = k;
  vectors.dots(device, [[forward, forward], [forward, backward]], both); // biome-ignore format: one line
  if (relative) {
    // 1 where |forward|² is large enough, 0 where it is not.
    vectors.dot(device, backward, backward, k);
    vectors.combine(device, k, [1, square], [-floor, k]);
    ops.map(device, { x: [k], out: [k], function: 'relu' });
    ops.map(device, { x: [k], out: [k], function: 'sign' });
    vectors.multiply(device, product, k, product);
  }
  const low = relative ? least : Math.max(floor, least);
  ops.map(device, { x: [square], out: [square], function: 'clamp', parameters: [low, Infinity] });
  vectors.divide(device, product, square, k);
}
