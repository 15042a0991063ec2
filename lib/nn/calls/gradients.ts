import { isSameShape } from '../../core/shapes.ts';
import { Tensor } from '../../core/tensor.ts';

/** The gradients of parameters, which calls write again and again. */
export class Gradients {
  readonly #tensors = new Map<Tensor, Tensor>();
  #kept: object | undefined;
  /** Parameters whose gradients the last call has written; none of a call that threw while it wrote. */
  written: ReadonlySet<Tensor> | undefined = new Set();

  /** The gradient of a parameter, or those of its samples, `[samples, …]`. */
  of(parameter: Tensor, samples: number | undefined): Tensor {
    const known = this.#tensors.get(parameter);
    const shape = samples === undefined ? parameter.shape : [samples, ...parameter.shape];
    if (known && isSameShape(known.shape, shape)) return known;
    const gradient = new Tensor(parameter.device, shape, parameter.dtype);
    known?.dispose();
    this.#tensors.set(parameter, gradient);
    return gradient;
  }

  /** Gives back those of all other parameters, which were replaced. */
  keep(parameters: { has(parameter: Tensor): boolean }): void {
    if (parameters === this.#kept) return;
    this.#kept = parameters;
    for (const [parameter, gradient] of this.#tensors) {
      if (parameters.has(parameter)) continue;
      this.#tensors.delete(parameter);
      if (this.written) this.written = new Set();
      gradient.dispose();
    }
  }

  dispose(): void {
    this.keep(new Set());
    this.written = new Set();
  }
}
