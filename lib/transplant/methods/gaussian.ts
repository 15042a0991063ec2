import { ops } from '../../core/native-ops.ts';
import { Owned } from '../../core/owned.ts';
import { Tensor } from '../../core/tensor.ts';
import { cholesky } from '../../linalg/index.ts';
import { allIds } from '../tables/scan.ts';
import { asTensor, rowsPerStep, steps } from '../tables/table.ts';
import { meansOf } from './constant.ts';
import { negated } from './linear.ts';
import type { MethodContext, PrepareMethod } from './method.ts';

/** A pivot below this share of the largest diagonal element is rounding: the direction is left out. */
const rankTolerance = 1e-12;

/**
 * Normal numbers with the mean and the covariance of the base's rows, divided by their number (J. Hewitt, "Initializing
 * new word embeddings for pretrained language models", 2021).
 */
export const johnHewitt: PrepareMethod = async (context) => {
  const { task, bases, settings } = context;
  const { device } = task;
  using owned = new Owned<Tensor>();
  const means = meansOf(context).map((mean) => owned.add(Tensor.from(device, mean, [mean.length])));
  const factors: Tensor[] = [];
  for (const [i, mean] of means.entries()) factors.push(owned.add(await factorOf(context, i, mean)));
  const kept = owned.move();
  return {
    async approximate(_targets, ids, position) {
      const { seed } = settings;
      const rows = bases.map(({ table: { columns } }, stream) => {
        using noise = Tensor.randn(device, [ids.length, columns], { seed, stream, offset: position * columns });
        const row = Tensor.zeros(device, [ids.length, columns]);
        ops.gemm(task.queue, { a: noise, b: factors[stream]!, c: row, transB: 'transposed' });
        ops.addBias(task.queue, { x: row, bias: means[stream]!, out: row });
        return row;
      });
      return { rows };
    },
    dispose: () => kept.dispose(),
  };
};

async function factorOf({ task, bases }: MethodContext, i: number, mean: Tensor): Promise<Tensor> {
  const { device, queue } = task;
  const { table, scan } = bases[i]!;
  const { columns } = table;
  const finite = allIds(table.rows).filter((id) => Number.isFinite(scan.norms[id]!));
  using covariance = Tensor.zeros(device, [columns, columns], { dtype: 'f64' });
  using opposite = negated(queue, mean);
  for (const part of steps(finite, rowsPerStep(table))) {
    task.check();
    using rows = asTensor(device, table, await table.read(part));
    ops.addBias(queue, { x: rows, bias: opposite, out: rows });
    using exact = rows.cast('f64');
    const { length } = finite;
    ops.symmetricProduct(queue, { a: exact, c: covariance, alpha: 1 / length, beta: 1, trans: 'transposed' });
    await task.synchronize();
  }
  using factor = await task.waitFor(cholesky(covariance, { rankTolerance }));
  return factor.cast('f32');
}
