// OPCM from folder to folder. What is merged depends on the directions of what was added before, not on its length: so
// each tensor is done by itself, model after model, and one factor at the end brings the sum to its length.

import { arrays } from '../../core/dtypes.ts';
import { refusal } from '../../core/errors.ts';
import { ops } from '../../core/native-ops.ts';
import { Owned } from '../../core/owned.ts';
import { Tensor } from '../../core/tensor.ts';
import * as vectors from '../../core/vectors.ts';
import { quote } from '../../files/quote.ts';
import { qr } from '../../linalg/index.ts';
import { dtypesOf, type MergedTensor } from '../folders/fit.ts';
import { affineTerms, type MergeTask, readAhead, readSpan, spansOf, subtractBase } from '../folders/spans.ts';
import { trailing } from '../folders/trailing.ts';
import { Update } from '../folders/update.ts';
import { sumOf } from '../options.ts';
import type { Measured, Method } from './method.ts';
import { factorOf, isCanceled, isLinear, Projection, panelSize, panelsOf, type Rows } from './projection.ts';
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
  /** Protected directions before each model was added. */
  readonly ranks: Float64Array;
  /** |task|² of each model. */
  readonly tasks: Float64Array;
  /** |clean|² of each model. */
  readonly cleans: Float64Array;
  /** The square of the length of the sum. */
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
      const panels = 10 * Math.max(columns, Math.min(tensor.size, panelSize));
      const rank = rankOf(tensor, tensor.parts.length - 2);
      // Factors in a row, their bases, and these turned; of each, both sides; what is computed of them is square.
      if (rank !== undefined) return bytes * (5 * rank * (rows + columns) + 6 * rank ** 2 + panels);
      // The sum, whose memory holds the products later, and both sides' singular vectors; and a panel of the sum: as it
      // is read and written, on the device, and what is computed of it.
      const matrices = 2 * rows * columns + Math.min(rows, columns) ** 2;
      return bytes * (matrices + panels);
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
      // A matrix is synced, and its numbers stored then, while the next is worked on.
      await trailing(async (trail) => {
        for (const [i, tensor] of tensors.entries()) {
          const sum = sumsOf.get(tensor)!;
          if (i >= stored.count) {
            const numbers = await add(task, tensor, alpha, sum);
            await trail.follow(isProjected(tensor) ? sum.sync() : Promise.resolve(), () =>
              stored.write(i, bytesOfNumbers(numbers)),
            );
          }
          done += tensor.parts[0].info.byteLength;
          task.report({ stage: 'measure', done, total });
        }
      });
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
        dtypeOfModels: (tensor) => (models > 1 && isProjected(tensor) ? sumDtype(tensor) : tensor.work),
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
    const projection = square > 0 ? await away(task, { tensor, count: i, sum, alpha }, owned) : undefined;
    if (projection)
      await trailing(async (trail) => {
        for await (const { from, x } of rows()) {
          projection.measure(from, x);
          await trail.follow(squaresOf(task, x), ([whole]) => {
            numbers.tasks[i]! += whole!;
          });
        }
      });
    projection?.settle();
    square = 0;
    await trailing(async (trail) => {
      for await (const { from, x } of rows()) {
        projection?.clean(from, x);
        using added = i > 0 ? await sum.read(from * shape[1], x.size) : undefined;
        using total = added?.reshape(x.shape);
        if (total) vectors.axpy(task.queue, 1, x, total);
        const found = Promise.all([squaresOf(task, x, total ?? x), task.readAll(total ?? x)]);
        await trail.follow(found, async ([[clean, whole], [elements]]) => {
          numbers.cleans[i]! += clean!;
          square += whole!;
          await sum.append(elements as Float32Array | Float64Array);
        });
      }
    });
    await sum.end();
    if (!projection) numbers.tasks[i] = numbers.cleans[i]!;
    if (!Number.isFinite(square + numbers.tasks[i]!)) {
      const { label, folder } = model.model;
      const must = `differ from tensor ${quote(tensor.name)} of the base by what ${sumDtype(tensor)} holds`;
      throw refusal(folder.op, label, must, 'more');
    }
    numbers.ranks[i] = projection?.rank ?? 0;
  }
  return { ...numbers, square };
}

