// Disk space that a transplantation needs.
import { dueTurn } from '../../core/due-turns.ts';
import type { SpaceNeeds } from '../../files/model-folder/needs.ts';
import type { Weights } from '../../files/model-folder/weights.ts';
import type { Job } from '../tables/job.ts';
import { recordBytesOf } from '../tables/row-store.ts';

/** The new weights, and the rows that are made before they are written. */
export async function needsOf({ tables, rows }: Job, weights: Weights): Promise<SpaceNeeds> {
  const sizes = new Map(tables.map(({ base }) => [base.name, rows * base.rowBytes]));
  let bytes = 0;
  for (const name of weights.shardOf.keys()) {
    await dueTurn();
    bytes += sizes.get(name) ?? (await weights.find(name)).info.byteLength;
  }
  const made = tables.map(({ base, origins }) => origins.targets.length * recordBytesOf(base.rowBytes));
  return { bytes, scratchBytes: made.reduce((sum, one) => sum + one, 0) };
}
