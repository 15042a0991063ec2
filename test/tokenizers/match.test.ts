// Devices: cpu
import { describe, expect, it } from 'vitest';
import { type MatchOptions, matchKinds, matchVocabularies, type Tokenizer } from '../../lib/index.ts';
import {
  byteLevel,
  byteLevelTokenizer,
  sentencePieceTokenizer,
  unigramTokenizer,
  wordPieceTokenizer,
} from '../transplant/models.ts';
import { parsed } from './tokenizers.ts';

/** Token of the donor, how it was found, token of the base: null where its id is −1. */
function pairs(base: Tokenizer, donor: Tokenizer, options?: MatchOptions) {
  const { kinds, baseIds } = matchVocabularies(base, donor, options);
  const tokenOf = (id: number) => (id === -1 ? null : base.tokens[id]);
  return donor.tokens.map((token, id) => [token, matchKinds[kinds[id]!], tokenOf(baseIds[id]!)]);
}

const spm = (tokens: string[], special: string[] = [], config: object = {}): Tokenizer =>
  parsed(
    sentencePieceTokenizer(
      [...special, ...tokens],
      special.map((content, id) => ({ id, content })),
    ),
    config,
  );
const bpe = (tokens: (string | Uint8Array)[], special: string[] = [], config: object = {}): Tokenizer =>
  parsed(
    byteLevelTokenizer(
      tokens,
      special.map((content, i) => ({ id: tokens.length + i, content })),
    ),
    config,
  );

