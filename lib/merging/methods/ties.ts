// TIES: small elements of each task vector are trimmed, a sign is elected for each place, and those that agree are
// averaged.
import type { Device } from '../../core/device.ts';
import { ops } from '../../core/native-ops.ts';
import { Owned } from '../../core/owned.ts';
import { given, Tensor } from '../../core/tensor.ts';
import * as vectors from '../../core/vectors.ts';
import type { MergedTensor } from '../folders/fit.ts';
import { type MergeTask, readSpan, spanSize, spansOf, subtractBase } from '../folders/spans.ts';
import { sumOf } from '../options.ts';
import { nameOf, sum, times } from './linear.ts';
import type { Method } from './method.ts';

/** Bits of a size in f32 that one read of all models settles; the sign is none of them. */
const digitBits = 16;
const digits = 1 << digitBits;

/** Elements that trimming leaves of a task vector. */
interface Trim {
  /** Elements of this size and above are kept. */
  readonly least: number;
  /** Their number. */
  readonly count: number;
}

/** Yadav et al. 2023, algorithm 1. */
export function ties(weights: readonly number[], scale: number, density: number): Method {
  const names = weights.map((weight, i) => times(weight, `trim(${nameOf(i)} − base)`));
  return {
    formula: `base + ${times(scale, `mean of those of elected sign of (${sum(names)})`)}, density ${density}`,
    scratchBytes: () => 0,
    // Sizes, their bits and digits, and masks, of one model after the other; what is summed; what is left of each
    // model; counts as they are read.
    workBytes({ size, work }) {
      const count = Math.min(size, spanSize);
      return (12 * 8 + (work === 'f64' ? 8 : 4) * weights.length) * count + 2 * 8 * digits * weights.length;
    },
    async prepare(task, tensors, open) {
      const stored = await open('trims', 16 * weights.length);
      if (stored.count === 0) {
        const trims = await trimsOf(task, tensors, weights.length, density);
        const numbers = Float64Array.from(trims.flatMap(({ least, count }) => [least, count]));
        await stored.write(0, new Uint8Array(numbers.buffer));
      }
      const { buffer, byteOffset } = await stored.read(0, 1);
      const numbers = new Float64Array(buffer.slice(byteOffset, byteOffset + 16 * weights.length));
      const least = weights.map((_, i) => numbers[2 * i]!);
      const size = sumOf(tensors.map((tensor) => tensor.size));
      return {
        density: weights.map((_, i) => numbers[2 * i + 1]! / size),
        merge(tensor, { count }, [base, ...models], owned) {
          const { device, queue } = task;
          const like = (): Tensor => owned.add(new Tensor(device, [count], base!.dtype));
          const parts = models.map((model, i) => {
            const out = like();
            vectors.copy(queue, model, out);
            subtractBase(queue, { parts: [tensor.parts[0], tensor.parts[i + 1]!] }, [base!, out]);
            trim(queue, out, least[i]!);
            vectors.scale(queue, weights[i]!, out);
            return out;
          });
          const out = like();
          disjointMean(queue, parts, weights, out, like);
          vectors.combine(queue, out, [1, base!], [scale, out]);
          return out;
        },
      };
    },
  };
}

/** Elements below a size become 0; sizes are compared in f32. */
function trim(queue: Device, x: Tensor, least: number): void {
  if (least === 0) return;
  using sizes = x.cast('f32');
  ops.map(queue, { x: [sizes], out: [sizes], function: 'abs' });
  // Sizes above the next smaller number are not below this one.
  ops.map(queue, { x: [sizes], out: [sizes], function: 'soft_threshold', parameters: [below(least)] });
  ops.map(queue, { x: [sizes], out: [sizes], function: 'sign' });
  using mask = sizes.cast(x.dtype);
  vectors.multiply(queue, x, mask, x);
}

/** The next smaller number of f32 of one above 0. */
function below(x: number): number {
  const numbers = Float32Array.of(x);
  new Int32Array(numbers.buffer)[0]! -= 1;
  return numbers[0]!;
}

