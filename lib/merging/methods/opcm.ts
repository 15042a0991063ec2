// OPCM from folder to folder. What is merged depends on the directions of what was added before, not on its length: so
// each tensor is done by itself, model after model, and one factor at the end brings the sum to its length.

import { arrays } from '../../core/dtypes.ts';
import { Owned } from '../../core/owned.ts';
import { Tensor } from '../../core/tensor.ts';
import * as vectors from '../../core/vectors.ts';
import { dtypesOf, type MergedTensor } from '../folders/fit.ts';
import { affineTerms, type MergeTask, readSpan, spansOf, subtractBase } from '../folders/spans.ts';
import { Update } from '../folders/update.ts';
import { sumOf } from '../options.ts';
import type { Measured, Method } from './method.ts';
import { factorOf, isCanceled, isLinear, Projection, panelSize, panelsOf } from './projection.ts';
import { blockBytes, blocksOf, StoredSum } from './stored-sum.ts';

const isProjected = ({ name, shape }: MergedTensor): boolean => isLinear(name, shape);
/** The dtype in which task vectors are added. */
const sumDtype = ({ parts }: MergedTensor): 'f32' | 'f64' =>
  parts.some((part) => dtypesOf(part).includes('F64')) ? 'f64' : 'f32';
const blocksOfSum = (tensor: MergedTensor): number =>
  isProjected(tensor) ? blocksOf(tensor.size, sumDtype(tensor)) : 0;

const canceling =
  'the task vectors cancel: their sum is no longer than its rounding, and is not brought to their mean length';

/** Numbers of a tensor that are known before it is written. */
interface Numbers {
  /** Of each model. */
  readonly ranks: Float64Array;
  /** |task|² of each model. */
  readonly tasks: Float64Array;
  /** |clean|² of each model. */
  readonly cleans: Float64Array;
  /** Of the sum. */
  readonly square: number;
}

const countOf = (models: number): number => 3 * models + 1;

export function opcm(models: number, alpha: number): Method {
  return {
    formula: `base + scale·Σ clean(modelᵢ − base), alpha ${alpha}, |Σ| brought to the mean of |modelᵢ − base|`,
    scratchBytes: (tensors) => tensors.reduce((sum, tensor) => sum + blocksOfSum(tensor) * blockBytes, 0),
    workBytes(tensor) {
      if (!isProjected(tensor)) return 0;
      const [rows, columns] = tensor.shape as [number, number];
      const bytes = arrays[sumDtype(tensor)].BYTES_PER_ELEMENT;
      // The sum, whose memory holds the products later, and both sides' singular vectors; and a panel of the sum: as it
      // is read and written, on the device, and what is computed of it.
      const matrices = 2 * rows * columns + Math.min(rows, columns) ** 2;
      return bytes * (matrices + 10 * Math.max(columns, Math.min(tensor.size, panelSize)));
    },
    async prepare(task, tensors, open) {
      const sums = await open('sums', blockBytes);
      const stored = await open('numbers', 8 * countOf(models));
      const sumsOf = new Map<MergedTensor, StoredSum>();
      let first = 0;
      for (const tensor of tensors) {
        sumsOf.set(tensor, new StoredSum(task, sums, first, sumDtype(tensor)));
        first += blocksOfSum(tensor);
      }
      const total = tensors.reduce((sum, { parts }) => sum + parts[0].info.byteLength, 0);
      let done = 0;
      for (const [i, tensor] of tensors.entries()) {
        if (i >= stored.count)
          await stored.write(i, bytesOfNumbers(await add(task, tensor, alpha, sumsOf.get(tensor)!)));
        done += tensor.parts[0].info.byteLength;
        task.report({ stage: 'measure', done, total });
      }
      const numbers: Numbers[] = [];
      for (let i = 0; i < tensors.length; ++i) numbers.push(numbersOf(await stored.read(i, 1), models));
      const length = Math.sqrt(sumOf(numbers.map(({ square }) => square)));
      const lengths = Array.from({ length: models }, (_, i) => Math.sqrt(sumOf(numbers.map(({ tasks }) => tasks[i]!))));
      const dtype = tensors.every((tensor) => sumDtype(tensor) === 'f64') ? 'f64' : 'f32';
      const factor = factorOf(length, lengths, dtype);
      return {
        warnings: sumOf(lengths) > 0 && isCanceled(length, lengths, dtype) ? [canceling] : [],
        scale: 1 / factor,
        measured: tensors.map((tensor, i) => (isProjected(tensor) ? measured(numbers[i]!) : {})),
        async merge(tensor, span, spans, owned) {
          const [base] = spans;
          const out = owned.add(new Tensor(task.device, [span.count], base!.dtype));
          if (models === 1 && !(tensor.parts[1] instanceof Update)) vectors.copy(task.queue, spans[1]!, out);
          else if (models > 1 && isProjected(tensor)) {
            const sum = owned.add(await sumsOf.get(tensor)!.read(span.from, span.count));
            const wide = sum.dtype === base!.dtype ? sum : owned.add(sum.cast(base!.dtype));
            vectors.combine(task.queue, out, [1, base!], [factor, wide]);
          } else {
            const factors = new Array<number>(models).fill(factor);
            vectors.combine(task.queue, out, ...affineTerms(tensor, spans, factors));
          }
          return out;
        },
      };
    },
  };
}

