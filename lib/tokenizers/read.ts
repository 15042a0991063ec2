import { flag, type Resolved, readOptions, type Schema, watchers } from '../core/schema.ts';
import { inTurns } from '../core/turns.ts';
import { Folder } from '../files/model-folder/folder.ts';
import { checkPath } from '../files/transfer.ts';
import { limits } from './limits.ts';
import { isCompanionKey, parseTokenizer } from './parse.ts';
import type { Tokenizer } from './tokenizer.ts';

/** Reads the tokenizer of a model folder. */
export async function readTokenizerOf(folder: Folder, { wantMerges }: { wantMerges: boolean }): Promise<Tokenizer> {
  const bytes = await folder.read('tokenizer.json', limits.fileBytes);
  if (!bytes) folder.fail('tokenizer.json must be there, got no such file');
  const tokenizerConfig = await folder.readJson('tokenizer_config.json', isCompanionKey);
  const specialTokens = await folder.readJson('special_tokens_map.json', isCompanionKey);
  const steps = parseTokenizer(bytes, { tokenizerConfig, specialTokens }, folder.fail, wantMerges);
  return inTurns(steps, folder.signal);
}

/** Options of {@link readTokenizer}. */
export interface ReadTokenizerOptions {
  /** Follow symbolic links in the folder, as a download cache has them. Default: `false`. */
  followLinks?: boolean | undefined;
  /** Aborting rejects with the signal's reason. Default: none. */
  signal?: AbortSignal | undefined;
}

const schema: Schema<Resolved<ReadTokenizerOptions, 'signal'>> = {
  followLinks: flag(false),
  signal: watchers<never>().signal,
};

/**
 * Reads what `tokenizer.json` and the files beside it say of a vocabulary: tokens and ids, how they spell text, which
 * are special and for what. Nothing from the files is compiled or run, and sizes are bounded, so they may be a
 * stranger's.
 *
 * @example
 * const { tokens, spelling, roles } = await readTokenizer('model');
 * console.log(tokens.length, spelling, roles.get('eos'));
 *
 * @throws ERR_FORMAT for a file that is not what it says or too large; ERR_IO with the system's error as `cause`;
 * `ERR_ARGUMENT`; the signal's reason when aborted
 */
export async function readTokenizer(path: string, options: ReadTokenizerOptions = {}): Promise<Tokenizer> {
  const op = 'readTokenizer';
  checkPath(op, path);
  const { followLinks, signal } = readOptions(op, options, schema);
  signal?.throwIfAborted();
  const folder = await Folder.open(op, 'path', path, { followLinks, signal });
  return readTokenizerOf(folder, { wantMerges: false });
}