/** At each place the weighted mean of those elements whose sign is that of their sum; 0 where that is 0. */
function disjointMean(
  queue: Device,
  parts: readonly Tensor[],
  weights: readonly number[],
  out: Tensor,
  like: () => Tensor,
): void {
  const [elected, agreeing, total] = [like(), like(), like()];
  vectors.combine(queue, elected, ...parts.map((part) => [1, part] as const));
  ops.map(queue, { x: [elected], out: [elected], function: 'sign' });
  ops.fill(queue, { x: [out, total], value: 0 });
  for (const [i, part] of parts.entries()) {
    ops.map(queue, { x: [part], out: [agreeing], function: 'sign' });
    vectors.multiply(queue, agreeing, elected, agreeing);
    ops.map(queue, { x: [agreeing], out: [agreeing], function: 'relu' });
    vectors.axpy(queue, Math.abs(weights[i]!), agreeing, total);
    vectors.multiply(queue, agreeing, part, part);
    vectors.axpy(queue, 1, part, out);
  }
  const sizes = weights.map(Math.abs).filter((size) => size > 0);
  // A place at which nobody agrees has a sum of 0, whatever it is divided by.
  const parameters = [Math.min(...sizes) / 2, 2 * sumOf(sizes)];
  ops.map(queue, { x: [total], out: [total], function: 'clamp', parameters });
  vectors.divide(queue, out, total, out);
}

/** The size of the last element that is kept of each task vector, over all tensors. */
async function trimsOf(
  task: MergeTask,
  tensors: readonly MergedTensor[],
  models: number,
  density: number,
): Promise<Trim[]> {
  const size = sumOf(tensors.map((tensor) => tensor.size));
  const rank = Math.max(1, Math.floor(density * size));
  const passes = { done: 0, total: 2 * sumOf(tensors.map(({ parts }) => parts[0].info.byteLength)) };
  const places = Array.from({ length: models }, () => ({ found: 0, above: 0, here: 0 }));
  for (const isLast of [false, true]) {
    const counts = await countDigits(
      task,
      tensors,
      isLast ? places.map(({ found }) => found * digits) : undefined,
      passes,
    );
    for (const [i, place] of places.entries()) {
      const own = counts[i]!;
      let digit = digits - 1;
      for (; digit > 0 && place.above + own[digit]! < rank; --digit) place.above += own[digit]!;
      place.found = isLast ? place.found * digits + digit : digit;
      place.here = own[digit]!;
    }
  }
  return places.map(({ found, above, here }) => ({
    least: new Float32Array(Int32Array.of(found).buffer)[0]!,
    // Elements that are 0 are left out, even where none is trimmed.
    count: found === 0 ? above : above + here,
  }));
}

/**
 * Counts the first digits of sizes, or the second ones of those that begin at `first` of each model. Bits of a size
 * order like the size.
 */
async function countDigits(
  task: MergeTask,
  tensors: readonly MergedTensor[],
  first: readonly number[] | undefined,
  passes: { done: number; readonly total: number },
): Promise<Float64Array[]> {
  const { device, queue } = task;
  const models = tensors[0]!.parts.length - 1;
  using owned = new Owned<Tensor>();
  const ones = owned.add(Tensor.full(device, [spanSize, 1], 1, { dtype: 'f64' }));
  const counts = Array.from({ length: models }, () => owned.add(Tensor.zeros(device, [digits, 1], { dtype: 'f64' })));
  for (const tensor of tensors) {
    for (const span of spansOf(tensor.size)) {
      using read = new Owned<Tensor>();
      const [base, ...vectorsOfModels] = await readSpan(task, tensor, span, read);
      // One model after the other: what is computed of a span is larger than the span.
      for (const [i, vector] of vectorsOfModels.entries()) {
        using work = new Owned<Tensor>();
        subtractBase(queue, { parts: [tensor.parts[0], tensor.parts[i + 1]!] }, [base, vector]);
        const sizes = work.add(vector.cast('f32'));
        ops.map(queue, { x: [sizes], out: [sizes], function: 'abs' });
        const [{ buffer, byteOffset, length }] = await task.readAll(sizes);
        const bits = new Int32Array(buffer, byteOffset, length);
        const stored = work.add(given(device, bits, [span.count], 'i32'));
        const wide = work.add(stored.cast('f64'));
        const ahead = work.add(Tensor.full(device, [span.count], first?.[i] ?? 0, { dtype: 'f64' }));
        vectors.combine(queue, wide, [first ? 1 : 1 / digits, wide], [-1, ahead]);
        // Digits of sizes that begin with others lie outside, and are passed over.
        const index = work.add(wide.cast('i32'));
        using x = ones.rows(0, span.count);
        ops.scatterRows(queue, { out: counts[i]!, index, x, mode: 'add' });
        read.drop(vector);
      }
      await task.wait(device.flow() ?? Promise.resolve());
    }
    passes.done += tensor.parts[0].info.byteLength;
    task.report({ stage: 'measure', ...passes });
  }
  return (await task.readAll(...counts)) as Float64Array[];
}
