import { createHash } from 'node:crypto';
import { attempt, calls } from '../safetensors/calls.ts';
import type { Model } from './model.ts';
import type { Settings } from './options.ts';

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
    files.push([digestOf(tokenizer.tokens.join('\0'))]);
  }
  return `${JSON.stringify({ options: rest, files }, null, 2)}\n`;
}

const digestOf = (text: string): string => createHash('sha256').update(text).digest('hex');
