import type { Tensor } from '../../core/tensor.ts';
import type { Applied } from '../model/replace-layers.ts';
import { type Arg, defineOwn, type Part, ruleOf, tensorOf, type Value } from '../tape/define.ts';
import { rowsAdded } from './add-rows.ts';
import { linearProducts } from './sample-products.ts';

/** An adapter of low rank: scale · B A is added to the weight (Hu et al. 2021). */
export interface Adapter {
  /** `[rank, in]`. */
  a: Arg;
  /** `[out, rank]`. */
  b: Arg;
  /** A factor of the product. */
  scale: number;
}

/** A linear layer: weight `[out, in]`, bias `[out]`. */
export interface Linear {
  /** `[out, in]`. */
  weight: Arg;
  /** `[out]`. Default: none. */
  bias?: Arg;
  /** Default: none. */
  lora?: Adapter;
}

type Maybe = Arg | undefined;
const turn = 'transposed';

/** alpha · x Wᵀ + b + addend. */
const product = defineOwn('linear', (f, x: Arg, weight: Arg, bias?: Maybe, addend?: Maybe, alpha?: number) => {
  const products = f.tape.options.products ?? 'own';
  const w = tensorOf(weight);
  const a = f.rows(x);
  const out = f.buffer(resized(x.shape, w.shape[0]!), x.dtype);
  // c = alpha · op(a) op(b) + beta · c, all fields in one order: V8 is quickest where all objects are of one form.
  const run = (a: Tensor, b: Tensor, c: Tensor, turned: 'a' | 'b' | '', beta: 0 | 1, of?: typeof products): void => {
    const transA = turned === 'a' ? turn : undefined;
    const transB = turned === 'b' ? turn : undefined;
    f.ops.gemm({ a, b, c, addend: undefined, bias: undefined, alpha, beta, transA, transB, products: of });
  };
  const added = addend && f.rows(addend);
  const shift = bias && tensorOf(bias);
  const beta = added ? 1 : 0;
  f.ops.gemm({
    a,
    b: w,
    c: f.rows(out),
    addend: added,
    bias: shift,
    alpha,
    beta,
    transA: undefined,
    transB: turn,
    products,
  });
  const byWeight: Part = {
    x: weight,
    back: (grad, to, beta) => run(f.rows(grad), a, to, 'a', beta, products),
    along: (dw, to, beta) => run(a, dw, f.rows(to), 'b', beta),
    perSample: (grad, to, n) => run(f.samples(grad, n), f.samples(x, n), to, 'a', 0, products),
    products: (grad, n) => linearProducts(f, grad, x, n, alpha),
    adds: 'both',
  };
  const byX: Part = {
    x,
    back: (grad, to, beta) => run(f.rows(grad), w, f.rows(to), '', beta, products),
    along: (dx, to, beta) => run(f.rows(dx), w, f.rows(to), 'b', beta),
    adds: 'both',
    last: true,
  };
  const rule = ruleOf(f, out, byWeight, rowsAdded(f, bias), byX, { x: addend, back: 'same' });
  return { ...rule, isFree: true };
});

/** The shape with another last axis. */
function resized(shape: readonly number[], width: number): number[] {
  const sizes = shape.slice();
  sizes[Math.max(0, sizes.length - 1)] = width;
  return sizes;
}

/**
 * x Wᵀ + b over the last axis; with an adapter, + scale · (x Aᵀ) Bᵀ. A layer that has `apply` is called by it.
 * @throws ERR_SHAPE, ERR_DTYPE
 */
export function linear(layer: Linear | Applied, x: Arg): Value {
  if ('apply' in layer) return layer.apply(x);
  const { weight, bias, lora } = layer;
  const y = product(x, weight, bias);
  return lora ? product(product(x, lora.a), lora.b, undefined, y, lora.scale) : y;
}
