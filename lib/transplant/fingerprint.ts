import { createHash } from 'node:crypto';
import { attempt, calls } from '../safetensors/calls.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import { inTurns, type Steps } from '../turns.ts';
import type { Model } from './model.ts';
import type { Settings } from './options.ts';

const pauseIds = 1 << 8;

/** What a run must have in common with another one to go on with its work: options that show in the result, and files. */
export async function fingerprint(settings: Settings, models: readonly Model[]): Promise<string> {
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
    const names = ['tokenizer.json', ...weights.shards];
    for (const name of names) {
      const { size, mtimeMs } = await attempt(folder.op, name, 'examined', calls.stat(folder.file(name)));
      files.push([folder.path, name, String(size), String(mtimeMs)]);
    }
    files.push([await inTurns(digestOf(tokenizer.tokens), settings.signal)]);
  }
  return `${JSON.stringify({ options: rest, files }, null, 2)}\n`;
}

function* digestOf(tokens: Tokenizer['tokens']): Steps<string> {
  const hash = createHash('sha256');
  for (let from = 0; from < tokens.length; from += pauseIds) {
    hash.update(`${tokens.slice(from, from + pauseIds).join('\0')}\0`);
    yield;
  }
  return hash.digest('hex');
}