describe('match: bytes', () => {
  it('knows the same text in every spelling', () => {
    const base = spm(['▁the', 'the', '▁', 'é', '\n', '▁▁', '数学']);
    const donor = bpe([' the', 'the', ' ', 'é', '\n', '  ', '数学', 'other']);
    expect(pairs(base, donor).map(([, kind, token]) => [kind, token])).toEqual([
      ['exact', '▁the'],
      ['exact', 'the'],
      ['exact', '▁'],
      ['exact', 'é'],
      ['exact', '\n'],
      ['exact', '▁▁'],
      ['exact', '数学'],
      ['none', null],
    ]);
    expect(pairs(donor, base).map(([, kind]) => kind)).toEqual(Array.from({ length: 7 }, () => 'exact'));
  });

  it('knows a unigram vocabulary as it knows BPE', () => {
    const base = parsed(
      unigramTokenizer([
        ['<unk>', 0],
        ['▁the', -2],
        ['s', -3],
      ]),
    );
    expect(pairs(base, bpe([' the', 's']))).toEqual([
      [byteLevel(' the'), 'exact', '▁the'],
      ['s', 'exact', 's'],
    ]);
  });

  it('matches tokens of one byte with byte tokens, in both directions, unless told not to', () => {
    const base = spm(['<0x0A>', '<0xE2>', '<0x41>', 'A']);
    const donor = bpe(['\n', Uint8Array.of(0xe2), 'A', Uint8Array.of(0xe3)]);
    const found = [
      ['byte', '<0x0A>'],
      ['byte', '<0xE2>'],
      ['exact', 'A'],
      ['none', null],
    ];
    expect(pairs(base, donor).map(([, kind, token]) => [kind, token])).toEqual(found);
    expect(pairs(base, donor, { byte: false }).map(([, kind]) => kind)).toEqual(['none', 'none', 'exact', 'none']);
    expect(pairs(donor, base).map(([, kind]) => kind)).toEqual(['byte', 'byte', 'byte', 'exact']);
  });

  it('takes a byte token that the base has as it stands', () => {
    expect(pairs(spm(['<0x0A>', '\n']), spm(['<0x0A>']))).toEqual([['<0x0A>', 'exact', '<0x0A>']]);
  });

  it('takes the longest prefix where asked, never a part of a character and never white space', () => {
    const base = bpe([' ', ' tr', ' tran', 'é'.slice(0), Uint8Array.of(0xc3), 'x']);
    const donor = bpe([' transplant', ' q', 'è', 'xyz']);
    expect(pairs(base, donor).map(([, kind]) => kind)).toEqual(['none', 'none', 'none', 'none']);
    expect(pairs(base, donor, { prefix: true }).map(([, kind, token]) => [kind, token])).toEqual([
      ['prefix', byteLevel(' tran')],
      ['none', null],
      ['none', null],
      ['prefix', 'x'],
    ]);
  });

  it('matches special tokens by role, then by content, and none of them by text', () => {
    const base = spm(['<s>x', 'pad'], ['<unk>', '<s>', '</s>', '<sep>'], {
      bos_token: '<s>',
      eos_token: { content: '</s>', lstrip: false },
    });
    const donor = bpe(['pad'], ['<|begin|>', '<|end|>', '<sep>', '<new>'], {
      bos_token: '<|begin|>',
      eos_token: '<|end|>',
      pad_token: '<new>',
    });
    expect(pairs(base, donor)).toEqual([
      ['pad', 'exact', 'pad'],
      ['<|begin|>', 'role', '<s>'],
      ['<|end|>', 'role', '</s>'],
      ['<sep>', 'content', '<sep>'],
      ['<new>', 'none', null],
    ]);
    expect(matchVocabularies(base, donor).counts).toMatchObject({ role: 2, content: 1, none: 1, specialUnmatched: 1 });
  });

  it('a token with two roles takes the first that the base has', () => {
    const donor = bpe([], ['<|endoftext|>'], { bos_token: '<|endoftext|>', eos_token: '<|endoftext|>' });
    expect(pairs(spm([], ['</s>'], { eos_token: '</s>' }), donor)).toEqual([['<|endoftext|>', 'role', '</s>']]);
    const both = spm([], ['</s>', '<s>'], { eos_token: '</s>', bos_token: '<s>' });
    expect(pairs(both, donor)).toEqual([['<|endoftext|>', 'role', '<s>']]);
  });

  it('reads roles of special_tokens_map.json before those of tokenizer_config.json', () => {
    const tokenizer = sentencePieceTokenizer(['<a>', '<b>']);
    const { roles } = parsed(tokenizer, { eos_token: '<a>' }, { eos_token: { content: '<b>' } });
    expect(roles).toEqual(new Map([['eos', 1]]));
  });

  it('takes added tokens that are not special as literal text', () => {
    const base = parsed(
      byteLevelTokenizer(
        ['x'],
        [
          { id: 1, content: '<tool>', special: false },
          { id: 2, content: 'a b', special: false },
        ],
      ),
    );
    const donor = parsed(
      sentencePieceTokenizer(
        ['▁'],
        [
          { id: 1, content: 'a b', special: false },
          { id: 2, content: '<tool>' },
        ],
      ),
    );
    expect(pairs(base, donor)).toEqual([
      ['▁', 'none', null],
      ['a b', 'content', 'a b'],
      ['<tool>', 'content', '<tool>'],
    ]);
  });

  it('keeps the inside of words apart, and knows what that means to vocabularies that do not', () => {
    const base = parsed(wordPieceTokenizer(['[UNK]', 'the', '##the', ',', '##s']));
    expect(pairs(base, parsed(wordPieceTokenizer(['##the', 'the', '##,'])))).toEqual([
      ['##the', 'exact', '##the'],
      ['the', 'exact', 'the'],
      ['##,', 'none', null],
    ]);
    expect(pairs(base, bpe([' the', 'the', 's', ',', ' ,']))).toEqual([
      [byteLevel(' the'), 'exact', 'the'],
      ['the', 'exact', '##the'],
      ['s', 'exact', '##s'],
      [',', 'exact', ','],
      [byteLevel(' ,'), 'none', null],
    ]);
    expect(pairs(bpe([' the', 's']), base).slice(1)).toEqual([
      ['the', 'exact', byteLevel(' the')],
      ['##the', 'none', null],
      [',', 'none', null],
      ['##s', 'exact', 's'],
    ]);
  });

  it('counts duplicates and holes', () => {
    const tokenizer = byteLevelTokenizer(['a'], [{ id: 3, content: 'a b' }]);
    const base = spm(['x▁y', 'x y', 'z']);
    const { baseIds, counts } = matchVocabularies(base, parsed(tokenizer));
    expect([...baseIds]).toEqual([-1, -1, -1, -1]);
    expect(counts).toMatchObject({ ids: 4, absent: 2, none: 2, duplicatesInBase: 1, duplicatesInDonor: 0 });
    expect(matchVocabularies(parsed(tokenizer), base).counts.duplicatesInDonor).toBe(1);
  });

  it('warns where numbers are grouped otherwise', () => {
    expect(matchVocabularies(bpe(['1', '2']), bpe(['1', ' 123', '12'])).warnings).toEqual([
      expect.stringContaining('1 digits in the base and 3 in the donor'),
    ]);
    expect(matchVocabularies(bpe(['1', '2']), bpe(['1', ' 7'])).warnings).toEqual([]);
  });
});

