import { OrthokitError } from '../../core/errors.ts';
import { Folder } from '../../files/model-folder/folder.ts';
import { Weights } from '../../files/model-folder/weights.ts';
import { readTokenizerOf } from '../../tokenizers/internal.ts';
import type { NewTable } from '../tables/new-table.ts';

/** Reads the new folder once more before it is published: every file opens, and no token lies beyond the tables. */
export async function verifyFolder(
  op: string,
  path: string,
  tables: readonly NewTable[],
  signal: AbortSignal | undefined,
): Promise<void> {
  const folder = await Folder.open(op, 'out', path, { followLinks: false, signal });
  const { tokens } = await readTokenizerOf(folder, { wantMerges: false });
  const weights = await Weights.open(folder);
  try {
    for (const shard of weights.shards) await weights.shard(shard);
    for (const { table, plan } of tables) {
      const { info } = await weights.find(table.name);
      const [rows = 0] = info.shape;
      if (rows !== plan.from.length || rows < tokens.length)
        throw new OrthokitError(
          'ERR_STATE',
          `${op}: ${table.name} must have ${plan.from.length} rows for ${tokens.length} tokens, got ${rows}`,
        );
    }
  } finally {
    await weights.close();
  }
}
