import * as check from '../../core/check.ts';
import { refusal } from '../../core/errors.ts';
import { ops } from '../../core/native-ops.ts';
import { Owned } from '../../core/owned.ts';
import { Places } from '../../core/places.ts';
import { Tensor } from '../../core/tensor.ts';
import type { ConvOrthMode } from './kernel.ts';
import { type ConvOrthLayer, type ConvOrthRegularizerOptions, convOrthLayers, type Layer } from './layers.ts';

/**
 * Adds weight · ∇L_orth of some convolutions to their gradients: see {@link convOrthLoss}. Its place is between the
 * gradients and the optimizer's step. It returns at once, and waits for nothing.
 *
 * An orthogonal convolution of circular images exists where O ≤ C · k², or, if O ≥ C · stride², where stride ≤ k
 * (Achour, Malgouyres and Mamalet 2022, theorem 4.1); others are refused.
 *
 * @example
 * using regularizer = new nn.ConvOrthRegularizer(nn.select(model, 'conv*.weight'), { weight: 0.1 });
 * const { value, grads } = step(model, images, labels);
 * const penalty = regularizer.addTo(grads);
 * optimizer.step(grads);
 */
export class ConvOrthRegularizer {
  /** The side of each convolution's matrix that is made orthonormal, by path. */
  readonly modes: Readonly<Record<string, ConvOrthMode>>;
  readonly #layers: readonly Layer[];
  readonly #owned: Owned<Tensor>;
  readonly #losses: Tensor;
  readonly #each: readonly Tensor[];
  readonly #total: Tensor;
  #disposed = false;

  /**
   * @param layers Kernels by path, as {@link select} gives them, or kernels with a stride and a weight of their own.
   * @throws ERR_ARGUMENT for what is no option or no convolution, and for sizes without an orthogonal convolution
   * unless `allowInfeasible`; ERR_SHAPE, ERR_DTYPE, ERR_DEVICE, ERR_DISPOSED
   */
  constructor(layers: Readonly<Record<string, Tensor | ConvOrthLayer>>, options: ConvOrthRegularizerOptions = {}) {
    const where = 'nn.ConvOrthRegularizer';
    this.#layers = convOrthLayers(where, layers, options);
    this.modes = Object.freeze(Object.fromEntries(this.#layers.map(({ path, mode }) => [path, mode])));
    const [first] = this.#layers;
    if (!first) throw refusal(where, 'layers', 'hold a kernel', 'none');
    const { device } = first.kernel;
    for (const { path, kernel } of this.#layers) check.tensor(where, path, kernel, { device });
    using owned = new Owned<Tensor>();
    const losses = owned.add(new Tensor(device, [this.#layers.length, 1], 'f64'));
    this.#losses = losses;
    this.#total = owned.add(new Tensor(device, [1], 'f64'));
    this.#each = this.#layers.map((_, i) => owned.add(losses.rows(i, i + 1)));
    this.#owned = owned.move();
  }

  /**
   * Adds the gradients to those of `grads`, which are written; a kernel without a gradient there, or with `null`, gets
   * none.
   *
   * @param grads The gradient of each parameter, as `valueAndGrad` gives them.
   * @returns Σ weight · L over all kernels, f64[1]: the regularizer's own, until the next call.
   * @throws ERR_ARGUMENT unless a map has one of the kernels, and for a gradient that shares its bytes with a kernel or
   * another gradient; ERR_SHAPE, ERR_DTYPE, ERR_DEVICE, ERR_DISPOSED; nothing is changed then
   */
  addTo(grads: ReadonlyMap<Tensor, Tensor | null>): Tensor {
    const where = 'nn.ConvOrthRegularizer.addTo';
    check.alive(where, 'the regularizer', { disposed: this.#disposed });
    check.instance<ReadonlyMap<Tensor, Tensor | null>>(where, 'grads', grads, Map);
    const { device } = this.#total;
    const wanted = this.#layers.map(({ path, kernel }) => {
      check.alive(where, path, kernel);
      const grad = grads.get(kernel) ?? undefined;
      if (grad)
        check.tensor(where, `gradient of ${path}`, grad, { dtypes: [kernel.dtype], shape: kernel.shape, device });
      return grad;
    });
    if (!this.#layers.some(({ kernel }) => grads.has(kernel)))
      throw refusal(where, 'grads', `have one of ${this.#layers.length} kernels`, `${grads.size} others`);
    checkApart(where, this.#layers, wanted);
    for (const [i, { kernel, stride, weight }] of this.#layers.entries())
      ops.convOrthLoss(device, { kernel, loss: this.#each[i]!, gradKernel: wanted[i], stride, weight, beta: 1 });
    ops.columnSum(device, { x: this.#losses, out: this.#total });
    return this.#total;
  }

  /** Gives its memory back; later use throws `ERR_DISPOSED`. The kernels are the caller's. */
  dispose(): void {
    this.#disposed = true;
    this.#owned.dispose();
  }

  /** Disposes: `using regularizer = new nn.ConvOrthRegularizer(…)`. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** The operation of one layer sees no other's tensors. @throws ERR_ARGUMENT */
function checkApart(where: string, layers: readonly Layer[], grads: readonly (Tensor | undefined)[]): void {
  const places = new Places();
  const kernels = new Set<Tensor>();
  for (const [i, { path, kernel }] of layers.entries()) {
    // A kernel may stand under several paths, and has one gradient.
    if (!kernels.has(kernel) && grads[i] && !places.add(grads[i]))
      throw refusal(where, `gradient of ${path}`, 'not share its bytes with another', 'one that does');
    kernels.add(kernel);
  }
  for (const { path, kernel } of layers)
    if (places.has(kernel)) throw refusal(where, path, 'not share its bytes with a gradient', 'one that does');
}
