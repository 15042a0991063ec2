import { Buffer } from 'node:buffer';
import { inTurns, type Steps } from '../../core/turns.ts';
import { editJson } from '../../files/json/edit.ts';
import type { JsonObject } from '../../files/json/reader.ts';
import { modelFiles, tokenizerFiles } from '../../files/model-folder/known-files.ts';
import { limits } from '../../tokenizers/internal.ts';
import type { Job } from '../tables/job.ts';
import type { Model } from '../tables/model.ts';
import { type ConfigPatches, patchConfigs } from './config.ts';

const pauseIds = 1 << 11;
/** Steps that find the changes of the base's configuration, and what a person should know of them. */
export function* patchSteps(base: Model, donor: Model, { rows, tables }: Job): Steps<ConfigPatches> {
  const newIds = new Map<number, number>();
  for (const [id, baseId] of (tables[0]?.match.baseIds ?? new Int32Array()).entries()) {
    if (id % pauseIds === 0) yield;
    if (baseId >= 0 && !newIds.has(baseId)) newIds.set(baseId, id);
  }
  return patchConfigs({
    base: base.config ?? {},
    baseGeneration: base.generation,
    donor: donor.config,
    donorGeneration: donor.generation,
    donorTokenizer: donor.tokenizer,
    rows,
    newIdOf: (id) => newIds.get(id),
  });
}

/** Configuration and tokenizer of the new folder. */
export async function* newTexts(
  base: Model,
  donor: Model,
  patches: ConfigPatches,
): AsyncGenerator<[string, Uint8Array]> {
  const { fail, signal } = base.folder;
  const edited = (bytes: Uint8Array, patch: JsonObject, name: string): Promise<Uint8Array> =>
    inTurns(editJson(bytes, patch, fail, name), signal);
  const configBytes = base.configBytes ?? Buffer.from('{}\n');
  yield ['config.json', await edited(configBytes, patches.config, 'config.json')];
  if (base.generationBytes) {
    const name = 'generation_config.json';
    yield [name, await edited(base.generationBytes, patches.generation, name)];
  }
  for (const [model, names] of [[donor, tokenizerFiles] as const, [base, modelFiles] as const]) {
    for (const name of names) {
      const bytes = await model.folder.read(name, limits.fileBytes);
      if (bytes) yield [name, bytes];
    }
  }
}
