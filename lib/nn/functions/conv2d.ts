import { refusal, shown } from '../../core/errors.ts';
import { ops } from '../../core/native-ops.ts';
import { count, kind, type Resolved, readOptions, type Schema } from '../../core/schema.ts';
import { defineOwn } from '../tape/define.ts';
import { type Arg, tensorOf, type Value } from '../tape/value.ts';

/** A convolution: weight `[O, height, width, C / groups]`, bias `[O]`. */
export interface Conv2d {
  /** `[O, height, width, C / groups]`. */
  weight: Arg;
  /** `[O]`. Default: none. */
  bias?: Arg;
}

/** Options of {@link conv2d}. */
export interface Conv2dOptions {
  /** Rows, and columns, from one place of a kernel to the next: whole, from 1 on. Default: 1. */
  stride?: number | undefined;
  /**
   * Rows and columns of zeros around an image: whole, from 0 on; `'same'` as many as keep its size, of kernels of odd
   * reach at stride 1. Default: 0.
   */
  padding?: number | 'same' | undefined;
  /** Rows, and columns, from one element of a kernel to the next: whole, from 1 on. Default: 1. */
  dilation?: number | undefined;
  /** Groups of channels, each with kernels of its own: whole, from 1 on. Default: 1. */
  groups?: number | undefined;
}

const schema: Schema<Resolved<Conv2dOptions, 'padding'>> = {
  stride: count(1),
  padding: kind<number | 'same'>(
    (given) => given === 'same' || (Number.isInteger(given) && (given as number) >= 0),
    "a whole number from 0 on, or 'same'",
  ),
  dilation: count(1),
  groups: count(1),
};

interface Moves {
  stride: number[];
  padding: number[];
  dilation: number[];
  groups: number;
}

const own = defineOwn('conv2d', (f, x: Arg, weight: Arg, bias: Arg | undefined, moves: Moves, places: number[]) => {
  const { device } = f;
  const [images, kernel] = [tensorOf(x), tensorOf(weight)];
  const out = f.buffer([x.shape[0]!, ...places, weight.shape[0]!], x.dtype);
  ops.conv2d(device, { ...moves, x: images, kernel, bias: bias && tensorOf(bias), out });
  return {
    out,
    inputs: [x, weight, bias],
    backward: (grad, to) => {
      const ofKernel = { ...moves, grad, x: images };
      to.add(
        weight,
        (gradKernel, beta) => ops.conv2dBackwardKernel(device, { ...ofKernel, gradKernel, beta }),
        (gradKernel) => ops.conv2dBackwardKernel(device, { ...ofKernel, gradKernel }),
      );
      const rows = f.rows(grad);
      to.add(
        bias,
        (db, beta) => ops.columnSum(device, { x: rows, out: db, beta }),
        (db, n) =>
          ops.columnReduce(device, {
            x: f.view(grad, [n, rows.shape[0]! / n, rows.shape[1]!]),
            out: db,
            reduction: 'sum',
          }),
      );
      to.add(x, (gradX, beta) => ops.conv2dBackwardInput(device, { ...moves, grad, kernel, gradX, beta }));
    },
    // Linear in the images, and in the kernels.
    tangent: (d, dout) => {
      const [dx, dw, db] = [d(x), d(weight), d(bias)];
      const parts = [dx && { x: dx, kernel }, dw && { x: images, kernel: dw }].filter((part) => part !== undefined);
      for (const [i, part] of parts.entries()) {
        const to = i === 0 ? dout : f.scratch(dout.shape, dout.dtype);
        ops.conv2d(device, { ...moves, ...part, bias: i === 0 ? db : undefined, out: to });
        if (i > 0) ops.linearCombination(device, { out: [dout], terms: [dout, to], coefficients: [1, 1] });
      }
      if (parts.length > 0) return;
      ops.fill(device, { x: [dout], value: 0 });
      if (db) ops.addBias(device, { x: dout, bias: db, out: dout });
    },
  };
});

/**
 * Kernels over images `[N, H, W, C]`, channels last: a cross-correlation, as `ops.conv2d`.
 *
 * @throws ERR_ARGUMENT for what is no option, and for `'same'` where no padding keeps the size; ERR_SHAPE, ERR_DTYPE
 */
export function conv2d({ weight, bias }: Conv2d, x: Arg, options: Conv2dOptions = {}): Value {
  const { stride, padding = 0, dilation, groups } = readOptions('nn.conv2d', options, schema);
  const reach = [1, 2].map((axis) => dilation * ((weight.shape[axis] ?? 1) - 1) + 1);
  if (padding === 'same' && (stride !== 1 || reach.some((size) => size % 2 === 0)))
    throw refusal('nn.conv2d', 'padding', 'be a number but at stride 1 for kernels of odd reach', shown(padding));
  const around = padding === 'same' ? reach.map((size) => (size - 1) / 2) : [padding, padding];
  const places = reach.map((size, axis) =>
    Math.max(0, Math.floor(((x.shape[1 + axis] ?? 1) + 2 * around[axis]! - size) / stride) + 1),
  );
  const moves = { stride: [stride], padding: around, dilation: [dilation], groups };
  return own(x, weight, bias, moves, places);
}
