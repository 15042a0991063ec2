// Operators and functions with known answers.
import { type Device, ops, Tensor } from '../../lib/index.ts';
import type { LinearOperator, Oracle } from '../../lib/solvers/index.ts';

/** The code of the error that a call ends with, or its name; `resolved` if it ends well. */
export const codeOf = (call: Promise<unknown>): Promise<unknown> =>
  call.then(
    () => 'resolved',
    (error) => error.code ?? error.name,
  );

export type Matrix = readonly (readonly number[])[];

/** The operator of a matrix, f64 or f32, and how often it was applied. */
export function dense(device: Device, rows: Matrix, dtype: 'f32' | 'f64' = 'f64'): LinearOperator & { count: number } {
  const shape = [rows.length, rows[0]!.length] as const;
  const numbers = rows.flat();
  const data = dtype === 'f64' ? Float64Array.from(numbers) : Float32Array.from(numbers);
  const a = Tensor.from(device, data, [...shape]);
  const product = (x: Tensor, out: Tensor, transA: 'none' | 'transposed'): void => {
    using b = x.reshape([x.size, 1]);
    using c = out.reshape([out.size, 1]);
    ops.gemm(device, { a, b, c, transA });
  };
  return {
    device,
    dtype,
    shape,
    count: 0,
    apply(x, out) {
      this.count += 1;
      product(x, out, 'none');
    },
    adjoint: (y, out) => product(y, out, 'transposed'),
  };
}

export const diagonal = (values: readonly number[]): Matrix =>
  values.map((value, i) => values.map((_, j) => (i === j ? value : 0)));

export const vector = (device: Device, values: readonly number[], dtype: 'f32' | 'f64' = 'f64'): Tensor =>
  Tensor.from(device, dtype === 'f64' ? Float64Array.from(values) : Float32Array.from(values), [values.length]);

/** A function of numbers on the host, by its value and gradient, over lists of tensors f64. */
export function hostOracle(
  params: readonly Tensor[],
  f: (x: Float64Array) => { value: number; gradient: readonly number[] },
): Oracle & { count: number } {
  const read = async (): Promise<Float64Array> => {
    const parts = await Promise.all(params.map((one) => one.read()));
    return Float64Array.from(parts.flatMap((part) => [...(part as Float64Array)]));
  };
  return {
    params,
    count: 0,
    async value(out) {
      out.write(Float64Array.of(f(await read()).value));
    },
    async gradient(grads, value) {
      this.count += 1;
      const { value: here, gradient } = f(await read());
      let at = 0;
      for (const grad of grads) {
        const part = gradient.slice(at, at + grad.size);
        grad.write(grad.dtype === 'f64' ? Float64Array.from(part) : Float32Array.from(part));
        at += grad.size;
      }
      value?.write(Float64Array.of(here));
    },
  };
}

/** Rosenbrock's valley in pairs of variables; its minimum is 0 at ones. */
export function rosenbrock(x: Float64Array): { value: number; gradient: number[] } {
  let value = 0;
  const gradient = new Array<number>(x.length).fill(0);
  for (let i = 0; i + 1 < x.length; i += 2) {
    const [a, b] = [x[i]!, x[i + 1]!];
    value += 100 * (b - a * a) ** 2 + (1 - a) ** 2;
    gradient[i] = -400 * a * (b - a * a) - 2 * (1 - a);
    gradient[i + 1] = 200 * (b - a * a);
  }
  return { value, gradient };
}
