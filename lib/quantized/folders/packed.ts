// A matrix of a file as its compressed parts, and how far it is off.
import { refusal } from '../../core/errors.ts';
import { ops } from '../../core/native-ops.ts';
import { Owned } from '../../core/owned.ts';
import type { Task } from '../../core/task.ts';
import { given, Tensor } from '../../core/tensor.ts';
import * as vectors from '../../core/vectors.ts';
import { quote } from '../../files/quote.ts';
import { dtypeOfFile, typedArray } from '../../files/safetensors/dtypes.ts';
import type { TensorFile } from '../../files/safetensors/file.ts';
import { clustered } from '../codebook/clustered.ts';
import { refined } from '../codebook/refined.ts';
import { packedBytes } from '../layers/packed-codes.ts';
import { type Chosen, elementBytes } from './choice.ts';
import { bytesOf } from './layout.ts';
import type { CompressProgress, Settings } from './options.ts';

/** Elements of rows that are packed at once, where rows are packed by themselves. */
const spanSize = 1 << 22;

/** The parts of a matrix, in the order of its form, and its measured numbers. */
export interface Packed {
  readonly parts: readonly Uint8Array[];
  /** |W − Q|² and |W|². */
  readonly difference: number;
  readonly squares: number;
  /** Error of outputs for inputs of calibration: Σ |x·(Q − W)ᵀ|² / Σ |x·Wᵀ|², by k-means and refined. */
  readonly outputs?: OutputError | undefined;
}

/** An error before and after it was made less. */
export interface OutputError {
  /** The error by k-means alone. */
  readonly before: number;
  /** Refined. */
  readonly after: number;
}

type CompressTask = Task<CompressProgress>;

const heightOf = (rows: number, columns: number): number => Math.min(rows, Math.max(1, Math.floor(spanSize / columns)));

/** Bytes that the work on a matrix takes at most, until its parts are in their file. */
export function packingBytes({ form, info, inputs }: Chosen): number {
  const [rows, columns] = form.shape;
  // As read, on the device, in f32, in the order of its groups, two copies to sort, decoded, and its parts twice. While
  // it is refined, inputs as read, on the device and in f32, their second moments, and ten matrices in f32 more.
  if (form.method === 'codebook') {
    const own = 2 * info.byteLength + 28 * rows * columns;
    if (!inputs) return own;
    return own + 2 * inputs.byteLength + 4 * columns * (inputs.shape[0]! + columns + 10 * rows) + 2 * bytesOf(form);
  }
  const part = heightOf(rows, columns) / rows;
  // As read, also rows that were before and nobody has any more; of a span on the device, in f32, decoded, and its
  // parts twice; all parts as they are gathered, as records, and as the file has these.
  const copies = info.dtype === 'F32' ? 1 : 2;
  const span = part * (info.byteLength + 4 * copies * rows * columns + 2 * bytesOf(form));
  return info.byteLength + Math.ceil(span) + 3 * bytesOf(form);
}

/** @throws ERR_ARGUMENT for NaN and infinity, also of numbers that f32 does not hold */
export async function packed(
  op: string,
  task: CompressTask,
  chosen: Chosen,
  settings: Settings,
  calibration: TensorFile | undefined,
): Promise<Packed> {
  return chosen.form.method === 'codebook'
    ? byCodebooks(op, task, chosen, settings, calibration)
    : byGroups(op, task, chosen);
}

type Stored = Pick<Chosen, 'info'> & { readonly file: TensorFile };

async function rowsOf(task: CompressTask, { info, file }: Stored, from: number, to: number): Promise<Tensor> {
  const columns = info.shape[1]!;
  const bytes = columns * elementBytes(info);
  const into = new Uint8Array((to - from) * bytes);
  await task.wait(file.readRange(info, from * bytes, into));
  const dtype = dtypeOfFile(info.dtype)!;
  return given(task.device, typedArray(dtype, into.buffer) as never, [to - from, columns], dtype);
}

