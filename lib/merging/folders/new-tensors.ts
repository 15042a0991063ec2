// New tensors as they go to their files, and what a report tells of each.
import type { Device } from '../../core/device.ts';
import { OrthokitError } from '../../core/errors.ts';
import { ops } from '../../core/native-ops.ts';
import type { Owned } from '../../core/owned.ts';
import { Tensor } from '../../core/tensor.ts';
import * as vectors from '../../core/vectors.ts';
import type { Records } from '../../files/model-folder/journal.ts';
import type { NewFile, NewTensor } from '../../files/model-folder/write-weights.ts';
import { quote } from '../../files/quote.ts';
import { fileDtypes } from '../../files/safetensors/dtypes.ts';
import type { Ready } from '../methods/method.ts';
import type { MergedTensor } from './fit.ts';
import { type MergeTask, readAhead, spansOf, subtractBase } from './spans.ts';

/** Numbers of a tensor that has been written. */
export interface Written {
  /** The largest difference that rounding to the new element type made. */
  readonly maxRounding: number;
  /** The root of the mean of its squares. */
  readonly rmsRounding: number;
  /** Cosine of what was added to the base with the task vector of each model; undefined where one of them is 0. */
  readonly cosines: readonly (number | undefined)[];
}

/**
 * Sums over the elements of a tensor: rounding's largest and squares, squares of the update, and for each model two.
 */
const countOf = (models: number): number => 3 + 2 * models;
export const ledgerBytes = (models: number): number => 8 * countOf(models);

/**
 * Keeps the numbers of tensors that have been written: those of a file are stored when its last tensor is complete, and
 * so before the file itself is.
 */
export class Ledger {
  readonly #records: Records;
  readonly #models: number;
  /** The first record of each file, by its tensors, and how many it has. */
  readonly #fileOf = new Map<string, { first: number; names: string[] }>();
  readonly #pending = new Map<string, Float64Array>();

  constructor(records: Records, files: readonly NewFile[], merged: ReadonlyMap<string, unknown>, models: number) {
    this.#records = records;
    this.#models = models;
    let first = 0;
    for (const { tensors } of files) {
      const names = tensors.map(({ name }) => name).filter((name) => merged.has(name));
      for (const name of names) this.#fileOf.set(name, { first, names });
      first += names.length;
    }
  }

  async add(name: string, sums: Float64Array): Promise<void> {
    const { first, names } = this.#fileOf.get(name)!;
    this.#pending.set(name, sums);
    if (names.some((own) => !this.#pending.has(own))) return;
    const count = countOf(this.#models);
    const all = new Float64Array(names.length * count);
    for (const [i, own] of names.entries()) all.set(this.#pending.get(own)!, i * count);
    await this.#records.write(first, new Uint8Array(all.buffer));
    for (const own of names) this.#pending.delete(own);
  }

  async read(name: string, size: number): Promise<Written> {
    const { first, names } = this.#fileOf.get(name)!;
    const record = await this.#records.read(first + names.indexOf(name), 1);
    const [largest = 0, squares = 0, update = 0, ...pairs] = new Float64Array(record.slice().buffer);
    const cosines = Array.from({ length: this.#models }, (_, i) => {
      const norms = Math.sqrt(update) * Math.sqrt(pairs[2 * i + 1]!);
      return norms > 0 ? pairs[2 * i]! / norms : undefined;
    });
    return { maxRounding: largest, rmsRounding: Math.sqrt(squares / size), cosines };
  }
}

/** The tensor as it is written: read, merged, rounded and measured a span at a time. */
export function newTensor(op: string, task: MergeTask, tensor: MergedTensor, ready: Ready, ledger: Ledger): NewTensor {
  return { ...writtenAs(tensor), data: () => dataOf(op, task, tensor, ready, ledger) };
}

/** Sizes and element type of the new tensor. */
export const writtenAs = ({ shape, newDtype }: MergedTensor): Pick<NewTensor, 'shape' | 'dtype'> => ({
  shape,
  dtype: fileDtypes[newDtype],
});

async function* dataOf(
  op: string,
  task: MergeTask,
  tensor: MergedTensor,
  ready: Ready,
  ledger: Ledger,
): AsyncGenerator<Uint8Array, void> {
  const count = countOf(tensor.parts.length - 1);
  const sums = new Float64Array(count);
  const read = { ...tensor, dtypeOfModels: ready.dtypeOfModels?.(tensor) };
  for await (const { span, tensors: spans, owned } of readAhead(task, read, [...spansOf(tensor.size)])) {
    const exact = await ready.merge(tensor, span, spans, owned);
    const rounded = exact.dtype === tensor.newDtype ? exact : owned.add(exact.cast(tensor.newDtype));
    const found = owned.add(new Tensor(task.device, [count], 'f64'));
    measure(task.queue, tensor, { exact, rounded, spans, found }, owned);
    const [array, numbers] = await task.readAll(rounded, found);
    const [largest, ...rest] = numbers as Float64Array;
    // NaN, too.
    if (!(largest! < Infinity)) {
      const text = `${op}: tensor ${quote(tensor.name)} must have values that ${tensor.newDtype} holds, got larger ones`;
      throw new OrthokitError('ERR_ARGUMENT', text);
    }
    sums[0] = Math.max(sums[0]!, largest!);
    for (const [i, number] of rest.entries()) sums[i + 1]! += number;
    yield new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
  }
  await ledger.add(tensor.name, sums);
}

interface Measuring {
  readonly exact: Tensor;
  readonly rounded: Tensor;
  /** Models become their task vectors. */
  readonly spans: readonly Tensor[];
  readonly found: Tensor;
}

function measure(
  queue: Device,
  tensor: MergedTensor,
  { exact, rounded, spans, found }: Measuring,
  owned: Owned<Tensor>,
): void {
  const { device, dtype, size } = exact;
  const wide = owned.add(rounded === exact ? exact.copy() : rounded.cast(dtype));
  const error = owned.add(new Tensor(device, [1, size], dtype));
  using flat = error.reshape([size]);
  vectors.combine(queue, flat, [1, exact], [-1, wide]);
  const [first, ...models] = spans as [Tensor, ...Tensor[]];
  /** The tensor in the dtype of the models. */
  const likeModels = (x: Tensor): Tensor => (x.dtype === models[0]!.dtype ? x : owned.add(x.cast(models[0]!.dtype)));
  const [base, update] = [likeModels(first), likeModels(wide)];
  subtractBase(queue, tensor, [base, ...models]);
  vectors.axpy(queue, -1, base, update);
  using squares = found.rows(1);
  const pairs = models.flatMap((model) => [[update, model] as const, [model, model] as const]);
  using rounding = squares.rows(0, 1);
  using others = squares.rows(1);
  vectors.dots(queue, [[flat, flat]], rounding);
  vectors.dots(queue, [[update, update], ...pairs], others);
  ops.map(queue, { x: [error], out: [error], function: 'abs' });
  using largest = found.rows(0, 1);
  ops.rowReduce(queue, { x: error, out: largest, reduction: 'max' });
}
