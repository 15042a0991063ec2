import type { Json, JsonObject } from '../../files/json/reader.ts';
import { shortened } from '../../files/quote.ts';
import type { Tokenizer, TokenRole } from '../../tokenizers/index.ts';
import { roles } from '../../tokenizers/internal.ts';

const idKey = /_token_(id|index)$/;
/** The member in which models of several kinds of input keep their options of text. */
export const textConfig = 'text_config';

/** True if a member of config.json or generation_config.json has to do with the vocabulary. */
export const isConfigKey = (key: string): boolean => idKey.test(key) || key === 'vocab_size' || key === textConfig;

/** Changes to config.json and generation_config.json of the new folder, and warnings of ids without a counterpart. */
export interface ConfigPatches {
  readonly config: JsonObject;
  readonly generation: JsonObject;
  readonly warnings: readonly string[];
}

export interface ConfigSources {
  readonly base: JsonObject;
  readonly baseGeneration: JsonObject | undefined;
  readonly donor: JsonObject | undefined;
  readonly donorGeneration: JsonObject | undefined;
  readonly donorTokenizer: Tokenizer;
  /** Rows of the new tables. */
  readonly rows: number;
  /** The id of the donor that took the place of an id of the base. */
  readonly newIdOf: (baseId: number) => number | undefined;
}

/** Sizes and ids of the donor's vocabulary, each where the base keeps its own. */
export function patchConfigs(sources: ConfigSources): ConfigPatches {
  const { base, baseGeneration, rows, donor, donorGeneration } = sources;
  const warnings: string[] = [];
  const text = objectAt(base, textConfig);
  const config: JsonObject = patchIds(base, [donor, objectAt(donor, textConfig)], sources, warnings);
  const inText: JsonObject = text ? patchIds(text, [objectAt(donor, textConfig), donor], sources, warnings) : {};
  if (text && (text['vocab_size'] !== undefined || base['vocab_size'] === undefined)) inText['vocab_size'] = rows;
  if (!text || base['vocab_size'] !== undefined) config['vocab_size'] = rows;
  if (Object.keys(inText).length > 0) config[textConfig] = inText;
  const generation = baseGeneration
    ? patchIds(baseGeneration, [donorGeneration, donor, objectAt(donor, textConfig)], sources, warnings)
    : {};
  return { config, generation, warnings };
}

function patchIds(
  base: JsonObject,
  donors: readonly (JsonObject | undefined)[],
  { donorTokenizer, newIdOf }: ConfigSources,
  warnings: string[],
): JsonObject {
  const patch: JsonObject = {};
  for (const [key, old] of Object.entries(base)) {
    if (!idKey.test(key) || old === null) continue;
    const role = roles.find((name) => key === `${name}_token_id`);
    const given = role && donors.map((donor) => donor?.[key]).find((value) => value !== undefined && value !== null);
    const value = given ?? (role ? roleId(donorTokenizer, role) : undefined) ?? mapped(old, newIdOf);
    if (value === undefined)
      warnings.push(`${key} was ${shortened(JSON.stringify(old))} and has no counterpart: it is null now`);
    patch[key] = value ?? null;
  }
  return patch;
}

function roleId({ roles: ids }: Tokenizer, role: TokenRole): number | undefined {
  return ids.get(role);
}

function mapped(old: Json, newIdOf: (baseId: number) => number | undefined): Json | undefined {
  if (typeof old === 'number') return newIdOf(old);
  if (!Array.isArray(old)) return undefined;
  const ids = old.map((id) => (typeof id === 'number' ? newIdOf(id) : undefined)).filter((id) => id !== undefined);
  return ids.length > 0 ? ids : undefined;
}

function objectAt(config: JsonObject | undefined, key: string): JsonObject | undefined {
  const value = config?.[key];
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : undefined;
}