/**
 * The rank that the sum of the first models has at most where all are adapters and it is half of the smaller side or
 * less; else undefined.
 */
function rankOf({ parts, shape }: MergedTensor, count: number): number | undefined {
  let rank = 0;
  for (const part of parts.slice(1, 1 + count)) {
    if (!(part instanceof Update)) return undefined;
    rank += part.factors?.rank ?? 0;
  }
  return 2 * rank <= Math.min(...shape) ? rank : undefined;
}

interface Previous {
  readonly tensor: MergedTensor;
  /** The number of models that were added. */
  readonly count: number;
  readonly sum: StoredSum;
  readonly alpha: number;
}

/** The projection away from the sum of some models: of adapters, by bases of their factors, in which it lies. */
async function away(
  task: MergeTask,
  { tensor, count, sum, alpha }: Previous,
  owned: Owned<Tensor>,
): Promise<Projection | undefined> {
  const shape = tensor.shape as [number, number];
  const rank = rankOf(tensor, count);
  if (rank === undefined) {
    const previous = owned.add(await sum.readAll(shape));
    return await Projection.from(task, previous, alpha, owned);
  }
  using work = new Owned<Tensor>();
  const bases = await basesOf(task, tensor, { count, rank }, work);
  const rows = async function* (): AsyncGenerator<Rows, void> {
    for (const { from, to } of panelsOf(shape)) {
      using x = await sum.read(from * shape[1], (to - from) * shape[1]);
      using matrix = x.reshape([to - from, shape[1]]);
      yield { from, x: matrix };
    }
  };
  return await Projection.within(task, bases, rows(), alpha, owned);
}

/** Orthonormal columns that span the columns of what the first models, adapters all, add, and such of its rows. */
async function basesOf(
  task: MergeTask,
  tensor: MergedTensor,
  { count, rank }: { readonly count: number; readonly rank: number },
  owned: Owned<Tensor>,
): Promise<{ left: Tensor; right: Tensor }> {
  const { device, queue } = task;
  const dtype = sumDtype(tensor);
  const [rows, columns] = tensor.shape as [number, number];
  const make = (...shape: number[]): Tensor => owned.add(new Tensor(device, shape, dtype));
  const [lefts, rights] = [make(rank, rows), make(rank, columns)];
  let from = 0;
  for (const part of tensor.parts.slice(1, 1 + count)) {
    const held = part instanceof Update ? await part.hold(task, dtype) : undefined;
    if (!held) continue;
    const to = from + held.right.shape[0]!;
    using left = lefts.rows(from, to);
    using right = rights.rows(from, to);
    ops.transpose(queue, { x: held.left, out: left });
    vectors.copy(queue, held.right, right);
    (part as Update).dispose();
    from = to;
  }
  const basis = async (stacked: Tensor): Promise<Tensor> => {
    const turned = make(...[...stacked.shape].reverse());
    ops.transpose(queue, { x: stacked, out: turned });
    owned.drop(stacked);
    const { q, r } = await task.waitFor(qr(turned));
    r.dispose();
    owned.drop(turned);
    return owned.add(q);
  };
  return { left: await basis(lefts), right: await basis(rights) };
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

/** Panels of one model less the base, which are given back once the next is asked for, and is read before. */
const taskVector = (task: MergeTask, tensor: Pick<MergedTensor, 'parts' | 'work'>, shape: readonly [number, number]) =>
  async function* (): AsyncGenerator<{ from: number; x: Tensor }, void> {
    const spans = [...panelsOf(shape)].map(({ from, to }) => ({
      from: from * shape[1],
      count: (to - from) * shape[1],
    }));
    for await (const { span, tensors, owned } of readAhead(task, tensor, spans)) {
      const [base, model] = tensors as [Tensor, Tensor];
      subtractBase(task.queue, tensor, [base, model]);
      owned.drop(base);
      yield { from: span.from / shape[1], x: owned.add(model.reshape([span.count / shape[1], shape[1]])) };
    }
  };

/** Measures a tensor that is not projected: all task vectors are added as they are. */
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
