import { filled } from '../../core/all-or-none.ts';
import type { Dtype } from '../../core/dtypes.ts';
import { oneOf, refusal } from '../../core/errors.ts';
import { ops } from '../../core/native-ops.ts';
import { isRecord, shown } from '../../core/options.ts';
import { isTensor, Tensor } from '../../core/tensor.ts';
import type { TransportStatus } from '../options.ts';
import { meanPotential } from '../problem/potentials.ts';

/** A variable of {@link TransportBatch.gradient}. */
export type TransportBatchVariable = 'cost' | 'a' | 'b';

const variables: readonly string[] = ['cost', 'a', 'b'] satisfies TransportBatchVariable[];

/** The result of {@link transportBatch}: the k-th of each is the k-th problem's. */
export class TransportBatch<D extends Dtype = Dtype> {
  /** Potentials of the rows, `[B, n]`, f64; −infinity for a mass of 0, and beyond a smaller problem's rows. */
  readonly f: Tensor<'f64'>;
  /** Potentials of the columns, `[B, m]`. */
  readonly g: Tensor<'f64'>;
  /** Strength of the entropy. */
  readonly eps: number;
  /** ⟨C, P⟩ + eps Σ P ln P. */
  readonly value: Float64Array;
  /** ⟨C, P⟩. */
  readonly cost: Float64Array;
  /** Σ |P 1 − a| + Σ |Pᵀ 1 − b|. */
  readonly marginalError: Float64Array;
  /**
   * The end of each problem, as {@link TransportStatus}: `'converged'`, its error is at most `tol`; `'infeasible'`, the
   * pairs that are not forbidden cannot carry its masses; `'at-precision'`, its error is above `tol`, but within what
   * f64 can tell for its costs and this `eps`, whatever the costs' dtype; `'max-iterations'`, sweeps ran out.
   */
  readonly status: readonly TransportStatus[];
  /** Sweeps done. */
  readonly sweeps: Int32Array;
  readonly #costs: Tensor<D>;

  /** @internal Takes the tensors over. @throws ERR_ARGUMENT for what no solver has made */
  constructor(
    costs: Tensor<D>,
    potentials: { readonly f: Tensor<'f64'>; readonly g: Tensor<'f64'> },
    eps: number,
    statistics: Float64Array,
    sweeps: Int32Array,
    status: readonly TransportStatus[],
  ) {
    if (!isTensor(costs) || !isRecord(potentials) || !(statistics instanceof Float64Array))
      throw refusal('TransportBatch', 'it', 'come from transportBatch', shown(costs));
    const column = (k: number) => statistics.filter((_, at) => at % 4 === k);
    this.f = potentials.f;
    this.g = potentials.g;
    this.eps = eps;
    this.sweeps = sweeps;
    this.marginalError = column(1);
    this.cost = column(2);
    this.value = column(3);
    this.status = status;
    this.#costs = costs;
  }

  /**
   * The plans, `[B, n, m]`, from the potentials and the costs' present elements, in the costs' dtype; 0 beyond a
   * smaller problem.
   * @throws ERR_DISPOSED, ERR_MEMORY
   */
  plan(): Promise<Tensor<D>> {
    return this.gradient('cost');
  }

  /**
   * The gradient of each problem's `value`, by the envelope theorem from its plan alone.
   *
   * - `'cost'`: the plans, `[B, n, m]`
   * - `'a'`, `'b'`: of the masses, `[B, n]` and `[B, m]`, f64: the problem's potentials minus their mean, since totals
   *   are to stay equal; −infinity for a mass of 0
   *
   * @throws ERR_ARGUMENT, ERR_DISPOSED, ERR_MEMORY
   */
  gradient(by: 'cost'): Promise<Tensor<D>>;
  /** The gradient by masses. */
  gradient(by: 'a' | 'b'): Promise<Tensor<'f64'>>;
  /** The gradient by one that is chosen later. */
  gradient(by: TransportBatchVariable): Promise<Tensor<D> | Tensor<'f64'>>;
  async gradient(by: TransportBatchVariable): Promise<Tensor<D> | Tensor<'f64'>> {
    switch (by) {
      case 'cost':
        return this.#plans();
      case 'a':
        return await centred(this.f);
      case 'b':
        return await centred(this.g);
      default:
        throw refusal('gradient', 'by', `be ${oneOf(variables)}`, shown(by));
    }
  }

  #plans(): Tensor<D> {
    const cost = this.#costs;
    const { f, g, eps } = this;
    return filled(new Tensor(cost.device, cost.shape, cost.dtype), (kernel) =>
      ops.gibbsKernel(cost.device, { cost, rowPotential: f, columnPotential: g, kernel, eps }),
    );
  }

  /** Gives the potentials' memory back, and lets go of the costs. */
  dispose(): void {
    this.f.dispose();
    this.g.dispose();
    this.#costs.dispose();
  }

  /** Disposes: `using batch = await transportBatch(…)`. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** Each row minus the mean of its finite numbers. */
async function centred(potential: Tensor<'f64'>): Promise<Tensor<'f64'>> {
  const [batch, size] = potential.shape as [number, number];
  const numbers = await potential.read();
  for (let k = 0; k < batch; ++k) {
    const row = numbers.subarray(k * size, (k + 1) * size);
    const mean = meanPotential(row);
    for (let i = 0; i < size; ++i) row[i] = row[i]! - mean;
  }
  return Tensor.from(potential.device, numbers, potential.shape);
}
