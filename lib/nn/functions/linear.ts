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

/** alpha · x Wᵀ + b + addend. */
const product = defineOwn('linear', (f, x: Arg, weight: Arg, bias?: Maybe, addend?: Maybe, alpha?: number) => {
  const products = f.tape.options.products ?? 'own';
  const w = tensorOf(weight);
  const a = f.rows(x);
  const out = f.buffer([...x.shape.slice(0, -1), w.shape[0]!], x.dtype);
  const sum = { bias: bias && tensorOf(bias), addend: addend && f.rows(addend), beta: addend ? 1 : 0 };
  f.ops.gemm({ ...sum, a, b: w, c: f.rows(out), alpha, transB: 'transposed', products });
  const ofWeight = { alpha, transA: 'transposed', products } as const;
  const along = { alpha, transB: 'transposed' } as const;
  const byWeight: Part = {
    x: weight,
    back: (grad, to, beta) => f.ops.gemm({ ...ofWeight, a: f.rows(grad), b: a, c: to, beta }),
    along: (dw, to, beta) => f.ops.gemm({ ...along, a, b: dw, c: f.rows(to), beta }),
    perSample: (grad, to, n) => f.ops.gemm({ ...ofWeight, a: f.samples(grad, n), b: f.samples(x, n), c: to }),
    products: (grad, n) => linearProducts(f, grad, x, n, alpha),
    adds: 'both',
  };
  const byX: Part = {
    x,
    back: (grad, to, beta) => f.ops.gemm({ a: f.rows(grad), b: w, c: f.rows(to), alpha, beta, products }),
    along: (dx, to, beta) => f.ops.gemm({ ...along, a: f.rows(dx), b: w, c: f.rows(to), beta }),
    adds: 'both',
  };
  return ruleOf(f, out, byWeight, rowsAdded(f, bias), byX, { x: addend, back: 'same' });
});

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
