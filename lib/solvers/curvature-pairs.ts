import type { Device } from '../core/device.ts';
import type { Factor } from '../core/factor.ts';
import type { Owned } from '../core/owned.ts';
import { Tensor } from '../core/tensor.ts';
import * as vectors from '../core/vectors.ts';

type Vector = readonly Tensor[];

/** A step of the point, the change of the gradient along it, and that change preconditioned. */
interface Pair {
  readonly step: Vector;
  readonly change: Vector;
  readonly image: Vector;
}

/** A gradient, and the same preconditioned. */
export interface Slope {
  readonly gradient: Vector;
  readonly image: Vector;
}

/** Pairs below this curvature, relative to that of the preconditioner, would make directions of any length. */
const leastCurvature = 1e-10;

/**
 * The inverse Hessian of L-BFGS. Vectors stay on the device; the two loops of Nocedal run on their inner products, all
 * of which come home in one read. Source: Nocedal 1980; by inner products as in Chen, Wang and Zhou 2014.
 */
export class CurvaturePairs {
  readonly #queue: Device;
  readonly #memory: number;
  readonly #owned: Owned<Tensor>;
  readonly #make: () => Pair;
  /** Oldest first. */
  #pairs: Pair[] = [];
  /** The pair of a step that is tried. */
  #trial: Pair;
  readonly #unused: Pair[] = [];
  #products: Tensor<'f64'> | undefined;
  /** stepᵢ · changeⱼ and changeᵢ · imageⱼ */
  #curvatures: number[][] = [];
  #images: number[][] = [];
  /** stepᵢ · gradient, changeᵢ · its image, gradient · its image, where the point is. */
  #alongSteps: number[] = [];
  #alongChanges: number[] = [];
  #square = 0;

  constructor(queue: Device, like: Vector, memory: number, isPreconditioned: boolean, owned: Owned<Tensor>) {
    this.#queue = queue;
    this.#memory = memory;
    this.#owned = owned;
    this.#make = () => {
      const [step, change] = [vectors.like(like, this.#owned), vectors.like(like, this.#owned)];
      return { step, change, image: isPreconditioned ? vectors.like(like, this.#owned) : change };
    };
    this.#trial = this.#make();
  }

  get isEmpty(): boolean {
    return this.#pairs.length === 0;
  }

  forget(): void {
    this.#unused.push(...this.#pairs);
    this.#pairs = [];
    [this.#curvatures, this.#images, this.#alongSteps, this.#alongChanges] = [[], [], [], []];
  }

  /** Begins at a gradient whose product with its image is this. */
  begin(square: number): void {
    this.#square = square;
  }

  /** Queues the direction of descent; its slope, never above 0 but for rounding. */
  direction(image: Vector, out: Vector): number {
    const count = this.#pairs.length;
    const [curvatures, images] = [this.#curvatures, this.#images];
    const weights = new Array<number>(count).fill(0);
    for (let i = count - 1; i >= 0; --i) {
      let product = this.#alongSteps[i]!;
      for (let j = i + 1; j < count; ++j) product -= weights[j]! * curvatures[i]![j]!;
      weights[i] = product / curvatures[i]![i]!;
    }
    const last = count - 1;
    const scale = count > 0 ? curvatures[last]![last]! / images[last]![last]! : 1;
    const shares: number[] = [];
    let square = this.#square;
    let sum = 0;
    for (let i = 0; i < count; ++i) {
      let through = this.#alongChanges[i]!;
      square -= weights[i]! * through;
      for (let j = 0; j < count; ++j) through -= weights[j]! * images[i]![j]!;
      square -= weights[i]! * through;
      let product = scale * through;
      for (let j = 0; j < i; ++j) product += shares[j]! * curvatures[j]![i]!;
      shares.push(weights[i]! - product / curvatures[i]![i]!);
      sum += weights[i]! ** 2 * curvatures[i]![i]!;
    }
    const terms: [Factor, Vector][] = [[-scale, image]];
    for (const [i, pair] of this.#pairs.entries())
      terms.push([scale * weights[i]!, pair.image], [-shares[i]!, pair.step]);
    vectors.combine(this.#queue, out, ...terms);
    return -(scale * square + sum);
  }

  /** Queues the pair of a step from `from` to `to`, and its products with the others; they are to be read. */
  try(direction: Vector, length: number, from: Slope, to: Slope): Tensor<'f64'> {
    const { step, change, image } = this.#trial;
    vectors.scale(this.#queue, length, direction, step);
    vectors.combine(this.#queue, change, [1, to.gradient], [-1, from.gradient]);
    if (image !== change) vectors.combine(this.#queue, image, [1, to.image], [-1, from.image]);
    const all = [...this.#pairs, this.#trial];
    const products: [Vector, Vector][] = [
      ...all.map((pair): [Vector, Vector] => [pair.step, to.gradient]),
      ...all.map((pair): [Vector, Vector] => [pair.change, to.image]),
      ...all.map((pair): [Vector, Vector] => [pair.step, change]),
      ...all.map((pair): [Vector, Vector] => [pair.change, image]),
      ...all.map((pair): [Vector, Vector] => [step, pair.change]),
      [to.gradient, to.image],
      [to.gradient, direction],
    ];
    if (this.#products?.size !== products.length) {
      if (this.#products) this.#owned.drop(this.#products);
      this.#products = this.#owned.add(new Tensor(step[0]!.device, [products.length], 'f64'));
    }
    vectors.dots(this.#queue, products, this.#products);
    return this.#products;
  }

  /** The square of the gradient that was tried, by its image, and the slope along the direction there. */
  static slopeOf(products: Float64Array): { readonly square: number; readonly slope: number } {
    return { square: products.at(-2)!, slope: products.at(-1)! };
  }

  /** The step that was tried last, of which these are the products, is taken. */
  take(products: Float64Array): void {
    const count = this.#pairs.length + 1;
    const part = (k: number) => [...products.subarray(k * count, (k + 1) * count)];
    const [alongSteps, alongChanges, ofSteps, ofImages, ofChanges] = [0, 1, 2, 3, 4].map(part) as [
      number[],
      number[],
      number[],
      number[],
      number[],
    ];
    this.#square = products.at(-2)!;
    const isCurved = ofSteps.at(-1)! > leastCurvature * ofImages.at(-1)!;
    if (isCurved) {
      this.#pairs.push(this.#trial);
      this.#trial = this.#unused.pop() ?? this.#make();
      for (const [i, row] of this.#curvatures.entries()) row.push(ofSteps[i]!);
      for (const [i, row] of this.#images.entries()) row.push(ofImages[i]!);
      this.#curvatures.push(ofChanges);
      this.#images.push(ofImages);
    }
    const kept = this.#pairs.length;
    this.#alongSteps = alongSteps.slice(0, kept);
    this.#alongChanges = alongChanges.slice(0, kept);
    if (kept > this.#memory) this.#dropOldest();
  }

  #dropOldest(): void {
    this.#unused.push(this.#pairs.shift()!);
    for (const list of [this.#curvatures, this.#images]) {
      list.shift();
      for (const row of list) row.shift();
    }
    this.#alongSteps.shift();
    this.#alongChanges.shift();
  }
}