const bytesIn = ({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength);

/** Queues |W − Q|² and |W|²; Q becomes the difference. */
function measure(task: CompressTask, exact: Tensor, decoded: Tensor, found: Tensor): void {
  vectors.axpy(task.queue, -1, exact, decoded);
  vectors.dots(
    task.queue,
    [
      [decoded, decoded],
      [exact, exact],
    ],
    found,
  );
}

/** Rows of a tensor of a file in f32, in `owned`. */
async function numbersOf(task: CompressTask, of: Stored, owned: Owned<Tensor>): Promise<Tensor> {
  const stored = owned.add(await rowsOf(task, of, 0, of.info.shape[0]!));
  if (stored.dtype === 'f32') return stored;
  const numbers = owned.add(stored.cast('f32'));
  owned.drop(stored);
  return numbers;
}

async function byCodebooks(
  op: string,
  task: CompressTask,
  chosen: Chosen,
  { seed, steps }: Settings,
  calibration: TensorFile | undefined,
): Promise<Packed> {
  const { name, form, inputs } = chosen;
  const { bits } = form;
  using owned = new Owned<Tensor>();
  const weight = await numbersOf(task, chosen, owned);
  const groups = form.method === 'codebook' ? form.groups : 1;
  const label = { op, tensor: `tensor ${quote(name)}` };
  const { signal } = task;
  const layer = await clustered(label, weight, { codes: 2 ** bits, groups, seed: seed!, bits, signal });
  const { codes, codebooks, rowBooks } = layer;
  for (const tensor of [codes, codebooks, rowBooks]) owned.add(tensor);
  let outputs: OutputError | undefined;
  if (inputs && calibration) {
    const x = await numbersOf(task, { info: inputs, file: calibration }, owned);
    const where = `${op}: calibration of ${quote(name)}`;
    const result = await refined(where, layer, x, { steps, weight, signal }, undefined);
    owned.drop(x);
    // Outputs of 0 have errors of 0.
    outputs = result ? { before: result.before, after: result.after } : { before: 0, after: 0 };
  }
  const decoded = owned.add(new Tensor(task.device, form.shape, 'f32'));
  const found = owned.add(new Tensor(task.device, [2], 'f64'));
  ops.decodeCodes(task.queue, { codes, codebooks, rowBooks, out: decoded, bits });
  measure(task, weight, decoded, found);
  const [a, b, c, sums] = await task.readAll(codes, codebooks, rowBooks, found);
  return { parts: [a, b, c].map(bytesIn), difference: sums[0]!, squares: sums[1]!, outputs };
}

async function byGroups(op: string, task: CompressTask, chosen: Chosen): Promise<Packed> {
  const { name, form } = chosen;
  const { bits } = form;
  const [rows, columns] = form.shape;
  const groups = form.method === 'group' ? columns / form.group : 1;
  const width = packedBytes(columns, bits);
  const allCodes = new Uint8Array(rows * width);
  const allScales = new Float32Array(rows * groups);
  const sums = { difference: 0, squares: 0 };
  const height = heightOf(rows, columns);
  for (let from = 0; from < rows; from += height) {
    const to = Math.min(rows, from + height);
    using owned = new Owned<Tensor>();
    const stored = owned.add(await rowsOf(task, chosen, from, to));
    const made = (shape: readonly number[], dtype: 'f32' | 'f64' | 'u8'): Tensor =>
      owned.add(new Tensor(task.device, shape, dtype));
    const codes = made([to - from, width], 'u8');
    const scales = made([to - from, groups], 'f32');
    const decoded = made([to - from, columns], 'f32');
    const found = made([3], 'f64');
    const exact = stored.dtype === 'f32' ? stored : owned.add(stored.cast('f32'));
    ops.quantizeGroups(task.queue, { x: stored, codes, scales, bits });
    ops.dequantizeGroups(task.queue, { codes, scales, out: decoded, bits });
    using guard = found.rows(0, 1);
    using rest = found.rows(1, 3);
    ops.checkFinite(task.queue, { x: [exact], guard });
    measure(task, exact, decoded, rest);
    const [own, ownScales, [wrong, difference, squares]] = await task.readAll(codes, scales, found);
    if (wrong! > 0) throw refusal(op, `tensor ${quote(name)}`, 'be finite in f32', 'NaN or infinity');
    allCodes.set(bytesIn(own), from * width);
    allScales.set(ownScales as Float32Array, from * groups);
    sums.difference += difference!;
    sums.squares += squares!;
  }
  return { parts: [allCodes, bytesIn(allScales)], ...sums };
}
