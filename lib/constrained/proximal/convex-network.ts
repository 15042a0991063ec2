// A network ψ(x) that is convex in x, its gradient, and derivatives of products with that gradient by the weights, in
// passes written by hand: a gradient of a gradient without differentiation by a program.
import { filled } from '../../core/all-or-none.ts';
import type { Device } from '../../core/device.ts';
import { ops } from '../../core/native-ops.ts';
import { Owned } from '../../core/owned.ts';
import { Tensor } from '../../core/tensor.ts';
import * as vectors from '../../core/vectors.ts';
import { convolutions, dense, type LayerMaps } from './layer-maps.ts';

/** Sizes and constants of a network. */
export interface NetworkForm {
  /** Elements of a signal, or channels of an image. */
  readonly dim: number;
  /** Rows and columns of the kernels of convolutions; undefined where whole signals are multiplied. */
  readonly kernel: number | undefined;
  readonly hidden: number;
  readonly layers: number;
  /** The number β of the softplus. */
  readonly beta: number;
  /** The factor of α |x|², which makes ψ strongly convex. */
  readonly alpha: number;
  readonly dtype: 'f32' | 'f64';
}

/** The weights of a network by what they do; gradients of them have the same form. */
export interface NetworkWeights {
  /** W₀ `[hidden, dim]`, of any sign; kernels are `[hidden, k, k, dim]`, and so are those of the others. */
  readonly input: Tensor;
  /** W₁ … W_L `[hidden, hidden]`, not negative. */
  readonly inner: readonly Tensor[];
  /** R₁ … R_L `[hidden, dim]`, of any sign. */
  readonly skips: readonly Tensor[];
  /** b₁ … b_L `[hidden]`. */
  readonly biases: readonly Tensor[];
  /** w `[1, hidden]`, not negative. */
  readonly output: Tensor;
  /** r `[1, dim]`, of any sign. */
  readonly linear: Tensor;
}

/** All weights in one list, always in the same order. */
export const listed = ({ input, inner, skips, biases, output, linear }: NetworkWeights): readonly Tensor[] => [
  input,
  ...inner,
  ...skips,
  ...biases,
  output,
  linear,
];

/** Those that must not be negative: without them ψ is not convex. */
export const constrained = ({ inner, output }: NetworkWeights): readonly Tensor[] => [...inner, output];

/** The name of each in a file. */
export const namesOf = ({ layers }: NetworkForm): readonly string[] => {
  const each = (name: string) => Array.from({ length: layers }, (_, i) => `${name}.${i + 1}`);
  return ['input', ...each('inner'), ...each('skips'), ...each('biases'), 'output', 'linear'];
};

/** The products of the layers of a network. */
const mapsOf = (device: Device, { kernel }: NetworkForm): LayerMaps =>
  kernel === undefined ? dense(device) : convolutions(device, kernel);

/** Weights whose elements are not set. */
export function makeWeights(device: Device, form: NetworkForm, owned: Owned<Tensor>): NetworkWeights {
  const { dim, hidden, layers, dtype } = form;
  const maps = mapsOf(device, form);
  const make = (...shape: readonly number[]) => owned.add(new Tensor(device, shape, dtype));
  const each = (...shape: readonly number[]) => Array.from({ length: layers }, () => make(...shape));
  return {
    input: make(...maps.weights(hidden, dim)),
    inner: each(...maps.weights(hidden, hidden)),
    skips: each(...maps.weights(hidden, dim)),
    biases: each(hidden),
    output: make(1, hidden),
    linear: make(1, dim),
  };
}

/** Uniform in ±1/√inputs of each, and those that must not be negative cut at 0. */
export function initialize(device: Device, form: NetworkForm, weights: NetworkWeights, seed: number): void {
  for (const [stream, one] of listed(weights).entries()) {
    const inputs = one.shape.length === 1 ? form.dim : one.size / one.shape[0]!;
    const bound = 1 / Math.sqrt(inputs);
    using ones = Tensor.full(device, one.shape, 1, { dtype: form.dtype });
    ops.random(device, { x: [one], seed, stream, distribution: 'uniform' });
    vectors.combine(device, one, [2 * bound, one], [-bound, ones]);
  }
  cut(device, weights);
}

/** Sets what is negative and must not be to 0. */
export function cut(device: Device, weights: NetworkWeights): void {
  const list = constrained(weights);
  ops.map(device, { x: list, out: list, function: 'relu' });
}

