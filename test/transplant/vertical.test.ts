// Devices: cpu
import path from 'node:path';
import { expect, it } from 'vitest';
import { transplant } from '../../lib/index.ts';
import { Folder } from '../files/folder.ts';
import {
  byteLevelTokenizer,
  readJson,
  readModel,
  rowsOf,
  sentencePieceTokenizer,
  tensorOf,
  writeModel,
} from './models.ts';

const baseTokens = ['<unk>', '<s>', '</s>', '<0x0A>', '▁the', '▁cat', 'é'];
const row = (seed: number, columns: number): number[] => Array.from({ length: columns }, (_, j) => seed + j / 8);

it('rebuilds the tables for the vocabulary of the donor and copies the rest', async () => {
  using folder = new Folder();
  const base = writeModel(folder.file('base'), {
    tokenizer: sentencePieceTokenizer(baseTokens, [
      { id: 0, content: '<unk>' },
      { id: 1, content: '<s>' },
      { id: 2, content: '</s>' },
    ]),
    tokenizerConfig: { bos_token: '<s>', eos_token: '</s>', unk_token: '<unk>', tokenizer_class: 'LlamaTokenizer' },
    config: { vocab_size: 8, bos_token_id: 1, eos_token_id: 2, rope_theta: 10000, hidden_size: 4 },
    generationConfig: { bos_token_id: 1, eos_token_id: 2, temperature: 0.5 },
    embed: Array.from({ length: 8 }, (_, id) => row(id + 1, 4)),
    others: { 'model.norm.weight': tensorOf([[1, 2, 3, 4]]) },
  });
  const donor = writeModel(folder.file('donor'), {
    tokenizer: byteLevelTokenizer([' the', '\n', ' dog', 'é'], [{ id: 4, content: '<|end|>' }]),
    tokenizerConfig: { eos_token: '<|end|>', pad_token: '<|end|>' },
    config: { vocab_size: 5, eos_token_id: 4 },
    embed: Array.from({ length: 5 }, (_, id) => row(10 * id + 1, 3)),
  });
  const report = await transplant({ base, donor, out: folder.file('out'), method: 'mean' });
  expect(report.match).toMatchObject({ ids: 5, exact: 2, byte: 1, role: 1, none: 1 });
  const { tensors } = readModel(folder.file('out'));
  const rows = rowsOf(tensors.get('model.embed_tokens.weight')!);
  const mean = row(4.5, 4);
  expect(rows).toEqual([row(5, 4), row(4, 4), mean, row(7, 4), row(3, 4), ...rows.slice(5)]);
  expect(tensors.get('model.norm.weight')).toEqual(tensorOf([[1, 2, 3, 4]]));
  expect(readJson(folder.file('out'), 'config.json')).toMatchObject({
    vocab_size: rows.length,
    eos_token_id: 4,
    hidden_size: 4,
  });
  expect(readJson(folder.file('out'), 'tokenizer.json')).toEqual(readJson(donor, 'tokenizer.json'));
  expect(folder.names).toEqual(['base', 'donor', 'out']);
  expect(path.basename(report.out)).toBe('out');
});
