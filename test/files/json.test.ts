// Devices: cpu
// The reader of JSON against JSON.parse, and the reader of tokenizer.json against bytes of any kind.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { atOnce } from '../../lib/core/turns.ts';
import { editJson } from '../../lib/files/json/edit.ts';
import { type Json, type JsonObject, JsonReader } from '../../lib/files/json/reader.ts';
import { OrthokitError } from '../../lib/index.ts';
import { goal } from '../support/goal.ts';
import { parsed } from '../tokenizers/tokenizers.ts';
import {
  byteLevelTokenizer,
  sentencePieceTokenizer,
  unigramTokenizer,
  wordPieceTokenizer,
} from '../transplant/models.ts';

const fail = (problem: string): never => {
  throw new OrthokitError('ERR_FORMAT', problem);
};

function read(text: string): Json {
  const json = new JsonReader(new Uint8Array(Buffer.from(text)), fail, 'text');
  const value = atOnce(json.value(1000));
  json.end();
  return value;
}

function skipped(text: string): number {
  const json = new JsonReader(new Uint8Array(Buffer.from(text)), fail, 'text');
  atOnce(json.skip());
  json.end();
  return json.at;
}

/** With objects as they come out of JSON.parse. */
const plain = (value: Json): unknown => JSON.parse(JSON.stringify(value));

it('reads what JSON.stringify writes', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 5, stringUnit: 'binary' }), fc.nat(4), (value, space) => {
      const text = JSON.stringify(value, null, space);
      // Lone surrogates have no UTF-8.
      fc.pre(!/\\ud[89a-f]/i.test(text));
      expect(plain(read(text))).toEqual(JSON.parse(text));
      expect(skipped(text)).toBe(Buffer.byteLength(text));
    }),
    { numRuns: 300, seed: 1 },
  );
});

it.each([
  ['', /a value/],
  ['{', /must have/],
  ['[1,]', /a value/],
  ['[1 2]', /',' or ']'/],
  ['{"a":1,}', /'"'/],
  ['{"a" 1}', /':'/],
  ['nul', /null/],
  ['nulll', /only white space/],
  ['01', /numbers of JSON/],
  ['-', /numbers of JSON/],
  ['1.', /numbers of JSON/],
  ['.5', /a value/],
  ['1e', /numbers of JSON/],
  ['NaN', /a value/],
  ['"a', /character of a string/],
  ['"\n"', /character of a string/],
  ['"\\x"', /escape of JSON/],
  ['{"a":1,"a":2}', /each key once/],
  [`"${'x'.repeat(1001)}"`, /at most 1000 bytes/],
  [`${'['.repeat(70)}${']'.repeat(70)}`, /at most 64 deep/],
])('refuses %j', (text, message) => {
  expect(() => read(text)).toThrow(message);
});

describe('editJson', () => {
  const edit = (text: string, patch: JsonObject): string =>
    Buffer.from(atOnce(editJson(Buffer.from(text), patch, fail, 'text'))).toString();

  it('changes and adds members and keeps every other byte', () => {
    expect(edit('{ "a": 1.0, "b" : [1,\n2], "c": 5e-06 }', { b: 3 })).toBe('{ "a": 1.0, "b" : 3, "c": 5e-06 }');
    expect(edit('{\n  "a": 1\n}\n', { z: [1, 2], y: null })).toBe(
      '{\n  "a": 1,\n  "z": [1,2],\n  "y": null\n}\n'.replace('": [', '": ['),
    );
    expect(edit('{}', { a: 1, b: 'é' })).toBe('{"a": 1,"b": "é"}');
    expect(edit('{"t":{"v":1,"w":2},"v":1}', { t: { v: 7 }, v: 8 })).toBe('{"t":{"v":7,"w":2},"v":8}');
    expect(edit('{"t":3}', { t: { v: 7 } })).toBe('{"t":{"v":7}}');
    expect(edit('{"\\u0061":1}', { a: 2 })).toBe('{"\\u0061":2}');
  });

  it('gives what a merge of the values gives', () => {
    const members = fc.dictionary(fc.constantFrom('a', 'b', 'c', 'd'), fc.jsonValue({ maxDepth: 2 }));
    fc.assert(
      fc.property(members, members, (before, patch) => {
        const after = JSON.parse(edit(JSON.stringify(before), patch as JsonObject));
        for (const [key, value] of Object.entries(before))
          if (!Object.hasOwn(patch, key)) expect(after[key]).toEqual(JSON.parse(JSON.stringify(value)));
        const isObject = (value: unknown): boolean =>
          typeof value === 'object' && value !== null && !Array.isArray(value);
        const same = (value: unknown): unknown => JSON.parse(JSON.stringify(value));
        for (const [key, value] of Object.entries(patch)) {
          const merges = isObject(value) && isObject(before[key]);
          if (!merges) expect(after[key]).toEqual(same(value));
          else expect(Object.keys(after[key])).toEqual(expect.arrayContaining(Object.keys(value as object)));
        }
      }),
      { numRuns: 100, seed: 1 },
    );
  });
});

const mutants = goal('R13', { ci: 2000, deep: 1_000_000 });

it('R13: a tokenizer.json of any bytes is read or refused, and nothing else happens', mutants.tagged, async () => {
  const files = [
    byteLevelTokenizer(['a', ' b', 'é'], [{ id: 3, content: '<s>' }], ['a é']),
    sentencePieceTokenizer(['<unk>', '▁a', '<0x0A>'], [{ id: 0, content: '<unk>' }]),
    unigramTokenizer([
      ['<unk>', 0],
      ['▁a', -1.5],
    ]),
    wordPieceTokenizer(['[UNK]', '##a']),
  ].map((tokenizer) => Buffer.from(JSON.stringify(tokenizer)));
  const marks = [...'{}[]",:\\0123456789-+.eE\n tfn\u0000', '\\u0000', '\\ud800', '1e999', '9'.repeat(30), '"vocab"'];
  let accepted = 0;
  await mutants.assert(
    fc.property(
      fc.nat(files.length - 1),
      fc.array(fc.tuple(fc.nat(10_000), fc.nat(3), fc.nat(marks.length - 1)), { minLength: 1, maxLength: 4 }),
      (which, edits) => {
        let bytes = files[which]!;
        for (const [place, length, mark] of edits) {
          const at = place % bytes.length;
          bytes = Buffer.concat([bytes.subarray(0, at), Buffer.from(marks[mark]!), bytes.subarray(at + length)]);
        }
        try {
          const { tokens, special, literal } = parsed(bytes);
          accepted += 1;
          for (const id of [...special, ...literal]) expect(tokens[id]).toBeTypeOf('string');
        } catch (error) {
          expect(error).toMatchObject({ code: 'ERR_FORMAT' });
        }
      },
    ),
  );
  expect(accepted).toBeGreaterThan(0);
});