function measured({ ranks, tasks, cleans }: Numbers): Measured {
  const whole = sumOf(tasks);
  return { ranks: [...ranks], energyKept: whole > 0 ? sumOf(cleans) / whole : 1 };
}

function bytesOfNumbers({ ranks, tasks, cleans, square }: Numbers): Uint8Array {
  return new Uint8Array(Float64Array.of(...ranks, ...tasks, ...cleans, square).buffer);
}

function numbersOf(bytes: Uint8Array<ArrayBuffer>, models: number): Numbers {
  const all = new Float64Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + 8 * countOf(models)));
  const part = (i: number): Float64Array => all.slice(i * models, (i + 1) * models);
  return { ranks: part(0), tasks: part(1), cleans: part(2), square: all[3 * models]! };
}

/** Adds the task vectors of a tensor, one model after the other. Of a matrix, the sum is stored after each. */
async function add(task: MergeTask, tensor: MergedTensor, alpha: number, sum: StoredSum): Promise<Numbers> {
  if (!isProjected(tensor)) return measureSum(task, tensor);
  const [own, ...models] = tensor.parts;
  const numbers = {
    ranks: new Float64Array(models.length),
    tasks: new Float64Array(models.length),
    cleans: new Float64Array(models.length),
  };
  let square = 0;
  for (const [i, model] of models.entries()) {
    using owned = new Owned<Tensor>();
    const shape = tensor.shape as [number, number];
    const rows = taskVector(task, { parts: [own, model], work: sumDtype(tensor) }, shape);
    const previous = square > 0 ? owned.add(await sum.readAll(shape)) : undefined;
    const projection = previous && (await Projection.from(task, previous, alpha, owned));
    if (projection)
      for await (const { from, x } of rows()) {
        projection.measure(from, x);
        numbers.tasks[i]! += (await squaresOf(task, x))[0]!;
      }
    projection?.settle();
    square = 0;
    for await (const { from, x } of rows()) {
      projection?.clean(from, x);
      using added = i > 0 ? await sum.read(from * shape[1], x.size) : undefined;
      using total = added?.reshape(x.shape);
      if (total) vectors.axpy(task.queue, 1, x, total);
      const [clean, whole] = await squaresOf(task, x, total ?? x);
      numbers.cleans[i]! += clean!;
      square += whole!;
      await sum.append(total ?? x);
    }
    await sum.end();
    if (!projection) numbers.tasks[i] = numbers.cleans[i]!;
    numbers.ranks[i] = projection?.rank ?? 0;
  }
  return { ...numbers, square };
}

async function squaresOf(task: MergeTask, ...matrices: readonly Tensor[]): Promise<Float64Array> {
  using squares = new Tensor(task.device, [matrices.length], 'f64');
  vectors.dots(
    task.queue,
    matrices.map((x) => [x, x] as const),
    squares,
  );
  const [found] = await task.readAll(squares);
  return found as Float64Array;
}

/** Panels of one model less the base, which are given back once the next is asked for. */
const taskVector = (task: MergeTask, tensor: Pick<MergedTensor, 'parts' | 'work'>, shape: readonly [number, number]) =>
  async function* (): AsyncGenerator<{ from: number; x: Tensor }, void> {
    for (const { from, to } of panelsOf(shape)) {
      using owned = new Owned<Tensor>();
      const span = { from: from * shape[1], count: (to - from) * shape[1] };
      const [base, model] = (await readSpan(task, tensor, span, owned)) as [Tensor, Tensor];
      subtractBase(task.queue, tensor, [base, model]);
      owned.drop(base);
      yield { from, x: owned.add(model.reshape([to - from, shape[1]])) };
    }
  };

/** Of a tensor that is not projected: all task vectors are added as they are. */
async function measureSum(task: MergeTask, tensor: MergedTensor): Promise<Numbers> {
  const models = tensor.parts.length - 1;
  const squares = new Float64Array(models + 1);
  for (const span of spansOf(tensor.size)) {
    using owned = new Owned<Tensor>();
    const spans = await readSpan(task, tensor, span, owned);
    subtractBase(task.queue, tensor, spans);
    const [sum, ...vectorsOfModels] = spans;
    const terms = vectorsOfModels.map((vector) => [1, vector] as const);
    vectors.combine(task.queue, sum, ...terms);
    using found = new Tensor(task.device, [models + 1], 'f64');
    vectors.dots(
      task.queue,
      [...vectorsOfModels, sum].map((x) => [x, x] as const),
      found,
    );
    const [numbers] = await task.readAll(found);
    for (const [i, number] of numbers.entries()) squares[i]! += number;
  }
  const tasks = squares.slice(0, models);
  return { ranks: new Float64Array(models), tasks, cleans: tasks, square: squares[models]! };
}
