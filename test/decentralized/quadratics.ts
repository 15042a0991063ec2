// Eight quadratic functions of three numbers, whose mean has its minimum at a known place.

import type { LocalFunction } from '../../lib/decentralized/index.ts';
import { type Device, ops, Tensor } from '../../lib/index.ts';

export const minimum = [0.22041986, -0.05462264, 0.94099202];

/** R(0.7 i) · diag(1, 10, 1 + 9 (½ + ½ sin i)) · Rᵀ, a rotation of the first two coordinates. */
function hessianOf(i: number): number[][] {
  const [c, s] = [Math.cos(0.7 * i), Math.sin(0.7 * i)];
  const [a, b] = [1, 10];
  return [
    [c * c * a + s * s * b, c * s * (a - b), 0],
    [c * s * (a - b), s * s * a + c * c * b, 0],
    [0, 0, 1 + 9 * (0.5 + 0.5 * Math.sin(i))],
  ];
}
const centerOf = (i: number): number[] => [Math.cos(i), Math.sin(2 * i), 0.3 * i];

export function quadratics(device: Device, dtype: 'f32' | 'f64' = 'f64'): (LocalFunction & { count: number })[] {
  const from = (numbers: number[], shape: number[]) =>
    Tensor.from(device, dtype === 'f64' ? Float64Array.from(numbers) : Float32Array.from(numbers), shape);
  return Array.from({ length: 8 }, (_, i) => {
    const [h, c] = [hessianOf(i), centerOf(i)];
    const a = from(h.flat(), [3, 3]);
    const addend = from(h.map((row) => -row.reduce((sum, x, j) => sum + x * c[j]!, 0)), [3, 1]); // biome-ignore format: one line
    return {
      dim: 3,
      count: 0,
      x0: Tensor.full(device, [3], 1, { dtype }),
      gradient(x, out) {
        this.count += 1;
        using b = x.reshape([3, 1]);
        using to = out.reshape([3, 1]);
        ops.gemm(device, { a, b, c: to, addend, beta: 1 });
      },
    };
  });
}

type Edges = [number, number][];
const all = Array.from({ length: 8 }, (_, i) => i);
export const graphs: Readonly<Record<'ring' | 'complete' | 'star' | 'path', Edges>> = {
  ring: all.map((i) => [i, (i + 1) % 8]),
  complete: all.flatMap((i) => all.slice(i + 1).map((j): [number, number] => [i, j])),
  star: all.slice(1).map((i) => [0, i]),
  path: all.slice(1).map((i) => [i - 1, i]),
};
