import { createHash } from 'node:crypto';
import { isRecord } from '../../core/options.ts';
import { inTurns, type Steps } from '../../core/turns.ts';
import { attempt, calls } from '../../files/calls.ts';
import { shortened } from '../../files/quote.ts';
import type { Tokenizer } from '../../tokenizers/index.ts';
import type { Settings } from '../options.ts';
import type { Model } from '../tables/model.ts';

const pauseIds = 1 << 8;
/** Of finished rows in the workspace. */
const format = 3;

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
  return `${JSON.stringify({ format, options: rest, files }, null, 2)}\n`;
}

function* digestOf(tokens: Tokenizer['tokens']): Steps<string> {
  const hash = createHash('sha256');
  for (let from = 0; from < tokens.length; from += pauseIds) {
    hash.update(`${tokens.slice(from, from + pauseIds).join('\0')}\0`);
    yield;
  }
  return hash.digest('hex');
}

interface StoredRun {
  readonly format: unknown;
  readonly options: Record<string, unknown>;
  readonly files: unknown;
}

/** What a text of {@link fingerprint} says; anybody may have written it. */
function parsed(text: string): StoredRun | undefined {
  try {
    const run: unknown = JSON.parse(text);
    if (!isRecord(run) || !isRecord(run['options'])) return undefined;
    return { format: run['format'], options: run['options'], files: run['files'] };
  } catch {
    return undefined;
  }
}

/** Whether a text is one of {@link fingerprint}. */
export const isRun = (text: string): boolean => parsed(text) !== undefined;

/** In what another run differs from one's own, in words. */
export function differenceOf(found: string | undefined, own: string): string {
  const other = found === undefined ? undefined : parsed(found);
  const mine = parsed(own);
  if (!other || !mine) return 'something else';
  if (other.format !== mine.format) return 'the work of another version';
  const words = (value: unknown): string => shortened(JSON.stringify(value) ?? 'no');
  const differences: string[] = [];
  for (const name of new Set([...Object.keys(mine.options), ...Object.keys(other.options)])) {
    const [before, now] = [words(other.options[name]), words(mine.options[name])];
    if (before !== now) differences.push(`${shortened(name)} ${before} for ${now}`);
  }
  if (JSON.stringify(other.files) !== JSON.stringify(mine.files)) differences.push('other files of base or donor');
  return `another run: ${differences.slice(0, 5).join(', ') || 'other options'}`;
}
