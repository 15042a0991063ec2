import { ops } from '../../core/native-ops.ts';
import { count, optional, readOptions, required, type Schema, word } from '../../core/schema.ts';
import { defineOwn } from '../tape/define.ts';
import { type Arg, tensorOf, type Value } from '../tape/value.ts';

/** Options of {@link pool2d}. */
export interface Pool2dOptions {
  /** The largest element of a window, or the mean. It has no default. */
  kind: 'max' | 'average';
  /** Rows and columns of a window: at least 1. It has no default. */
  size: number;
  /** Pixels from window to window: at least 1. Default: size. */
  stride?: number | undefined;
}

interface Windows {
  kind: 'max' | 'average';
  size: number;
  stride: number | undefined;
}
const schema: Schema<Windows> = {
  kind: required(word(['max', 'average'], 'max')),
  size: required(count(1)),
  stride: optional(count(1)),
};

const own = defineOwn('pool2d', (f, x: Arg, windows: Windows) => {
  const { device } = f;
  const { size, kind } = windows;
  const { stride = size } = windows;
  const input = tensorOf(x);
  const [images = 0, height = 0, width = 0, channels = 0] = x.shape;
  const sides = [height, width].map((length) => Math.max(0, Math.floor((length - size) / stride) + 1));
  const shape = [images, ...sides, channels];
  const out = f.buffer(shape, x.dtype);
  const isMax = kind === 'max' && f.tape.options.isRecording;
  const places = isMax ? f.buffer(shape, size > 16 ? 'i32' : 'u8') : undefined;
  ops.pool2d(device, { x: input, out, places, size, stride, kind });
  return {
    out,
    inputs: [x],
    backward: (grad, to) =>
      to.add(x, (gradX, beta) => ops.pool2dBackward(device, { grad, places, gradX, size, stride, kind, beta })),
    tangent: (d, dout) => {
      const dx = d(x)!;
      if (kind === 'average') ops.pool2d(device, { x: dx, out: dout, size, stride, kind });
      else ops.pool2d(device, { x: input, follows: dx, out: dout, size, stride, kind });
    },
  };
});

/**
 * The largest element or the mean of every window of images `[N, H, W, C]`, for each channel: `[N, rows, columns, C]`,
 * where rows are (H − size) / stride + 1, rounded down. Of equal elements the first has the gradient.
 * @throws ERR_ARGUMENT for what is no option, and without kind or size; ERR_SHAPE for what are no images, or windows
 * that do not fit into them; ERR_DTYPE
 */
export const pool2d = (x: Arg, options: Pool2dOptions): Value => own(x, readOptions('nn.pool2d', options, schema));
