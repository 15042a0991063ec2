import { refusal } from '../../core/errors.ts';
import { inTurns } from '../../core/turns.ts';
import type { JsonObject } from '../../files/json/reader.ts';
import { Folder } from '../../files/model-folder/folder.ts';
import { limits } from '../../files/model-folder/limits.ts';
import { Weights } from '../../files/model-folder/weights.ts';
import type { Tokenizer } from '../../tokenizers/index.ts';
import { readTokenizerOf } from '../../tokenizers/internal.ts';
import { isConfigKey, textConfig } from '../output/config.ts';
import type { Side } from './job.ts';
import { findTables, type TableNames } from './names.ts';
import { openTable, type Table } from './table.ts';

/** A model folder whose files have been found to fit each other. */
export interface Model extends Side {
  readonly folder: Folder;
  readonly weights: Weights;
  /** config.json as it stands, and what it says. */
  readonly configBytes: Uint8Array | undefined;
  readonly config: JsonObject | undefined;
  readonly generationBytes: Uint8Array | undefined;
  readonly generation: JsonObject | undefined;
}

export interface OpenModelOptions {
  readonly op: string;
  readonly side: 'base' | 'donor';
  readonly followLinks: boolean;
  readonly tensors: TableNames;
  readonly wantMerges: boolean;
  readonly signal: AbortSignal | undefined;
}

/** Opens a model folder; the caller closes its weights. */
export async function openModel(path: string, options: OpenModelOptions): Promise<Model> {
  const { op, side, followLinks, signal } = options;
  const folder = await Folder.open(op, side, path, { followLinks, signal });
  const configBytes = await folder.read('config.json', limits.configBytes);
  const generationBytes = await folder.read('generation_config.json', limits.configBytes);
  const tokenizer = await readTokenizerOf(folder, options);
  const weights = await Weights.open(folder);
  try {
    const names = await inTurns(findTables(weights, side, options.tensors), signal);
    const embed = await openTable(weights, names.embed);
    const lmHead = names.lmHead === undefined ? undefined : await openTable(weights, names.lmHead);
    if (lmHead && lmHead.rows !== embed.rows) {
      const must = `have as many rows in ${lmHead.name} as in ${embed.name}, ${embed.rows}`;
      throw refusal(op, side, must, lmHead.rows, 'ERR_SHAPE');
    }
    checkFit(folder, tokenizer, embed);
    // All of the base is copied: what is wrong with a shard shows before any work.
    if (side === 'base') for (const shard of weights.shards) await weights.shard(shard);
    return {
      folder,
      weights,
      tokenizer,
      configBytes,
      config: configBytes && (await configOf(folder, 'config.json', configBytes)),
      generationBytes,
      generation: generationBytes && (await configOf(folder, 'generation_config.json', generationBytes)),
      embed,
      lmHead,
    };
  } catch (error) {
    await weights.close();
    throw error;
  }
}

const configOf = (folder: Folder, name: string, bytes: Uint8Array): Promise<JsonObject> =>
  folder.parseJson(name, bytes, isConfigKey, [textConfig]);

/**
 * Added tokens may lie beyond the table, as in models that never use them. A token of the vocabulary itself beyond it
 * means that tokenizer and weights belong to different models.
 */
function checkFit(folder: Folder, { tokens, literal }: Tokenizer, { rows, name }: Table): void {
  for (let id = rows; id < tokens.length; ++id) {
    if (tokens[id] !== undefined && !literal.has(id))
      folder.fail(`tokenizer.json must have ids below the ${rows} rows of ${name}, got ${id}`);
  }
}
