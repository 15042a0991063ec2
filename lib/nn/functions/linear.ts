import { ops } from '../../core/native-ops.ts';
import type { Tensor } from '../../core/tensor.ts';
import type { Applied } from '../model/replace-layers.ts';
import { defineOwn } from '../tape/define.ts';
import { runningTape } from '../tape/running.ts';
import { type Arg, tensorOf, type Value } from '../tape/value.ts';
import { add } from './add.ts';

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

const product = defineOwn('linear', (f, x: Arg, weight: Arg, bias: Arg | undefined, alpha: number) => {
  const { device } = f;
  const w = tensorOf(weight);
  const a = f.rows(x);
  const out = f.buffer([...x.shape.slice(0, -1), w.shape[0]!], x.dtype);
  const c = f.rows(out);
  ops.gemm(device, { a, b: w, c, bias: bias && tensorOf(bias), alpha, transB: 'transposed' });
  return {
    out,
    inputs: [x, weight, bias],
    backward: (grad, to) => {
      const g = f.rows(grad);
      const each = (t: Arg, rows: Tensor, samples: number) =>
        f.view(t, [samples, rows.shape[0]! / samples, rows.shape[1]!]);
      to.add(
        weight,
        (dw, beta) => ops.gemm(device, { a: g, b: a, c: dw, alpha, beta, transA: 'transposed' }),
        (dw, n) => ops.gemm(device, { a: each(grad, g, n), b: each(x, a, n), c: dw, alpha, transA: 'transposed' }),
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
      to.add(x, (dx, beta) => ops.gemm(device, { a: g, b: w, c: f.rows(dx), alpha, beta }));
    },
    tangent: (d, dout) => {
      const [dx, dw, db] = [d(x), d(weight), d(bias)];
      const dc = f.rows(dout);
      // Without the tangent of x this is the row of the bias alone.
      const turned = { c: dc, bias: db, transB: 'transposed' } as const;
      ops.gemm(device, { ...turned, a: dx ? f.rows(dx) : a, b: w, alpha: dx ? alpha : 0 });
      if (dw) ops.gemm(device, { a, b: dw, c: dc, alpha, beta: 1, transB: 'transposed' });
    },
  };
});

/** Products in 16 bits with sums in f32: factors and gradients are rounded before, results after. */
const rounded = defineOwn('linear', (f, x: Arg, weight: Arg, bias: Arg | undefined, dtype: 'bf16' | 'f16') => {
  const { device, tape } = f;
  const w = tape.rounded(weight, dtype);
  const cast = (from: Tensor, to: Tensor): Tensor => {
    ops.cast(device, { x: [from], out: [to] });
    return to;
  };
  const a = cast(f.rows(x), f.buffer(f.rows(x).shape, dtype));
  const out = f.buffer([...x.shape.slice(0, -1), w.shape[0]!], x.dtype);
  const c = f.rows(out);
  const short = f.scratch(c.shape, dtype);
  ops.gemm(device, { a, b: w, c: short, transB: 'transposed' });
  cast(short, c);
  if (bias) ops.addBias(device, { x: c, bias: tensorOf(bias), out: c });
  return {
    out,
    inputs: [x, weight, bias],
    backward: (grad, to) => {
      const g = f.rows(grad);
      const shortGrad = cast(g, f.scratch(g.shape, dtype));
      const into = (b: Tensor, transA: 'none' | 'transposed') => (result: Tensor) => {
        const part = f.scratch(f.rows(result).shape, dtype);
        ops.gemm(device, { a: shortGrad, b, c: part, transA });
        cast(part, f.rows(result));
      };
      to.set(weight, into(a, 'transposed'));
      to.add(bias, (db, beta) => ops.columnSum(device, { x: g, out: db, beta }));
      to.set(x, into(w, 'none'));
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
  const { products } = runningTape('linear').options;
  const y = products ? rounded(x, weight, bias, products) : product(x, weight, bias, 1);
  return lora ? add(y, product(product(x, lora.a, undefined, 1), lora.b, undefined, lora.scale)) : y;
}
