import { ops } from '../../core/native-ops.ts';
import type { Tensor } from '../../core/tensor.ts';
import type { Applied } from '../model/replace-layers.ts';
import { defineOwn } from '../tape/define.ts';
import { type Arg, tensorOf, type Value } from '../tape/value.ts';

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
  const { device } = f;
  const products = f.tape.options.products ?? 'own';
  const w = tensorOf(weight);
  const a = f.rows(x);
  const out = f.buffer([...x.shape.slice(0, -1), w.shape[0]!], x.dtype);
  const c = f.rows(out);
  const sum = { bias: bias && tensorOf(bias), addend: addend && f.rows(addend), beta: addend ? 1 : 0 };
  ops.gemm(device, { ...sum, a, b: w, c, alpha, transB: 'transposed', products });
  return {
    out,
    inputs: [x, weight, bias, addend],
    backward: (grad, to) => {
      const g = f.rows(grad);
      const each = (t: Arg, rows: Tensor, samples: number) =>
        f.view(t, [samples, rows.shape[0]! / samples, rows.shape[1]!]);
      const ofWeight = { alpha, transA: 'transposed', products } as const;
      to.add(
        weight,
        (dw, beta) => ops.gemm(device, { ...ofWeight, a: g, b: a, c: dw, beta }),
        (dw, n) => ops.gemm(device, { ...ofWeight, a: each(grad, g, n), b: each(x, a, n), c: dw }),
      );
      to.add(
        bias,
        (db, beta) => ops.columnSum(device, { x: g, out: db, beta }),
        (db, n) => {
          const ones = f.scratch([n, 1, g.shape[0]! / n], g.dtype);
          ops.fill(device, { x: [ones], value: 1 });
          ops.gemm(device, { a: ones, b: each(grad, g, n), c: f.view(db, [n, 1, db.shape[1]!]) });
        },
      );
      to.add(x, (dx, beta) => ops.gemm(device, { a: g, b: w, c: f.rows(dx), alpha, beta, products }));
      to.pass(addend, grad);
    },
    tangent: (d, dout) => {
      const [dx, dw, db, ds] = [d(x), d(weight), d(bias), d(addend)];
      const dc = f.rows(dout);
      // Without the tangent of x this is what the product is added to, alone.
      const added = { bias: db, addend: ds && f.rows(ds), beta: ds ? 1 : 0 };
      const by = dx ? alpha : 0;
      ops.gemm(device, { ...added, a: dx ? f.rows(dx) : a, b: w, c: dc, alpha: by, transB: 'transposed' });
      if (dw) ops.gemm(device, { a, b: dw, c: dc, alpha, beta: 1, transB: 'transposed' });
    },
  };
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
