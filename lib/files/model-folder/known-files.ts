// Small files of model folders that are copied, by name: nothing else of a stranger's goes into a new folder.
import { attempt, calls } from '../calls.ts';
import type { Folder } from './folder.ts';
import { indexName } from './shard-index.ts';
import type { Weights } from './weights.ts';

/** Files that a tokenizer may consist of. */
export const tokenizerFiles: readonly string[] = [
  'tokenizer.json',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'added_tokens.json',
  'chat_template.jinja',
  'chat_template.json',
  'merges.txt',
  'vocab.json',
  'vocab.txt',
  'tokenizer.model',
  'spiece.model',
];

/** Files about the model that have nothing to do with its vocabulary. */
export const modelFiles: readonly string[] = [
  'preprocessor_config.json',
  'processor_config.json',
  'LICENSE',
  'LICENSE.txt',
  'NOTICE',
  'NOTICE.txt',
];

const copies: readonly string[] = ['config.json', 'generation_config.json', ...tokenizerFiles, ...modelFiles];

/** The files of the base that the new folder has, and those that it has not. */
export async function filesOf({
  folder,
  weights,
}: {
  readonly folder: Folder;
  readonly weights: Weights;
}): Promise<{ copied: string[]; notCopied: string[] }> {
  const own = new Set([...weights.shards, indexName]);
  const copied: string[] = [];
  const notCopied: string[] = [];
  for (const name of (await attempt(folder.op, folder.path, 'read', calls.list(folder.path))).sort()) {
    if (own.has(name) || name === '.git' || name === '.cache') continue;
    (copies.includes(name) ? copied : notCopied).push(name);
  }
  return { copied, notCopied };
}
