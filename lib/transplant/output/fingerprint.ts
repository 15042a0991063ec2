import { createHash } from 'node:crypto';
import { inTurns, type Steps } from '../../core/turns.ts';
import { type RunRecord, statesOf } from '../../files/model-folder/run-record.ts';
import type { Tokenizer } from '../../tokenizers/index.ts';
import type { Settings } from '../options.ts';
import type { Model } from '../tables/model.ts';

const pauseIds = 1 << 8;
/** The version of finished rows in the workspace. */
const format = 3;

/** The record of a run: options that show in the result, and the files of both models. */
export async function recordOf(settings: Settings, models: readonly Model[]): Promise<RunRecord> {
  const {
    base,
    donor,
    out,
    device,
    batchSize,
    memoryLimit,
    followLinks,
    dryRun,
    restart,
    signal,
    onProgress,
    ...rest
  } = settings;
  const files: string[][] = [];
  for (const { folder, weights, tokenizer } of models) {
    files.push(...(await statesOf(folder, ['tokenizer.json', ...weights.shards])));
    files.push([await inTurns(digestOf(tokenizer.tokens), settings.signal)]);
  }
  return { format, options: rest, files };
}

function* digestOf(tokens: Tokenizer['tokens']): Steps<string> {
  const hash = createHash('sha256');
  for (let from = 0; from < tokens.length; from += pauseIds) {
    hash.update(`${tokens.slice(from, from + pauseIds).join('\0')}\0`);
    yield;
  }
  return hash.digest('hex');
}
