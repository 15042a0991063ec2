// Checks, places of work and results that the functions of linear algebra share.
import { allOrNone } from '../core/all-or-none.ts';
import * as check from '../core/check.ts';
import { Device } from '../core/device.ts';
import type { Dtype } from '../core/dtypes.ts';
import { type OrthokitError, refusal } from '../core/errors.ts';
import { Owned } from '../core/owned.ts';
import { Tensor } from '../core/tensor.ts';

/** A side from which a GPU, that gives a matrix one block of threads, would be slower than the CPU. */
const largestOnGpu = 512;

export interface Sides {
  /** Axes before the matrix: none, or the size of the batch. */
  readonly front: readonly number[];
  readonly batch: number;
  readonly rows: number;
  readonly columns: number;
  /** The smaller of rows and columns. */
  readonly smaller: number;
}

/** @throws ERR_ARGUMENT unless x is a tensor, ERR_SHAPE unless a matrix or a batch, ERR_DTYPE unless f32 or f64 */
export function sidesOf(where: string, name: string, x: Tensor): Sides {
  check.tensor(where, name, x, { dtypes: check.arithmetic });
  const { shape } = x;
  if (shape.length !== 2 && shape.length !== 3)
    throw refusal(where, name, 'be a matrix or a batch of matrices', `[${shape}]`, 'ERR_SHAPE');
  const [rows, columns] = shape.slice(-2) as [number, number];
  const front = shape.slice(0, -2);
  return { front, batch: front[0] ?? 1, rows, columns, smaller: Math.min(rows, columns) };
}

/** @throws ERR_SHAPE unless the matrices are square */
export function squareOf(where: string, name: string, x: Tensor): Sides {
  const sides = sidesOf(where, name, x);
  if (sides.rows !== sides.columns) throw refusal(where, name, 'be square', `[${x.shape}]`, 'ERR_SHAPE');
  return sides;
}

/** Shape of a tensor that is made, in the dtype of the inputs, or with one of its own. */
type Wanted = readonly number[] | { readonly shape: readonly number[]; readonly dtype: Dtype };
type Outputs<W, D extends Dtype> = {
  [K in keyof W]: Tensor<W[K] extends { readonly dtype: infer Own extends Dtype } ? Own : D>;
};

interface Computation<I extends string, W, D extends Dtype> {
  inputs: Record<I, Tensor<D>>;
  outputs: W;
  run(device: Device, tensors: Record<I, Tensor<D>> & Outputs<W, D>): void;
}

/**
 * Makes the outputs by an operation on the inputs' device; on the CPU, where that is a GPU and a matrix is large, and
 * the results come back. Nothing is left if it fails.
 */
export async function computed<I extends string, W extends Record<string, Wanted>, D extends Dtype>(
  computation: Computation<I, W, D>,
): Promise<Outputs<W, D>> {
  const inputs = Object.values<Tensor>(computation.inputs);
  const { device } = inputs[0]!;
  const isLarge = inputs.some(({ shape }) => Math.max(...shape.slice(-2)) > largestOnGpu);
  if (device.kind === 'cpu' || !isLarge) return made(computation, device);
  const host = Device.open('cpu');
  try {
    const moved = { ...computation.inputs };
    for (const [name, x] of Object.entries(computation.inputs) as [I, Tensor<D>][])
      moved[name] = await movedTo(host, x);
    const outputs = made({ ...computation, inputs: moved }, host);
    using owned = new Owned<Tensor>();
    const back: Record<string, Tensor> = {};
    for (const [name, x] of Object.entries<Tensor>(outputs)) back[name] = owned.add(await movedTo(device, x));
    owned.move();
    return back as Outputs<W, D>;
  } finally {
    await host.close();
  }
}

function made<I extends string, W extends Record<string, Wanted>, D extends Dtype>(
  computation: Computation<I, W, D>,
  device: Device,
): Outputs<W, D> {
  const { dtype } = Object.values<Tensor>(computation.inputs)[0]!;
  const wanted = Object.entries<Wanted>(computation.outputs);
  const tensors = allOrNone(
    ...wanted.map(([, one]) => () => {
      return 'shape' in one ? new Tensor(device, one.shape, one.dtype) : new Tensor(device, one, dtype);
    }),
  );
  const outputs = Object.fromEntries(wanted.map(([name], i) => [name, tensors[i]!])) as Outputs<W, D>;
  try {
    computation.run(device, { ...computation.inputs, ...outputs });
    return outputs;
  } catch (error) {
    for (const tensor of tensors) tensor.dispose();
    throw error;
  }
}

const movedTo = async <D extends Dtype>(device: Device, x: Tensor<D>): Promise<Tensor<D>> =>
  Tensor.from(device, await x.read(), x.shape, { dtype: x.dtype });

/** The tensors, once `judge` finds nothing wrong with what the operation says of each matrix; else all go back. */
export async function judged<T extends Readonly<Record<string, Tensor>> & { readonly info: Tensor }>(
  outputs: T,
  judge: (info: number, index: number) => OrthokitError | undefined,
): Promise<Omit<T, 'info'>> {
  const { info, ...rest } = outputs;
  try {
    for (const [index, own] of (await info.read()).entries()) {
      const wrong = own === 0 ? undefined : judge(own, index);
      if (wrong) throw wrong;
    }
    return rest;
  } catch (error) {
    for (const tensor of Object.values<Tensor>(outputs)) if (tensor !== info) tensor.dispose();
    throw error;
  } finally {
    info.dispose();
  }
}

/** The words for the matrix of a batch that a message is about; none for a matrix alone. */
export const ofBatch = ({ front }: Sides, index: number): string => (front.length > 0 ? ` in matrix ${index}` : '');
