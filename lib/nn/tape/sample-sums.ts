import { Owned } from '../../core/owned.ts';
import type { SampleProducts } from '../../core/sample-products.ts';
import { Tensor } from '../../core/tensor.ts';
import type { Arena } from './arena.ts';
import type { PerSample } from './sample-checks.ts';

/** squares = |gᵢ|² and dots = ⟨gᵢ, mean⟩ of one parameter: mean is like it, the others are f64 `[samples]`. */
export type WriteProducts = (mean: Tensor, squares: Tensor, dots: Tensor) => void;

/** Products of gradients `[samples, …]` that a function writes, in f64, where squares of f32 keep their range. */
export const productsOf =
  (arena: Arena, perSample: PerSample, samples: number): WriteProducts =>
  (mean, squares, dots) => {
    const { ops } = arena;
    const each = arena.take([samples, ...mean.shape], mean.dtype);
    perSample(each, samples);
    const x = arena.view(each, [samples, mean.size]);
    const [wide, factor] = [arena.take(x.shape, 'f64'), arena.take([mean.size], 'f64')];
    ops.rowReduce({ x, out: squares, reduction: 'sum_of_squares' });
    ops.cast({ x: [x, arena.view(mean, [mean.size])], out: [wide, factor] });
    ops.scaleAxis({ x: wide, scale: factor, out: wide });
    ops.rowReduce({ x: wide, out: dots });
    for (const tensor of [wide, factor, each]) arena.give(tensor);
  };

/** Sums over the parameters of a call, of gradients that are the samples' parts of their mean: gᵢ / samples. */
export class SampleSums {
  #owned = new Owned<Tensor>();
  #products: SampleProducts | undefined;

  start(arena: Arena, samples: number): void {
    const { device, ops } = arena;
    if (this.#products?.squares.size !== samples || this.#products.squares.device !== device) {
      this.dispose();
      const make = () => this.#owned.add(new Tensor(device, [samples], 'f64'));
      this.#products = { squares: make(), dots: make() };
    }
    const { squares, dots } = this.#products;
    ops.fill({ x: [squares, dots], value: 0 });
  }

  add(arena: Arena, mean: Tensor, write: WriteProducts): void {
    const { squares, dots } = this.#products!;
    const [own, withMean] = [arena.take(squares.shape, 'f64'), arena.take(squares.shape, 'f64')];
    write(mean, own, withMean);
    const all = [squares, dots];
    arena.ops.linearCombination({ out: all, terms: [...all, own, withMean], coefficients: [1, 1] });
    for (const tensor of [own, withMean]) arena.give(tensor);
  }

  /** The sums, of whole gradients. */
  end(arena: Arena): SampleProducts {
    const { squares, dots } = this.#products!;
    const samples = squares.size;
    arena.ops.linearCombination({ out: [squares], terms: [squares], coefficients: [samples ** 2] });
    arena.ops.linearCombination({ out: [dots], terms: [dots], coefficients: [samples] });
    return this.#products!;
  }

  dispose(): void {
    this.#owned.dispose();
    this.#products = undefined;
  }
}
