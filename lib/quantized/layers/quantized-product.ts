// The product of a value with a matrix of packed codes, and its ways back.
import { Tensor } from '../../core/tensor.ts';
import type { Arg, Value } from '../../nn/index.ts';
import { defineOwn, ruleOf, tensorOf } from '../../nn/tape/define.ts';
import type { TapeFrame } from '../../nn/tape/frame.ts';

/** A matrix of packed codes without its scales. */
export interface Codes {
  readonly codes: Tensor;
  readonly bits: number;
  readonly inputs: number;
  readonly activations: 'f32' | 'i8';
}

/** The shape with another last axis. */
export const resized = (shape: readonly number[], width: number): number[] => [...shape.slice(0, -1), width];

/**
 * to = Σ over the elements of each group of code · dw, of dw = gyᵀ·x: the gradient of the scales.
 * Scratch: two f32 matrices as large as the weight.
 */
function gradientOfScales(f: TapeFrame, { codes, bits, inputs }: Codes, grad: Tensor, x: Tensor, to: Tensor): void {
  const [outputs, groups] = to.shape as [number, number];
  const dw = f.scratch([outputs, inputs], 'f32');
  const numbers = f.scratch([outputs, inputs], 'f32');
  const ones = f.constant(`ones ${outputs} ${groups}`, (device) => Tensor.full(device, [outputs, groups], 1));
  f.ops.gemm({ a: grad, b: x, c: dw, transA: 'transposed' });
  f.ops.dequantizeGroups({ codes, scales: ones, out: numbers, bits });
  f.ops.multiply({ x: [dw], y: [numbers], out: [dw] });
  f.ops.rowReduce({
    x: f.view(dw, [outputs * groups, inputs / groups]),
    out: f.view(to, [outputs * groups]),
    reduction: 'sum',
  });
}

/** x · wᵀ + bias, differentiated to the scales and x. */
export const quantizedProduct: (x: Arg, scales: Arg, bias: Tensor | undefined, of: Codes) => Value = defineOwn(
  'quantLinear',
  (f, x: Arg, scales: Arg, bias: Tensor | undefined, of: Codes) => {
    const { codes, bits, activations } = of;
    const [s, a] = [tensorOf(scales), f.rows(x)];
    const out = f.buffer(resized(x.shape, s.shape[0]!), x.dtype);
    const multiply = (given: Tensor, by: Tensor, c: Tensor, turned: boolean, beta: 0 | 1): void =>
      f.ops.quantizedGemm({ a: given, codes, scales: by, c, bits, beta, transB: turned ? 'transposed' : 'none' });
    // The ways back are those of the product without the rounding of x, which has no derivative.
    f.ops.quantizedGemm({ a, codes, scales: s, c: f.rows(out), bias, bits, transB: 'transposed', activations });
    return ruleOf(
      f,
      out,
      {
        x: scales,
        back: (grad, to) => gradientOfScales(f, of, f.rows(grad), a, to),
        along: (ds, to) => multiply(a, ds, f.rows(to), true, 0),
      },
      {
        x,
        back: (grad, to, beta) => multiply(f.rows(grad), s, f.rows(to), false, beta),
        along: (dx, to, beta) => multiply(f.rows(dx), s, f.rows(to), true, beta),
        adds: 'both',
        last: true,
      },
    );
  },
);
