// The exact augmented Lagrangian by which steps are judged, f + λ·c + η₁|c|²/2 + η₂|∇ₓL|²/2, and its slope along one.
import type { Device } from '../../core/device.ts';
import { ops } from '../../core/native-ops.ts';
import type { Owned } from '../../core/owned.ts';
import { Tensor } from '../../core/tensor.ts';
import type { Geometry, Lengths } from './geometry.ts';
import type { Point } from './problem.ts';

/** η₁ and η₂. */
export interface MeritWeights {
  readonly eta1: number;
  readonly eta2: number;
}

/** The merit function at a point. */
export const meritOf = (
  { value }: Pick<Point, 'value'>,
  { work, violation, slope }: Pick<Lengths, 'work' | 'violation' | 'slope'>,
  { eta1, eta2 }: MeritWeights,
): number => value + work + (eta1 * violation + eta2 * slope) / 2;

/**
 * The slope of the merit function along a step (dx, dλ) from the point that a geometry has: its derivatives are
 * ∇ₓL + η₂ W ∇ₓL + η₁ Gᵀc by x, W the Hessian of the Lagrangian, and c + η₂ G ∇ₓL by λ.
 */
export class MeritSlope {
  readonly #geometry: Geometry;
  readonly #bent: Tensor;
  readonly #pulled: Tensor;
  readonly #pushed: Tensor;
  /** Vectors whose inner products {@link MeritSlope.of} is told. */
  readonly along: readonly (readonly [Tensor, Tensor])[];

  /**
   * @param dx The step's part by x, `[n]`.
   * @param dl Its part by λ, `[m]`.
   */
  constructor(device: Device, geometry: Geometry, dx: Tensor, dl: Tensor, owned: Owned<Tensor>) {
    const { n, m, slope, constraint } = geometry;
    const make = (size: number): Tensor => owned.add(new Tensor(device, [size, 1], 'f64'));
    const flat = (column: Tensor): Tensor => owned.add(column.reshape([column.size]));
    this.#geometry = geometry;
    [this.#bent, this.#pulled, this.#pushed] = [make(n), make(n), make(m)];
    this.along = [
      [flat(slope), dx],
      [flat(this.#bent), dx],
      [flat(this.#pulled), dx],
      [flat(constraint), dl],
      [flat(this.#pushed), dl],
    ];
  }

  /** Queues the derivatives at the point and the Hessian that the geometry has. */
  begin(queue: Device): void {
    const { slope, constraint, jacobian, hessian } = this.#geometry;
    ops.gemm(queue, { a: hessian, b: slope, c: this.#bent });
    ops.gemm(queue, { a: jacobian, b: constraint, c: this.#pulled, transA: 'transposed' });
    ops.gemm(queue, { a: jacobian, b: slope, c: this.#pushed });
  }

  /** The slope, told the inner products of `along`. */
  of(products: ArrayLike<number>, { eta1, eta2 }: MeritWeights): number {
    return products[0]! + products[3]! + eta2 * (products[1]! + products[4]!) + eta1 * products[2]!;
  }
}
