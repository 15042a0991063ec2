import { allOrNone } from '../core/all-or-none.ts';
import type { Device } from '../core/device.ts';
import { Tensor } from '../core/tensor.ts';

/** Signals as sums of few atoms: what {@link omp} finds. Row b is signal b. */
export class SparseCode<D extends 'f32' | 'f64' = 'f32' | 'f64'> {
  /** The atoms of each signal in the order of their choice, `[B, k]` i32; −1 where a signal took fewer. */
  readonly indices: Tensor<'i32'>;
  /** Their coefficients, `[B, k]`; 0 where a signal took fewer. */
  readonly coefficients: Tensor<D>;
  /** Norm of the residual of each signal, `[B]`. */
  readonly residuals: Tensor<D>;
  /** Number of atoms that each signal took, `[B]` i32. */
  readonly counts: Tensor<'i32'>;
  /** Number of atoms to choose from. */
  readonly atoms: number;

  /** A code whose elements are not set. */
  constructor(device: Device, signals: number, k: number, atoms: number, dtype: D) {
    [this.indices, this.coefficients, this.residuals, this.counts] = allOrNone(
      () => new Tensor(device, [signals, k], 'i32'),
      () => new Tensor(device, [signals, k], dtype),
      () => new Tensor(device, [signals], dtype),
      () => new Tensor(device, [signals], 'i32'),
    );
    this.atoms = atoms;
  }

  /** Gives the memory of all four tensors back. */
  dispose(): void {
    for (const tensor of [this.indices, this.coefficients, this.residuals, this.counts]) tensor.dispose();
  }

  /** Disposes: `using code = await omp(dictionary, signals, { k: 8 })`. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}