// Fixtures from the rules of mergekit/tokensurgeon at commit a6e4028.
describe('match: mergekit', () => {
  const match = 'mergekit' as const;
  const llama = { tokenizer_class: 'LlamaTokenizer' };
  const qwen = { tokenizer_class: 'Qwen2Tokenizer' };

  it('knows words by their mark and all else by its string', () => {
    const base = spm(['▁the', 'the', '\n', 'é', '▁'], [], llama);
    const donor = bpe([' the', 'the', '\n', 'é', ' '], [], qwen);
    expect(pairs(base, donor, { match })).toEqual([
      [byteLevel(' the'), 'exact', '▁the'],
      ['the', 'exact', 'the'],
      [byteLevel('\n'), 'none', null], // another string: Ċ
      [byteLevel('é'), 'none', null], // Ã©
      [byteLevel(' '), 'exact', '▁'],
    ]);
  });

  it('takes U+0120 as the mark where a vocabulary of the other kind has it', () => {
    const base = parsed(byteLevelTokenizer([' hello', ' x']), llama);
    expect(pairs(base, bpe([' x'], [], qwen), { match })).toEqual([[byteLevel(' x'), 'exact', byteLevel(' x')]]);
  });

  it('takes U+0120 for unknown classes, with a warning', () => {
    const one = bpe([' x']);
    expect(matchVocabularies(one, one, { match }).warnings.filter((text) => text.includes('class'))).toHaveLength(2);
  });

  it('matches special tokens by role alone', () => {
    const base = spm([], ['<s>', '<extra>'], { ...llama, bos_token: '<s>' });
    const donor = bpe([], ['<|begin|>', '<extra>'], { ...qwen, bos_token: '<|begin|>' });
    expect(pairs(base, donor, { match })).toEqual([
      ['<|begin|>', 'role', '<s>'],
      ['<extra>', 'exact', '<extra>'], // in no role: a string like others
    ]);
  });

  it('collapses additional special tokens, which bytes does not', () => {
    const additional_special_tokens = ['<a>', '<b>', '<c>'];
    const base = spm([], ['<a>', '<b>', '<c>'], { ...llama, additional_special_tokens });
    const donor = bpe([], ['<a>', '<b>', '<c>'], { ...qwen, additional_special_tokens });
    expect(pairs(base, donor, { match })).toEqual([
      ['<a>', 'collapsed', null],
      ['<b>', 'collapsed', null],
      ['<c>', 'role', '<c>'],
    ]);
    expect(matchVocabularies(base, donor, { match }).warnings.join()).toMatch(/2 tokens .* leaves their rows at zero/);
    expect(pairs(base, donor)).toEqual([
      ['<a>', 'content', '<a>'],
      ['<b>', 'content', '<b>'],
      ['<c>', 'content', '<c>'],
    ]);
  });

  it('matches bytes and prefixes only where asked', () => {
    const base = spm(['<0x41>', '▁tran', '▁'], [], llama);
    const donor = bpe(['A', ' transplant', ' q', 'tranq'], [], qwen);
    const kinds = (options: MatchOptions) => pairs(base, donor, { match, ...options }).map(([, kind]) => kind);
    expect(kinds({})).toEqual(['none', 'none', 'none', 'none']);
    expect(kinds({ byte: true })).toEqual(['byte', 'none', 'none', 'none']);
    expect(kinds({ prefix: true })).toEqual(['none', 'prefix', 'none', 'none']); // the same mark only
  });
});
