import { Buffer } from 'node:buffer';
import { editJson } from '../tokenizer/json-edit.ts';
import { limits } from '../tokenizer/limits.ts';
import { patchConfigs } from './config.ts';
import type { Model } from './model.ts';
import type { Workspace } from './workspace.ts';

/** What a tokenizer may consist of; nothing else is copied from the donor. */
const tokenizerFiles = [
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
const baseFiles = [
  'preprocessor_config.json',
  'processor_config.json',
  'LICENSE',
  'LICENSE.txt',
  'NOTICE',
  'NOTICE.txt',
];

/** Writes configuration and tokenizer; answers what a person should know. `from` says which rows were copied whence. */
export async function writeTexts(
  workspace: Workspace,
  base: Model,
  donor: Model,
  rows: number,
  from: Int32Array,
): Promise<readonly string[]> {
  const newIds = new Map<number, number>();
  for (const [id, baseId] of from.entries()) if (baseId >= 0 && !newIds.has(baseId)) newIds.set(baseId, id);
  const { config, generation, warnings } = patchConfigs({
    base: base.config ?? {},
    baseGeneration: base.generation,
    donor: donor.config,
    donorGeneration: donor.generation,
    donorTokenizer: donor.tokenizer,
    rows,
    newIdOf: (id) => newIds.get(id),
  });
  const { fail } = base.folder;
  const configBytes = base.configBytes ?? Buffer.from('{}\n');
  await workspace.write('config.json', editJson(configBytes, config, fail, 'config.json'));
  if (base.generationBytes) {
    const edited = editJson(base.generationBytes, generation, fail, 'generation_config.json');
    await workspace.write('generation_config.json', edited);
  }
  for (const [model, names] of [[donor, tokenizerFiles] as const, [base, baseFiles] as const]) {
    for (const name of names) {
      const bytes = await model.folder.read(name, limits.fileBytes);
      if (bytes) await workspace.write(name, bytes);
    }
  }
  return warnings;
}
