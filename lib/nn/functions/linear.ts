import { refusal } from '../../core/errors.ts';
import { kind, type Resolved, readOptions, type Schema } from '../../core/schema.ts';
import { isSameShape } from '../../core/shapes.ts';
import type { Tensor } from '../../core/tensor.ts';
import type { Applied } from '../model/replace-layers.ts';
import { type Arg, defineOwn, freeRuleOf, isArg, layerOf, type Part, plainRule, tensorOf, type Value } from '../tape/define.ts'; // biome-ignore format: one line
import { add } from './add.ts';
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

/** Options of {@link linear}. */
export interface LinearOptions {
  /** Is added to the result, of its shape, by the product itself: what a residual block goes around. Default: none. */
  addend?: Arg | undefined;
}

const schema: Schema<Resolved<LinearOptions, 'addend'>> = { addend: kind(isArg, 'a tensor or a value') };

type Maybe = Arg | undefined;
const turn = 'transposed';

/** alpha · x Wᵀ + b + addend. */
const product = defineOwn(
  'linear',
  (f, x: Arg, weight: Arg, bias?: Maybe, addend?: Maybe, alpha?: number) => {
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
    if (addend && !isSameShape(addend.shape, out.shape))
      throw refusal('linear', 'addend', `be [${out.shape}], as the result is`, `[${addend.shape}]`, 'ERR_SHAPE');
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
    if (f.tape.isPlain) return plainRule(out);
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
    return freeRuleOf(f, out, byWeight, rowsAdded(f, bias), byX, { x: addend, back: 'same' });
  },
  ['x', 'weight'],
);

/** The shape with another last axis. */
function resized(shape: readonly number[], width: number): number[] {
  const sizes: number[] = [];
  for (let i = 0; i + 1 < shape.length; ++i) sizes.push(shape[i]!); // a frozen list is slow to copy as a whole
  sizes.push(width);
  return sizes;
}

/** @internal A linear layer's result + addend. */
export function linearWith(given: Linear | Applied, x: Arg, addend: Maybe): Value {
  const layer = layerOf('nn.linear', given);
  if ('apply' in layer) {
    const y = layer.apply(x);
    return addend ? add(addend, y) : y;
  }
  const { weight, bias, lora } = layer;
  const y = product(x, weight, bias, addend);
  return lora ? product(product(x, lora.a), lora.b, undefined, y, lora.scale) : y;
}

/**
 * x Wᵀ + b + addend over the last axis; with an adapter, + scale · (x Aᵀ) Bᵀ. A layer that has `apply` is called by it.
 *
 * @example
 * const y = nn.linear(block.down, nn.gelu(nn.linear(block.up, x)), { addend: x });
 *
 * @throws ERR_ARGUMENT for what is no option; ERR_SHAPE, ERR_DTYPE
 */
export const linear = (layer: Linear | Applied, x: Arg, options?: LinearOptions): Value =>
  linearWith(layer, x, options === undefined ? undefined : readOptions('nn.linear', options, schema).addend);
