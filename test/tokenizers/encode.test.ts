// Devices: cpu
// The encoder of single tokens against Hugging Face's tokenizers on a real vocabulary.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { Tokenizer as Oracle } from '@huggingface/tokenizers';
import { describe, expect, it } from 'vitest';
import { encoderOf, subwordsOf } from '../../lib/tokenizers/encode/encode.ts';
import type { Tokenizer } from '../../lib/tokenizers/tokenizer.ts';
import { byteLevelTokenizer, unigramTokenizer, wordPieceTokenizer } from '../transplant/models.ts';
import { parsed } from './tokenizers.ts';

const models = path.join(import.meta.dirname, '..', '..', 'node_modules', '@lenml', 'tokenizer-llama2', 'models');
const llama = readFileSync(path.join(models, 'tokenizer.json'));

const latin1 = (text: string): string => Buffer.from(text).toString('latin1');
const spelled = ({ tokens }: Tokenizer, ids: number[]): (string | undefined)[] => ids.map((id) => tokens[id]);

describe('BPE', () => {
  const tokenizer = parsed(llama);
  const encode = encoderOf(tokenizer);
  // Its normalizer puts a space before the text.
  const oracle = new Oracle(JSON.parse(llama.toString()), {});
  const texts = [
    'hello',
    'transplantation',
    'Übermut',
    '数学',
    'naïve',
    '1234',
    '\t\n',
    '🦙',
    'don’t',
    'a'.repeat(300),
  ];
  it.each(texts)('encodes %j as the oracle does', (text) => {
    const { ids } = oracle.encode(text, { add_special_tokens: false });
    expect(encode(latin1(` ${text}`), false)).toEqual(ids);
  });

  it('falls back to bytes for what is not a character', () => {
    expect(spelled(tokenizer, encode('\xe2\x82', false))).toEqual(['<0xE2>', '<0x82>']);
  });

  it('merges byte-level symbols by rank', () => {
    const own = parsed(byteLevelTokenizer(['a', 'b', 'c', 'ab', 'bc', 'abc', ' '], [], ['b c', 'a b', 'a bc']));
    expect(spelled(own, encoderOf(own)('abcab', false))).toEqual(['abc', 'ab']);
  });
});

it('unigram takes the pieces of the largest sum of scores', () => {
  const own = parsed(
    unigramTokenizer([
      ['<unk>', 0],
      ['▁', -2],
      ['▁ab', -3],
      ['a', -4],
      ['b', -4],
      ['bc', -3],
      ['c', -3],
      ['▁a', -5],
    ]),
  );
  const encode = encoderOf(own);
  expect(spelled(own, encode(' abc', false))).toEqual(['▁ab', 'c']); // −6 against −8 of ▁a bc
  expect(spelled(own, encode('bc', false))).toEqual(['bc']);
  expect(spelled(own, encode('azb', false))).toEqual(['a', 'b']);
});

describe('WordPiece', () => {
  const tokens = ['[UNK]', 'un', '##aff', '##able', 'able', 'the', ','];
  const own = parsed(wordPieceTokenizer(tokens));
  const encode = encoderOf(own);
  it('takes the longest match first', () => {
    expect(spelled(own, encode(' unaffable', false))).toEqual(['un', '##aff', '##able']);
    expect(spelled(own, encode('able', true))).toEqual(['##able']);
    expect(spelled(own, encode(' The able', false))).toEqual(['the', 'able']);
    expect(spelled(own, encode(' unknown', false))).toEqual([]);
  });

  it('spells tokens of vocabularies that do not mark the inside of words', () => {
    const donor = parsed(byteLevelTokenizer([' able', 'able', ',']));
    const pieces = (bytes: string): (string | undefined)[] =>
      spelled(own, subwordsOf(encode, own, donor, { kind: 'text', bytes }));
    expect(pieces(' able')).toEqual(['able']);
    expect(pieces('able')).toEqual(['##able']);
    expect(pieces(',')).toEqual([',']);
  });
});
