import { count, optional, type Resolved, readOptions, required, type Schema, word } from '../../core/schema.ts';
import type { Tensor } from '../../core/tensor.ts';
import { type Arg, defineOwn, ruleOf, tensorOf, type Value } from '../tape/define.ts';

/** Options of {@link pool2d}. */
export interface Pool2dOptions {
  /** The largest element of a window, or the mean. It has no default. */
  kind: 'max' | 'average';
  /** Rows and columns of a window: at least 1. It has no default. */
  size: number;
  /** Pixels from window to window: at least 1. Default: size. */
  stride?: number | undefined;
}

const schema: Schema<Resolved<Pool2dOptions, 'stride'>> = {
  kind: required(word(['max', 'average'], 'max')),
  size: required(count(1)),
  stride: optional(count(1)),
};

/**
 * The largest element or the mean of every window of images `[N, H, W, C]`, for each channel: `[N, rows, columns, C]`,
 * where rows are (H − size) / stride + 1, rounded down. Of equal elements the first has the gradient.
 * @throws ERR_ARGUMENT for what is no option, and without kind or size; ERR_SHAPE for what are no images, or windows
 * that do not fit into them; ERR_DTYPE
 */
export const pool2d: (x: Arg, options: Pool2dOptions) => Value = defineOwn(
  'pool2d',
  (f, x: Arg, options) => {
    const { kind, size, stride = size } = readOptions('nn.pool2d', options, schema);
    const input = tensorOf(x);
    const [images = 0, height = 0, width = 0, channels = 0] = x.shape;
    const sides = [height, width].map((length) => Math.max(0, Math.floor((length - size) / stride) + 1));
    const shape = [images, ...sides, channels];
    const out = f.buffer(shape, x.dtype);
    const isMax = kind === 'max';
    const places = isMax && f.tape.options.isRecording ? f.buffer(shape, size > 16 ? 'i32' : 'u8') : undefined;
    f.ops.pool2d({ x: input, out, places, kind, size, stride });
    return ruleOf(f, out, {
      x,
      back: (grad, gradX, beta) => f.ops.pool2dBackward({ grad, places, gradX, kind, size, stride, beta }),
      along: (dx: Tensor, to) =>
        f.ops.pool2d({ x: isMax ? input : dx, follows: isMax ? dx : undefined, out: to, kind, size, stride }),
      adds: 'back',
    });
  },
  ['x'],
);
