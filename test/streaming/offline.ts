// Layers over whole sequences, in plain numbers: sequences are [streams][channels][time].
export type Sequence = number[][][];

export const zeros = (streams: number, channels: number, time: number): Sequence =>
  Array.from({ length: streams }, () => Array.from({ length: channels }, () => new Array<number>(time).fill(0)));

export function sequenceOf(
  data: ArrayLike<number>,
  [streams, channels, time]: readonly [number, number, number],
): Sequence {
  const x = zeros(streams, channels, time);
  for (let s = 0; s < streams; ++s)
    for (let c = 0; c < channels; ++c)
      for (let t = 0; t < time; ++t) x[s]![c]![t] = data[(s * channels + c) * time + t]!;
  return x;
}
export const flat = (x: Sequence): number[] => x.flat(2);

interface Kernel {
  readonly kernel: number;
  readonly stride: number;
  readonly padding: number;
  readonly dilation: number;
}
const outputsOf = ({ kernel, stride, padding, dilation }: Kernel, time: number): number =>
  Math.floor((time + 2 * padding - dilation * (kernel - 1) - 1) / stride) + 1;

/** Each output of the places that its taps stand at; undefined outside. */
function overTaps(
  x: Sequence,
  kernel: Kernel,
  value: (at: readonly (number | undefined)[], s: number, c: number) => number,
): Sequence {
  const outputs = outputsOf(kernel, x[0]![0]!.length);
  return x.map((channels, s) =>
    channels.map((places, c) =>
      Array.from({ length: outputs }, (_, i) => {
        const taps = Array.from(
          { length: kernel.kernel },
          (_, j) => i * kernel.stride + j * kernel.dilation - kernel.padding,
        );
        return value(
          taps.map((t) => (t >= 0 && t < places.length ? t : undefined)),
          s,
          c,
        );
      }),
    ),
  );
}

/** weight [outputs][channels][taps] */
export function convolution(
  x: Sequence,
  weight: Sequence,
  bias: ArrayLike<number> | undefined,
  kernel: Kernel,
): Sequence {
  const outputs = outputsOf(kernel, x[0]![0]!.length);
  const y = zeros(x.length, weight.length, outputs);
  for (const [s, channels] of x.entries())
    for (const [o, taps] of weight.entries())
      for (let i = 0; i < outputs; ++i) {
        let sum = bias?.[o] ?? 0;
        for (const [c, places] of channels.entries())
          for (let j = 0; j < kernel.kernel; ++j)
            sum += taps[c]![j]! * (places[i * kernel.stride + j * kernel.dilation - kernel.padding] ?? 0);
        y[s]![o]![i] = sum;
      }
  return y;
}

export const pooling = (x: Sequence, kernel: Kernel, isMax: boolean): Sequence =>
  overTaps(x, kernel, (at, s, c) => {
    const values = at.map((t) => x[s]![c]![t!]!);
    return isMax ? Math.max(...values) : values.reduce((a, b) => a + b) / values.length;
  });

export const sum = (x: Sequence, y: Sequence): Sequence =>
  x.map((channels, s) => channels.map((places, c) => places.map((value, t) => value + y[s]![c]![t]!)));

/** softmax(q kᵀ / √size) v of one stream, of the queries at all places; q, k, v [channels][time]. */
export function attention(q: number[][], k: number[][], v: number[][], heads: number): number[][] {
  const [channels, time] = [q.length, q[0]!.length];
  const size = channels / heads;
  const y = Array.from({ length: channels }, () => new Array<number>(time).fill(0));
  for (let head = 0; head < heads; ++head) {
    const rows = Array.from({ length: size }, (_, c) => head * size + c);
    for (let i = 0; i < time; ++i) {
      const scores = Array.from(
        { length: time },
        (_, j) => rows.reduce((total, c) => total + q[c]![i]! * k[c]![j]!, 0) / Math.sqrt(size),
      );
      const most = Math.max(...scores);
      const weights = scores.map((score) => Math.exp(score - most));
      const total = weights.reduce((a, b) => a + b);
      for (const c of rows) y[c]![i] = weights.reduce((a, w, j) => a + w * v[c]![j]!, 0) / total;
    }
  }
  return y;
}

/** The largest difference. */
export const apart = (x: ArrayLike<number>, y: ArrayLike<number>): number => {
  if (x.length !== y.length) return Infinity;
  let most = 0;
  for (let i = 0; i < x.length; ++i)
    most = Number.isNaN(x[i]) !== Number.isNaN(y[i]) ? Infinity : Math.max(most, Math.abs(x[i]! - y[i]!) || 0);
  return most;
};
