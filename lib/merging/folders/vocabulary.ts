// Models can be merged row by row only where row i of each stands for the same token.
import { refusal } from '../../core/errors.ts';
import type { Folder } from '../../files/model-folder/folder.ts';
import { isEmbedding, isHead } from '../../files/model-folder/table-names.ts';
import { few } from '../../files/quote.ts';
import { limits, readTokenizerOf } from '../../tokenizers/internal.ts';
import type { Model } from './models.ts';

const file = 'tokenizer.json';
/** Vocabularies of other forms, which are compared byte by byte. */
const others = ['tokenizer.model', 'spiece.model', 'vocab.json', 'vocab.txt'];

/** The number of tokens of the vocabulary that all share; undefined where the base has no tokenizer. */
export async function sharedVocabulary(
  op: string,
  [base, ...models]: readonly Model[],
  warnings: string[],
): Promise<number | undefined> {
  const own = await base!.folder.read(file, limits.fileBytes);
  if (!own) {
    const names = [...base!.weights.shardOf.keys()];
    if (names.some((name) => isEmbedding(name) || isHead(name))) await warnOfOthers(base!, models, warnings);
    return undefined;
  }
  const tokens = await tokensOf(base!.folder);
  for (const { label, path, folder, adapter } of models) {
    const other = await folder.read(file, limits.fileBytes);
    if (!other) {
      // An adapter without a vocabulary has the base's.
      if (adapter && !(await hasOthers(folder))) continue;
      const found = await compareBytes(base!.folder, folder);
      const lack = typeof found === 'string' ? `another ${found} than the base, and no ${file}` : `no ${file}`;
      if (found !== true)
        warnings.push(`${label} has ${lack}: nobody can tell whether its tokens are those of the base`);
      continue;
    }
    if (Buffer.compare(own, other) === 0) continue;
    const theirs = await tokensOf(folder);
    let differing = 0;
    for (let id = 0; id < Math.max(tokens.length, theirs.length); ++id) if (tokens[id] !== theirs[id]) differing += 1;
    if (differing === 0) continue;
    const command = `orthokit transplant --base ${path} --donor ${base!.path} --out DIR`;
    const must = `have the tokens of the base${adapter ? '' : `, or be given them first by ${command}`}`;
    throw refusal(op, label, must, `${theirs.length} tokens for ${tokens.length}, of which ${differing} differ`);
  }
  return tokens.length;
}

/** Warns of a base without a tokenizer that could be read. */
async function warnOfOthers(base: Model, models: readonly Model[], warnings: string[]): Promise<void> {
  const unknown: string[] = [];
  for (const { label, folder, adapter } of models) {
    if (adapter && !(await hasOthers(folder))) continue;
    const found = await compareBytes(base.folder, folder);
    if (found === true) continue;
    unknown.push(found === undefined ? label : `${label}, whose ${found} is another,`);
  }
  if (unknown.length === 0) return;
  const whose = few(unknown, (one) => one);
  warnings.push(`the base has no ${file}: nobody can tell whether the tokens of ${whose} are its own`);
}

async function hasOthers(folder: Folder): Promise<boolean> {
  for (const name of others) if (await folder.has(name)) return true;
  return false;
}

/** True where both have the same vocabulary in another form; the name of a file that differs; else undefined. */
async function compareBytes(base: Folder, model: Folder): Promise<true | string | undefined> {
  let found: true | undefined;
  for (const name of others) {
    const [own, other] = [await base.read(name, limits.fileBytes), await model.read(name, limits.fileBytes)];
    if (!own || !other) continue;
    if (Buffer.compare(own, other) !== 0) return name;
    found = true;
  }
  return found;
}

const tokensOf = async (folder: Folder) => (await readTokenizerOf(folder, { wantMerges: false })).tokens;
