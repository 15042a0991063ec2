// The matrices of a circular convolution at its frequencies.
import type { Device } from '../../core/device.ts';
import { ops } from '../../core/native-ops.ts';
import { Owned } from '../../core/owned.ts';
import { Tensor } from '../../core/tensor.ts';
import type { KernelSizes } from './kernel.ts';

/** Elements of the matrices, and of the phases, that are made at once. */
const mostElements = 1 << 18;
const mostPhases = 1 << 16;

/** A convolution over circular images; `side` frequencies along each axis of its result. */
export interface Circular extends KernelSizes {
  readonly stride: number;
  readonly size: number;
}

/** A frequency along both axes. */
export interface Frequency {
  readonly u: number;
  readonly v: number;
  /** True: it is conjugate to itself. */
  readonly isAlone: boolean;
}

/**
 * The first of each two frequencies that are conjugate to each other: kernels are real, so both have the same values.
 */
export function* frequencies(side: number): Generator<Frequency> {
  for (let u = 0; u < side; ++u)
    for (let v = 0; v < side; ++v) {
      const [own, other] = [u * side + v, ((side - u) % side) * side + ((side - v) % side)];
      if (own <= other) yield { u, v, isAlone: own === other };
    }
}

/** The number of frequencies whose matrices are made at once. */
export function partOf({ outputs, side, channels, stride }: Circular): number {
  const folded = 4 * stride ** 2;
  const most = Math.min(mostElements / (folded * outputs * channels), mostPhases / (folded * side ** 2));
  return Math.max(1, Math.floor(most));
}

export function* inParts<T>(items: Iterable<T>, size: number): Generator<T[]> {
  let part: T[] = [];
  for (const item of items) {
    part.push(item);
    if (part.length < size) continue;
    yield part;
    part = [];
  }
  if (part.length > 0) yield part;
}

/** The complex matrix X + iY of each frequency as the real one of rows [X, −Y] and [Y, X]. */
export function matricesAt(
  device: Device,
  taps: Tensor<'f32' | 'f64'>,
  { outputs, side, channels, stride, size }: Circular,
  some: readonly Frequency[],
): Tensor {
  const folded = stride ** 2;
  const cosines = Float64Array.from({ length: size }, (_, t) => Math.cos((2 * Math.PI * t) / size) / stride);
  const sines = Float64Array.from({ length: size }, (_, t) => Math.sin((2 * Math.PI * t) / size) / stride);
  const phases = new Float64Array(some.length * 4 * folded * side ** 2);
  const block = folded * side ** 2;
  for (const [i, { u, v }] of some.entries())
    for (let p = 0; p < stride; ++p)
      for (let q = 0; q < stride; ++q)
        for (let a = 0; a < side; ++a)
          for (let b = 0; b < side; ++b) {
            const t = ((u + (p * size) / stride) * a + (v + (q * size) / stride) * b) % size;
            const at = 4 * block * i + ((p * stride + q) * side + a) * side + b;
            phases[at] = cosines[t]!;
            phases[at + block] = -sines[t]!;
            phases[at + 2 * block] = sines[t]!;
            phases[at + 3 * block] = cosines[t]!;
          }
  using owned = new Owned<Tensor>();
  const rows = some.length * 4 * folded;
  const exact = taps.dtype === 'f64' ? phases : Float32Array.from(phases);
  const factors = owned.add(Tensor.from(device, exact, [rows, side ** 2]));
  const parts = owned.add(new Tensor(device, [rows, outputs * channels], taps.dtype));
  ops.gemm(device, { a: factors, b: taps, c: parts });
  const matrices = owned.add(new Tensor(device, [some.length, 2 * outputs, 2 * folded * channels], taps.dtype));
  const shape = [some.length, 2, 2, folded, outputs, channels];
  ops.rearrange(device, { x: parts, out: matrices, shape, axes: [0, 1, 4, 2, 3, 5] });
  return owned.release(matrices);
}
