import { abortable } from '../../core/abortable.ts';
import { ops } from '../../core/native-ops.ts';
import { Tensor } from '../../core/tensor.ts';
import { allIds } from '../tables/scan.ts';
import { asTensor, rowsPerStep, steps } from '../tables/table.ts';
import { meansOf } from './constant.ts';
import { choleskyFactor, negated } from './linear.ts';
import type { MethodContext, PrepareMethod } from './method.ts';

/**
 * Normal numbers with the mean and the covariance of the base's rows, divided by their number (J. Hewitt, "Initializing
 * new word embeddings for pretrained language models", 2021).
 */
export const johnHewitt: PrepareMethod = async (context) => {
  const { device, bases, settings } = context;
  const means = meansOf(context).map((mean) => Tensor.from(device, mean, [mean.length]));
  const factors: Tensor[] = [];
  for (const [i, mean] of means.entries()) factors.push(await factorOf(context, i, mean));
  return {
    async approximate(_targets, ids, position) {
      const rows = bases.map(({ table: { columns } }, stream) => {
        using noise = Tensor.randn(device, [ids.length, columns], {
          seed: settings.seed,
          stream,
          offset: position * columns,
        });
        const row = Tensor.zeros(device, [ids.length, columns]);
        ops.gemm(device, { a: noise, b: factors[stream] as Tensor, c: row, transB: 'transposed' });
        ops.addBias(device, { x: row, bias: means[stream] as Tensor, out: row });
        return row;
      });
      return { rows };
    },
    dispose() {
      for (const tensor of [...means, ...factors]) tensor.dispose();
    },
  };
};

async function factorOf({ device, bases, signal }: MethodContext, i: number, mean: Tensor): Promise<Tensor> {
  const { table, scan } = bases[i] as MethodContext['bases'][number];
  const { columns } = table;
  const finite = allIds(table.rows).filter((id) => Number.isFinite(scan.norms[id] ?? Number.NaN));
  using covariance = Tensor.zeros(device, [columns, columns], { dtype: 'f64' });
  using opposite = negated(mean);
  for (const part of steps(finite, rowsPerStep(table))) {
    signal?.throwIfAborted();
    using rows = asTensor(device, table, await table.read(part));
    ops.addBias(device, { x: rows, bias: opposite, out: rows });
    using exact = rows.cast('f64');
    const { length } = finite;
    ops.symmetricProduct(device, { a: exact, c: covariance, alpha: 1 / length, beta: 1, trans: 'transposed' });
    await abortable(device.synchronize(), signal);
  }
  const factor = await choleskyFactor(device, covariance);
  return Tensor.from(device, Float32Array.from(factor), [columns, columns]);
}
