// The small files of the new folder: those of the base, and what says how it was made.
import { Buffer } from 'node:buffer';
import { isRecord } from '../../core/options.ts';
import { inTurns } from '../../core/turns.ts';
import { editJson } from '../../files/json/edit.ts';
import type { JsonObject } from '../../files/json/reader.ts';
import { cardName, cardText } from '../../files/model-folder/model-card.ts';
import { escaped } from '../../files/quote.ts';
import { limits } from '../../tokenizers/internal.ts';
import type { Settings } from '../options.ts';
import type { Model } from './models.ts';
import type { MergeReport } from './report.ts';

const recordName = 'merge.json';
const cardBytes = 1 << 20;

const names = { f32: 'float32', f16: 'float16', bf16: 'bfloat16' } as const;

/** Copies of the base's files, the configuration with the element type of the new weights, and the model card. */
export async function* newTexts(
  base: Model,
  copied: readonly string[],
  dtype: Settings['dtype'],
  report: () => Promise<MergeReport>,
): AsyncGenerator<[string, Uint8Array]> {
  const { folder, config } = base;
  for (const name of copied) {
    const bytes = await folder.read(name, limits.fileBytes);
    if (!bytes) continue;
    if (name !== 'config.json' || !dtype) {
      yield [name, bytes];
      continue;
    }
    yield [name, await inTurns(editJson(bytes, patchOf(config, names[dtype]), folder.fail, name), folder.signal)];
  }
  const { dryRun, resumed, out, memoryBytes, scratchBytes, ...made } = await report();
  yield [recordName, Buffer.from(`${JSON.stringify(made, null, 2)}\n`)];
  yield [cardName, Buffer.from(cardOf(made))];
}

/** The element type where a configuration or a part of it names one. */
function patchOf(config: JsonObject, dtype: string): JsonObject {
  const patch: JsonObject = {};
  for (const [key, value] of Object.entries(config))
    if (['torch_dtype', 'dtype'].includes(key)) patch[key] = dtype;
    else if (isRecord(value)) patch[key] = patchOf(value as JsonObject, dtype);
  return patch;
}

type Made = Omit<MergeReport, 'dryRun' | 'resumed' | 'out' | 'memoryBytes' | 'scratchBytes'>;

function cardOf({ method, formula, base, models, warnings }: Made): string {
  const all = [base, ...models];
  const text = [
    '# Merged model',
    '',
    `Made by \`orthokit merge\` with the method \`${method}\`: ${formula}`,
    '',
    '| | folder | licence that its README names |',
    '| --- | --- | --- |',
    ...all.map(({ label, path, license, adapter }) => {
      const cell = (value: string): string => `\`${escaped(value).replaceAll(/[|`]/g, ' ')}\``;
      return `| ${label}${adapter ? ', an adapter' : ''} | ${cell(path)} | ${license ? cell(license) : 'none'} |`;
    }),
    '',
    `Hashes of all inputs and figures of each tensor stand in \`${recordName}\`.`,
  ];
  return cardText({ bases: all.map(({ path }) => path), tags: ['merge'], text, warnings });
}

/** The licence that the README of a model names in its first lines. */
export async function licenseOf({ folder }: Model): Promise<string | undefined> {
  if (!(await folder.has(cardName))) return undefined;
  const bytes = await folder.readStart(cardName, cardBytes);
  const [first, ...lines] = Buffer.from(bytes ?? [])
    .toString('utf8')
    .split('\n', 200);
  if (first?.trimEnd() !== '---') return undefined;
  for (const line of lines) {
    if (line.startsWith('---')) return undefined;
    if (!line.startsWith('license:')) continue;
    const name = line.slice('license:'.length).trim().slice(0, 80);
    return name === '' ? undefined : name;
  }
  return undefined;
}
