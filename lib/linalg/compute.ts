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

interface Computation<I extends string, O extends string> {
  inputs: Record<I, Tensor>;
  /** Shapes of what is made, in the dtype of the inputs, or in their own. */
  outputs: Record<O, readonly number[] | { shape: readonly number[]; dtype: Dtype }>;
  run(device: Device, tensors: Record<I | O, Tensor>): void;
}

/**
 * Makes the outputs by an operation on the inputs' device; on the CPU, where that is a GPU and a matrix is large, and
 * the results come back. Nothing is left if it fails.
 */
export async function computed<I extends string, O extends string>(
  computation: Computation<I, O>,
): Promise<Record<O, Tensor>> {
  const inputs = Object.values(computation.inputs) as Tensor[];
  const { device } = inputs[0]!;
  const isLarge = inputs.some(({ shape }) => Math.max(...shape.slice(-2)) > largestOnGpu);
  if (device.kind === 'cpu' || !isLarge) return made(computation, device);
  const host = Device.open('cpu');
  try {
    const moved = { ...computation.inputs };
    for (const [name, x] of Object.entries(computation.inputs) as [I, Tensor][]) moved[name] = await movedTo(host, x);
    const outputs = made({ ...computation, inputs: moved }, host);
    using owned = new Owned<Tensor>();
    const back = {} as Record<O, Tensor>;
    for (const [name, x] of Object.entries(outputs) as [O, Tensor][]) back[name] = owned.add(await movedTo(device, x));
    for (const tensor of [...owned]) owned.release(tensor);
    return back;
  } finally {
    await host.close();
  }
}

function made<I extends string, O extends string>(computation: Computation<I, O>, device: Device): Record<O, Tensor> {
  const { dtype } = Object.values(computation.inputs as Record<string, Tensor>)[0]!;
  const names = Object.keys(computation.outputs) as O[];
  const tensors = allOrNone(
    ...names.map((name) => () => {
      const wanted = computation.outputs[name];
      return 'shape' in wanted ? new Tensor(device, wanted.shape, wanted.dtype) : new Tensor(device, wanted, dtype);
    }),
  );
  const outputs = Object.fromEntries(names.map((name, i) => [name, tensors[i]!])) as Record<O, Tensor>;
  try {
    computation.run(device, { ...computation.inputs, ...outputs });
    return outputs;
  } catch (error) {
    for (const tensor of tensors) tensor.dispose();
    throw error;
  }
}

const movedTo = async (device: Device, x: Tensor): Promise<Tensor> =>
  Tensor.from(device, await x.read(), x.shape, { dtype: x.dtype });

/** The tensors, once `judge` finds nothing wrong with what the operation says of each matrix; else all go back. */
export async function judged<O extends string>(
  outputs: Record<O | 'info', Tensor>,
  judge: (info: number, index: number) => OrthokitError | undefined,
): Promise<Record<O, Tensor>> {
  const { info, ...rest } = outputs as Record<string, Tensor> & { info: Tensor };
  try {
    for (const [index, own] of (await info.read()).entries()) {
      const wrong = own === 0 ? undefined : judge(own, index);
      if (wrong) throw wrong;
    }
    return rest as Record<O, Tensor>;
  } catch (error) {
    for (const tensor of Object.values(rest)) tensor.dispose();
    throw error;
  } finally {
    info.dispose();
  }
}

/** Which matrix of a batch a message is about; of one alone, nothing. */
export const ofBatch = ({ front }: Sides, index: number): string => (front.length > 0 ? ` in matrix ${index}` : '');
