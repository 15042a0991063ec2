// Elements of tensors in files, brought to a device a span at a time.
import type { Device } from '../../core/device.ts';
import type { Dtype } from '../../core/dtypes.ts';
import { ops } from '../../core/native-ops.ts';
import { Owned } from '../../core/owned.ts';
import type { Task } from '../../core/task.ts';
import { given, Tensor } from '../../core/tensor.ts';
import * as vectors from '../../core/vectors.ts';
import { bitsOf, dtypeOfFile, typedArray } from '../../files/safetensors/dtypes.ts';
import { type MergeProgress, sumOf } from '../options.ts';
import type { MergedTensor, Part } from './fit.ts';
import { SpanMemory } from './memory.ts';
import { Update } from './update.ts';

/** Elements that are worked on at once. */
export const spanSize: number = 1 << 18;

export type MergeTask = Task<MergeProgress>;

/** Some elements of a tensor, in a row. */
export interface Span {
  readonly from: number;
  readonly count: number;
}

export function* spansOf(size: number): Generator<Span, void> {
  for (let from = 0; from < size; from += spanSize) yield { from, count: Math.min(spanSize, size - from) };
}

/** A tensor whose spans are read. */
interface Spanned extends Pick<MergedTensor, 'parts' | 'work'> {
  /** The dtype of the models' spans. Default: `work`. */
  readonly dtypeOfModels?: 'f32' | 'f64' | undefined;
}

/** Elements of a tensor in each of its folders, of an adapter what it adds to the base, in the dtype of the sums. */
export async function readSpan(
  task: MergeTask,
  { parts, work, dtypeOfModels = work }: Spanned,
  span: Span,
  owned: Owned<Tensor>,
  take = async (byteLength: number): Promise<ArrayBuffer> => new ArrayBuffer(byteLength),
): Promise<[base: Tensor, ...models: Tensor[]]> {
  const read = parts.map((part) => (part instanceof Update ? undefined : bytesOf(part, span, take)));
  const bytes = await task.wait(Promise.all(read));
  const tensors: Tensor[] = [];
  for (const [i, part] of parts.entries()) {
    const dtype = i === 0 ? work : dtypeOfModels;
    if (part instanceof Update) {
      tensors.push(owned.add(await part.read(task, span, dtype)));
      continue;
    }
    const stored = dtypeOfFile(part.info.dtype)!;
    const { buffer, length } = bytes[i]!;
    const own = typedArray(stored, buffer, length);
    tensors.push(owned.add(widened(task, own as never, stored, [span.count, dtype], tensors[0])));
  }
  return tensors as [Tensor, ...Tensor[]];
}

const memories = new WeakMap<MergeTask, SpanMemory>();

function memoryOf(task: MergeTask): SpanMemory {
  const memory = memories.get(task) ?? new SpanMemory();
  memories.set(task, memory);
  return memory;
}

/** Reads spans one after the other, each while the one before is worked on; that is given back then. */
export async function* readAhead(
  task: MergeTask,
  tensor: Spanned,
  spans: readonly Span[],
): AsyncGenerator<{ span: Span; tensors: [base: Tensor, ...models: Tensor[]]; owned: Owned<Tensor> }, void> {
  const memory = memoryOf(task);
  const begin = (span: Span | undefined) => {
    if (!span) return undefined;
    const owned = new Owned<Tensor>();
    const buffers: ArrayBuffer[] = [];
    const reading = readSpan(task, tensor, span, owned, async (byteLength) => {
      const buffer = await memory.take(byteLength);
      buffers.push(buffer);
      return buffer;
    });
    // Whoever waits for it hears of an error.
    reading.catch(() => {});
    return { owned, reading, buffers };
  };
  let ahead = begin(spans[0]);
  try {
    for (const [i, span] of spans.entries()) {
      const { reading, buffers } = ahead!;
      using owned = ahead!.owned;
      const tensors = await reading;
      memory.check();
      ahead = begin(spans[i + 1]);
      yield { span, tensors, owned };
      memory.giveBack(buffers, task.wait(task.device.synchronize()));
    }
    await memory.settle();
  } finally {
    await ahead?.reading.catch(() => {});
    ahead?.owned.dispose();
  }
}

async function bytesOf(
  { file, info }: Part,
  { from, count }: Span,
  take: (byteLength: number) => Promise<ArrayBuffer>,
): Promise<Uint8Array<ArrayBuffer>> {
  const elementBytes = bitsOf[info.dtype] / 8;
  const first = from * elementBytes;
  const byteLength = Math.max(0, Math.min(count * elementBytes, info.byteLength - first));
  const bytes = new Uint8Array(await take(byteLength), 0, byteLength);
  if (byteLength > 0) await file.readRange(info, first, bytes);
  return bytes;
}

/** A model that has fewer rows than the base, as one without padding has, adds nothing to the others. */
function widened(
  task: MergeTask,
  data: never,
  dtype: Dtype,
  [count, work]: [number, 'f32' | 'f64'],
  base: Tensor | undefined,
): Tensor {
  const { device, queue } = task;
  const found = (data as ArrayLike<number>).length;
  const stored = given(device, data, [found], dtype);
  if (found === count && dtype === work) return stored;
  using own = stored;
  const out = new Tensor(device, [count], work);
  try {
    if (found > 0) into(queue, own, out, 0, found);
    if (found < count) {
      using rest = base!.rows(found);
      into(queue, rest, out, found, count);
    }
    return out;
  } catch (error) {
    out.dispose();
    throw error;
  }
}

function into(queue: Device, from: Tensor, to: Tensor, begin: number, end: number): void {
  using rows = to.rows(begin, end);
  ops.cast(queue, { x: [from], out: [rows] });
}

/** Makes task vectors of models; what an adapter adds is one. */
export function subtractBase(
  queue: Device,
  { parts }: Pick<MergedTensor, 'parts'>,
  [base, ...models]: readonly Tensor[],
): void {
  for (const [i, model] of models.entries())
    if (!(parts[i + 1] instanceof Update)) vectors.axpy(queue, -1, base!, model);
}

/** Terms of Σ factorᵢ · modelᵢ + (1 − Σ factorᵢ) · base; of an adapter what it adds is its model less the base. */
export function affineTerms(
  { parts }: Pick<MergedTensor, 'parts'>,
  [base, ...models]: readonly Tensor[],
  factors: readonly number[],
): (readonly [number, Tensor])[] {
  const rest = 1 - sumOf(factors.filter((_, i) => !(parts[i + 1] instanceof Update)));
  const terms = models.map((model, i) => [factors[i]!, model] as const);
  return rest === 0 ? terms : [...terms, [rest, base!]];
}
