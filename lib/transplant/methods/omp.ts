import { allOrNone } from '../../core/all-or-none.ts';
import { Owned } from '../../core/owned.ts';
import type { Tensor } from '../../core/tensor.ts';
import * as vectors from '../../core/vectors.ts';
import { Dictionary, omp as pursue, reconstruct } from '../../sparse/index.ts';
import { gather } from '../tables/table.ts';
import { gatherUnordered } from './gather.ts';
import type { PrepareMethod } from './method.ts';

/** Each row of the donor as a sum of at most k rows of shared tokens, and the same of the base (arXiv 2506.06607). */
export const omp: PrepareMethod = async ({ task, donor, bases, anchors, settings }) => {
  const { signal } = task;
  const { select, memoryLimit } = settings;
  const k = Math.min(settings.k, anchors.donor.length);
  using owned = new Owned<Tensor | Dictionary>();
  const atoms = owned.add(await gather(task, donor, anchors.donor));
  const counterparts: Tensor[] = [];
  for (const { table } of bases) counterparts.push(owned.add(await gatherUnordered(task, table, anchors.base)));
  const held = [atoms, ...counterparts].reduce((sum, { byteLength }) => sum + byteLength, 0);
  const dictionary = owned.add(new Dictionary(atoms, { memoryLimit: Math.max(1, Math.floor(memoryLimit - held)) }));
  const kept = owned.move();
  return {
    async approximate(targets) {
      using code = await pursue(dictionary, targets, { k, select, signal });
      using squares = vectors.rowSquares(task.queue, targets);
      using lengths = vectors.rowSquares(task.queue, code.coefficients);
      const [left, size, length] = await task.readAll(code.residuals, squares, lengths);
      return {
        rows: allOrNone(...counterparts.map((table) => () => reconstruct(code, table))),
        residuals: Float64Array.from(left, (norm, i) => (norm === 0 ? 0 : norm / Math.sqrt(size[i]!))),
        coefficientNorms: Float64Array.from(length, Math.sqrt),
      };
    },
    dispose: () => kept.dispose(),
  };
};
