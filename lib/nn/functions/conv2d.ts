import { refusal, shown } from '../../core/errors.ts';
import { count, kind, type Resolved, readOptions, type Schema } from '../../core/schema.ts';
import type { Tensor } from '../../core/tensor.ts';
import { type Arg, checkArg, defineOwn, layerOf, type Part, ruleOf, tensorOf, type Value } from '../tape/define.ts';
import { rowsAdded } from './add-rows.ts';
import { inParts } from './sample-products.ts';

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
  const { stride, padding, dilation, groups } = moves;
  const [images, kernel] = [tensorOf(x), tensorOf(weight)];
  const out = f.buffer([x.shape[0]!, ...places, weight.shape[0]!], x.dtype);
  // All fields by name: V8 is quickest where all objects are of one form.
  const run = (images: Tensor, kernel: Tensor, to: Tensor, shift?: Tensor): void =>
    f.ops.conv2d({ x: images, kernel, bias: shift, out: to, stride, padding, dilation, groups });
  const byKernel = (grad: Tensor, images: Tensor, gradKernel: Tensor, beta?: number): void =>
    f.ops.conv2dBackwardKernel({ grad, x: images, gradKernel, stride, padding, dilation, groups, beta });
  run(images, kernel, out, bias && tensorOf(bias));
  const ofWeight: Part = {
    x: weight,
    back: (grad, gradKernel, beta) => byKernel(grad, images, gradKernel, beta),
    along: (dw, to) => run(images, dw, to),
    perSample: (grad, gradKernel) => byKernel(grad, images, gradKernel),
    products: (grad, n) => inParts(f, n, n, (rowsOf, gradKernel) => byKernel(rowsOf(grad), rowsOf(images), gradKernel)),
    adds: 'back',
  };
  const ofX: Part = {
    x,
    back: (grad, gradX, beta) =>
      f.ops.conv2dBackwardInput({ grad, kernel, gradX, stride, padding, dilation, groups, beta }),
    along: (dx, to) => run(dx, kernel, to),
    adds: 'back',
  };
  return ruleOf(f, out, ofWeight, rowsAdded(f, bias), ofX);
});

/**
 * Kernels over images `[N, H, W, C]`, channels last: a cross-correlation, as `ops.conv2d`.
 *
 * @throws ERR_ARGUMENT for what is no option, and for `'same'` where no padding keeps the size; ERR_SHAPE, ERR_DTYPE
 */
export function conv2d(layer: Conv2d, x: Arg, options: Conv2dOptions = {}): Value {
  const { weight, bias } = layerOf('nn.conv2d', layer);
  checkArg('nn.conv2d', 'x', x);
  checkArg('nn.conv2d', 'weight', weight);
  const { stride, padding = 0, dilation, groups } = readOptions('nn.conv2d', options, schema);
  const reach = [1, 2].map((axis) => dilation * ((weight.shape[axis] ?? 1) - 1) + 1);
  // A kernel that is none is for the operation to refuse.
  const isKernel = weight.shape.length === 4;
  if (padding === 'same' && isKernel && (stride !== 1 || reach.some((size) => size % 2 === 0)))
    throw refusal('nn.conv2d', 'padding', 'be a number but at stride 1 for kernels of odd reach', shown(padding));
  const around = padding === 'same' ? reach.map((size) => Math.floor((size - 1) / 2)) : [padding, padding];
  const places = reach.map((size, axis) =>
    Math.max(0, Math.floor(((x.shape[1 + axis] ?? 1) + 2 * around[axis]! - size) / stride) + 1),
  );
  const moves = { stride: [stride], padding: around, dilation: [dilation], groups };
  return own(x, weight, bias, moves, places);
}
