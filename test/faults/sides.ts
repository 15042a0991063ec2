import type { Folder } from '../files/folder.ts';
import { byteLevelTokenizer, writeModel } from '../transplant/models.ts';

/** Two models, `base` and `donor`, with vocabularies that share tokens. */
export function writeSides(folder: Folder): void {
  const shared = [' a', ' b', ' c', ' d'];
  const rows = (count: number, columns: number) =>
    Array.from({ length: count }, (_, i) => Array.from({ length: columns }, (_, j) => ((i * 7 + j * 5) % 13) - 6));
  writeModel(folder.file('base'), { tokenizer: byteLevelTokenizer([...shared, 'old']), embed: rows(5, 4) });
  writeModel(folder.file('donor'), { tokenizer: byteLevelTokenizer(['x', ...shared, 'y']), embed: rows(6, 3) });
}