/**
 * ψ at a batch of points: layer by layer, β times the softplus and, below it in the same tensor, room
 * for its change along a direction; its slopes; and the derivative of ψ by what goes into it, below room for that of
 * its change.
 */
export class Pass {
  readonly #device: Device;
  readonly #form: NetworkForm;
  readonly #weights: NetworkWeights;
  readonly #maps: LayerMaps;
  readonly #x: Tensor;
  readonly #batch: number;
  readonly #owned = new Owned<Tensor>();
  /** a `[2 b, …, hidden]` of each layer. */
  readonly #values: Tensor[] = [];
  /** s `[b, …, hidden]` of each layer. */
  readonly #slopes: Tensor[] = [];
  /** δ `[2 b, …, hidden]` of each layer. */
  readonly #deltas: Tensor[] = [];

  /** @param x `[b, dim]`, or images `[b, rows, columns, dim]`; it is read as long as the pass lives. */
  constructor(device: Device, form: NetworkForm, weights: NetworkWeights, x: Tensor) {
    this.#device = device;
    this.#form = form;
    this.#weights = weights;
    this.#maps = mapsOf(device, form);
    this.#x = x;
    this.#batch = x.shape[0]!;
    try {
      this.#forward();
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  #make(...shape: number[]): Tensor {
    return this.#owned.add(new Tensor(this.#device, shape, this.#form.dtype));
  }
  /** So many units for each pixel of each signal. */
  #units(signals: number, units: number): Tensor {
    return this.#make(signals, ...this.#x.shape.slice(1, -1), units);
  }
  /** A pixel a row. */
  #pixels(of: Tensor): Tensor {
    const last = of.shape.at(-1)!;
    return this.#owned.add(of.reshape([of.size / last, last]));
  }
  #upper(of: Tensor): Tensor {
    return this.#owned.add(of.rows(0, this.#batch));
  }
  #lower(of: Tensor): Tensor {
    return this.#owned.add(of.rows(this.#batch, 2 * this.#batch));
  }

  /** a = softplus(z), z = W a + β (R x + b); at first z = β W x. */
  #forward(): void {
    const { input, inner, skips, biases } = this.#weights;
    const { beta, hidden } = this.#form;
    const device = this.#device;
    const [b, x, maps] = [this.#batch, this.#x, this.#maps];
    const scaled = biases.map(() => this.#make(hidden));
    vectors.scale(device, beta, biases, scaled);
    for (const [l, weight] of [input, ...inner].entries()) {
      const [both, slope] = [this.#units(2 * b, hidden), this.#units(b, hidden)];
      const value = this.#upper(both);
      if (l === 0) maps.forward(x, weight, value, { factor: beta });
      else {
        maps.forward(x, skips[l - 1]!, value, { factor: beta, bias: scaled[l - 1]! });
        maps.forward(this.#upper(this.#values[l - 1]!), weight, value, { adds: true });
      }
      ops.map(device, { x: [value], out: [slope], function: 'sigmoid' });
      ops.map(device, { x: [value], out: [value], function: 'softplus' });
      this.#values.push(both);
      this.#slopes.push(slope);
    }
  }

  /** out `[b]` = ψ = (w a) / β + r x + α |x|². */
  potential(out: Tensor): void {
    const { output, linear } = this.#weights;
    const { beta, alpha } = this.#form;
    const device = this.#device;
    const b = this.#batch;
    const [last, x] = [this.#pixels(this.#upper(this.#values.at(-1)!)), this.#pixels(this.#x)];
    const count = x.shape[0]!;
    const c = count === b ? this.#owned.add(out.reshape([b, 1])) : this.#make(count, 1);
    ops.gemm(device, { a: last, b: output, c, alpha: 1 / beta, transB: 'transposed' });
    ops.gemm(device, { a: x, b: linear, c, beta: 1, transB: 'transposed' });
    const signals = (of: Tensor): Tensor => this.#owned.add(of.reshape([b, of.size / Math.max(1, b)]));
    if (count !== b) ops.rowReduce(device, { x: signals(c), out, reduction: 'sum' });
    if (alpha === 0) return;
    const squares = this.#make(b);
    ops.rowReduce(device, { x: signals(this.#x), out: squares, reduction: 'sum_of_squares' });
    vectors.axpy(device, alpha, squares, out);
  }

  /** out, like x, = ∇ψ = r + 2 α x + Σ δ R + δ₀ W₀, where δ = s ⊙ (δ W) from the last layer to the first. */
  gradient(out: Tensor): void {
    const { input, inner, skips, output, linear } = this.#weights;
    const { alpha, hidden, layers } = this.#form;
    const device = this.#device;
    const bias = this.#owned.add(linear.reshape([this.#form.dim]));
    for (let l = layers; l >= 0; --l) {
      const both = this.#units(2 * this.#batch, hidden);
      const delta = this.#lower(both);
      if (l === layers)
        ops.scaleAxis(device, { x: this.#pixels(this.#slopes[l]!), scale: this.#owned.add(output.reshape([hidden])), out: this.#pixels(delta) }); // biome-ignore format: one line
      else {
        this.#maps.adjoint(this.#lower(this.#deltas[0]!), inner[l]!, delta);
        vectors.multiply(device, this.#slopes[l]!, delta, delta);
      }
      this.#deltas.unshift(both);
      const weight = l === 0 ? input : skips[l - 1]!;
      if (l < layers) this.#maps.adjoint(delta, weight, out, true);
      else this.#maps.adjointAnd(delta, weight, out, { factor: 2 * alpha, x: this.#x, bias });
    }
  }

  /**
   * grads = the derivatives of Σ u ⊙ ∇ψ by the weights, after {@link Pass.gradient}: that is how ψ changes along u.
   *
   * @param u Like x.
   */
  pullback(u: Tensor, grads: NetworkWeights): void {
    const { input, inner, skips } = this.#weights;
    const { beta, hidden, dim, layers } = this.#form;
    const device = this.#device;
    const [b, maps] = [this.#batch, this.#maps];
    const sides = this.#units(2 * b, dim);
    vectors.scale(device, beta, this.#x, this.#upper(sides));
    vectors.copy(device, u, this.#lower(sides));
    const change = this.#units(b, hidden);
    // ȧ = s ⊙ ż with ż = W ȧ + R u, and (1 − s) ⊙ ż ⊙ δ, which the second derivative of the softplus adds below.
    for (const [l, weight] of [input, ...inner].entries()) {
      const value = this.#lower(this.#values[l]!);
      const [delta, second] = [this.#lower(this.#deltas[l]!), this.#upper(this.#deltas[l]!)];
      if (l === 0) maps.forward(u, weight, change);
      else {
        maps.forward(u, skips[l - 1]!, change);
        maps.forward(this.#lower(this.#values[l - 1]!), weight, change, { adds: true });
      }
      vectors.multiply(device, this.#slopes[l]!, change, value);
      vectors.combine(device, second, [1, change], [-1, value]);
      vectors.multiply(device, second, delta, second);
    }
    const biases: Tensor[] = [];
    for (let l = layers; l >= 0; --l) {
      const upper = this.#upper(this.#deltas[l]!);
      if (l < layers) {
        maps.adjoint(this.#upper(this.#deltas[l + 1]!), inner[l]!, change);
        vectors.multiply(device, this.#slopes[l]!, change, change);
        vectors.combine(device, upper, [1, upper], [1, change]);
      }
      const delta = this.#deltas[l]!;
      maps.gradient(delta, sides, l === 0 ? grads.input : grads.skips[l - 1]!);
      if (l === 0) continue;
      maps.gradient(delta, this.#values[l - 1]!, grads.inner[l - 1]!);
      ops.columnSum(device, { x: this.#pixels(upper), out: grads.biases[l - 1]! });
      biases.push(grads.biases[l - 1]!);
    }
    vectors.scale(device, beta, biases);
    const sum = (x: Tensor, out: Tensor) =>
      ops.columnSum(device, { x: this.#pixels(x), out: this.#owned.add(out.reshape([out.size])) });
    sum(this.#lower(this.#values.at(-1)!), grads.output);
    sum(u, grads.linear);
  }

  [Symbol.dispose](): void {
    this.#owned.dispose();
  }
}

/** ∇ψ of a batch: a new tensor, or `out`. */
export function gradientOf(
  device: Device,
  form: NetworkForm,
  weights: NetworkWeights,
  x: Tensor,
  out?: Tensor,
): Tensor {
  const fill = (to: Tensor): void => {
    using pass = new Pass(device, form, weights, x);
    pass.gradient(to);
  };
  if (out === undefined) return filled(new Tensor(device, x.shape, form.dtype), fill);
  fill(out);
  return out;
}
