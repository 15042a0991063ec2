import { ops } from '../../core/native-ops.ts';
import type { Task } from '../../core/task.ts';
import { Tensor } from '../../core/tensor.ts';
import * as vectors from '../../core/vectors.ts';
import { encoderOf, keyOf, subwordsOf } from '../../tokenizers/internal.ts';
import { asTensor } from '../tables/table.ts';
import { meansOf } from './constant.ts';
import type { MethodSettings, PrepareMethod } from './method.ts';

type SubwordMethod = MethodSettings['subwordMethod'];

/** The base's rows of the subwords of a token's text; the mean of its rows for a text that it cannot spell. */
export const subword: PrepareMethod = async (context) => {
  const { bases, tokenizers, settings } = context;
  const { task } = context;
  const { device } = task;
  const { base, donor } = tokenizers;
  const encode = encoderOf(base);
  const means = meansOf(context);
  return {
    async approximate(_targets, ids) {
      const subwords = Array.from(ids, (id) => {
        const key = keyOf(donor, id);
        return key ? subwordsOf(encode, base, donor, key).filter((own) => own < bases[0]!.table.rows) : [];
      });
      const rows: Tensor[] = [];
      for (const [i, { table, isHead }] of bases.entries()) {
        const used = Int32Array.from(new Set(subwords.flat())).sort();
        const placeOf = new Map(Array.from(used, (id, place) => [id, place]));
        const width = Math.max(1, ...subwords.map((own) => own.length));
        const indices = new Int32Array(subwords.length * width).fill(-1);
        const weights = new Float32Array(subwords.length * width);
        for (const [row, own] of subwords.entries()) {
          indices.set(
            own.map((id) => placeOf.get(id) ?? -1),
            row * width,
          );
          weights.set(weightsOf(settings.subwordMethod, own.length, isHead), row * width);
        }
        // One row more than there are subwords: the mean, for texts without any.
        const mean = means[i] ?? new Float32Array(table.columns);
        for (const [row, own] of subwords.entries()) {
          if (own.length > 0) continue;
          indices[row * width] = used.length;
          weights[row * width] = 1;
        }
        using known = asTensor(device, table, await table.read(used));
        using x = withRow(task, known, mean);
        using index = Tensor.from(device, indices, [subwords.length, width]);
        using coefficients = Tensor.from(device, weights, [subwords.length, width]);
        const out = new Tensor(device, [subwords.length, table.columns]);
        ops.combineRows(task.queue, { x, indices: index, coefficients, out });
        rows.push(out);
      }
      return { rows };
    },
    dispose() {},
  };
};

function withRow({ device, queue }: Task, x: Tensor, row: Float32Array): Tensor {
  const [count = 0, columns = 0] = x.shape;
  const out = Tensor.zeros(device, [count + 1, columns]);
  using first = vectors.index(device, count, (i) => i);
  using last = vectors.index(device, 1, () => count);
  using added = Tensor.from(device, row, [1, columns]);
  ops.scatterRows(queue, { out, index: first, x, mode: 'set' });
  ops.scatterRows(queue, { out, index: last, x: added, mode: 'set' });
  return out;
}

/**
 * `weighted_mean` weighs the end of a token most in the embeddings, as its reader comes from there, and the beginning
 * in the head, which predicts it; `first_last` takes the last subword and the first one for the same reason.
 */
export function weightsOf(method: SubwordMethod, count: number, isHead: boolean): number[] {
  const place = (i: number): number => (isHead ? count - i : i + 1);
  const all = Array.from({ length: count }, (_, i) => i);
  if (method === 'sum') return all.map(() => 1);
  if (method === 'mean') return all.map(() => 1 / count);
  if (method === 'first_last') return all.map((i) => (place(i) === count ? 1 : 0));
  const sum = (count * (count + 1)) / 2;
  return all.map((i) => place(i) / sum);
}
