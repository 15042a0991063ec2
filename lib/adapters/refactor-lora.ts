import type { Tensor } from '../core/tensor.ts';
import { checkFactors, type RefactoredLora, refactored } from './factors/factors.ts';

/**
 * Factors with the same product b·a, whose a has orthonormal rows, and b orthogonal columns, the longest first. The
 * product itself is never made: two thin QR factorizations, and the singular values of a matrix of rank × rank. Where b
 * has a smaller rank, such as 0 at the start, a keeps its row space, so that training goes on in it.
 *
 * Of f32, b·a keeps 2e-6 of its size, a·aᵀ is the identity to 1e-6.
 *
 * Source: FedSVD, arXiv 2505.12805. Its program decomposes the product, `[out, in]`, and leaves arbitrary rows in a
 * where b has a smaller rank.
 *
 * @param a `[rank, in]`, f32 or f64
 * @param b `[out, rank]`, of the same dtype
 * @returns New tensors, the caller's; the inputs stay as they are.
 * @example
 * const { a, b, singularValues } = await refactorLora(lora.a, lora.b);
 *
 * @throws ERR_ARGUMENT for NaN and infinity, and a product beyond the dtype; ERR_SHAPE for factors that do not fit, are
 * empty, or have a rank above the smaller side; ERR_DTYPE, ERR_DEVICE, ERR_DISPOSED; ERR_MEMORY
 */
export async function refactorLora(a: Tensor, b: Tensor): Promise<RefactoredLora> {
  const where = 'refactorLora';
  checkFactors({ where }, { a, b });
  return refactored({ where }, { a, b });
}
