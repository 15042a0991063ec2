// Fuzzes the reader of tokenizers.  tokenizer.mjs <folder of the instrumented library> <options as JSON>
import assert from 'node:assert/strict';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { explore } from './explore.mjs';
import { changed } from './json.mjs';
import { refusal, TextFolder } from './texts.mjs';

const [library, options] = process.argv.slice(2);
const load = (name) => import(pathToFileURL(path.join(library, 'lib', name)));
const { calls } = await load('files/calls.js');
const { Folder } = await load('files/model-folder/folder.js');
const { readTokenizerOf } = await load('tokenizers/read.js');
const { OrthokitError } = await load('core/errors.js');

const folder = new TextFolder(['tokenizer.json', 'tokenizer_config.json', 'special_tokens_map.json']);
folder.install(calls);

async function run(input) {
  folder.open(input);
  try {
    const model = await Folder.open('read', 'path', 'folder', { followLinks: false });
    const tokenizer = await readTokenizerOf(model, { wantMerges: true });
    agree(tokenizer, JSON.parse(folder.files.get('tokenizer.json').toString()));
  } catch (error) {
    return refusal(error, OrthokitError, ['ERR_FORMAT']);
  }
  return 'accepted';
}

/** The tokens are those that JSON.parse sees, and ids of tokens are all that the reader tells. */
function agree({ tokens, special, literal, roles, additional, scores, merges }, { model, added_tokens: added }) {
  const expected = new Map();
  if (Array.isArray(model.vocab)) for (const [id, [token]] of model.vocab.entries()) expected.set(id, token);
  else for (const [token, id] of Object.entries(model.vocab)) expected.set(id, token);
  for (const { id, content } of added ?? []) expected.set(id, content);
  const ids = [...tokens.keys()].filter((id) => tokens[id] !== undefined);
  assert.deepEqual(
    ids.map((id) => tokens[id]),
    [...expected].sort(([a], [b]) => a - b).map(([, token]) => token),
  );
  assert.equal(ids.length, expected.size);
  for (const id of [...special, ...literal, ...roles.values(), ...additional, ...(merges ?? [])])
    assert.equal(typeof tokens[id], 'string');
  if (scores) assert.ok(scores.length <= tokens.length);
}

const values = [null, true, false, 0, 1, 2, 3, -1, 0.5, 7, 5000, 1048575, 1048576, 2 ** 53, '', 'a', '<s>', '##', 'BPE', 'Unigram', 'WordPiece', 'WordLevel', 'ByteLevel', 'Metaspace', 'ByteFallback', 'Replace', 'Sequence', '\u2581', ' ', [], {}, [[]], ['a', 'b'], ['a', -1], 'a b', { type: 'ByteLevel' }, { type: 'Metaspace' }, { type: 'Replace', pattern: ' ', content: '\u2581' }, { type: 'Replace', pattern: { String: '\u2581' }, content: ' ' }, { content: '<s>' }, { content: 3 }, { id: 1, content: '<s>', special: true }]; // biome-ignore format: one line
const keys = ['__proto__', 'vocab', 'merges', 'model', 'type', 'added_tokens', 'id', 'content', 'special', 'unk_token', 'unk_id', 'decoder', 'normalizer', 'pre_tokenizer', 'byte_fallback', 'end_of_word_suffix', 'continuing_subword_prefix', 'bos_token', 'eos_token', 'additional_special_tokens', 'tokenizer_class', 'x']; // biome-ignore format: one line

const latin1 = (value) => Buffer.from(JSON.stringify(value)).toString('latin1');

/** The three files of a right tokenizer, of which the last two may be missing. */
function fresh(random) {
  const names = ['a', 'b', 'ab', ' ', '\u0120a', '\u2581b', '<0x0A>', '##c', 'd</w>', '<unk>', 'é', '\ud83d\ude00'];
  const tokens = names.filter(() => random.chance(0.6));
  if (tokens.length === 0) tokens.push('a');
  const kind = random.of(['BPE', 'Unigram', 'WordPiece', 'WordLevel', undefined]);
  const vocab = kind === 'Unigram' ? tokens.map((token, i) => [token, -i]) : Object.fromEntries(tokens.map((token, i) => [token, i])); // biome-ignore format: one line
  const merge = () => [random.of(tokens), random.of(tokens)];
  const model = {
    ...(kind && { type: kind }),
    vocab,
    ...(kind === 'BPE' && { merges: [merge(), merge().join(' ')].slice(random.below(3)) }),
    ...(random.chance(0.3) && { unk_token: random.of([null, ...tokens]) }),
    ...(random.chance(0.2) && { unk_id: random.below(tokens.length) }),
    ...(random.chance(0.2) && { byte_fallback: random.chance(0.5) }),
    ...(random.chance(0.2) && { continuing_subword_prefix: random.of([null, '', '##']) }),
    ...(random.chance(0.2) && { end_of_word_suffix: random.of([null, '', '</w>']) }),
  };
  const part = () => random.of([null, ...values.filter((value) => value?.type), { type: 'Sequence', parts: [{ type: 'ByteFallback' }] }]); // biome-ignore format: one line
  const added = ['<s>', '</s>', tokens[0]].slice(0, random.below(4));
  const tokenizer = {
    version: '1.0',
    ...(random.chance(0.6) && {
      added_tokens: random.chance(0.1) ? null : added.map((content, i) => ({ id: content === tokens[0] ? 0 : tokens.length + i, content, special: i === 0, lstrip: false })), // biome-ignore format: one line
    }),
    ...{ normalizer: part(), pre_tokenizer: part(), decoder: part() },
    model,
  };
  const beside = () => ({
    bos_token: random.of(['<s>', { content: '<s>' }, null, tokens[0]]),
    ...(random.chance(0.5) && { additional_special_tokens: ['<s>', { content: '</s>' }, 3] }),
    ...(random.chance(0.5) && { tokenizer_class: 'LlamaTokenizer', added_tokens_decoder: { 0: {} } }),
  });
  return [latin1(tokenizer), random.chance(0.5) ? latin1(beside()) : undefined, random.chance(0.3) ? latin1(beside()) : undefined]; // biome-ignore format: one line
}

const many = (count, one) => Array.from({ length: count }, (_, i) => one(i)).join();
const small = '"model":{"vocab":{"a":0}}';
// Whatever needs length: turns of the event loop, limits of numbers.
const large = [
  () => folder.join([`{"x":"${'y'.repeat(100_000)}",${small}}`]),
  () => folder.join([`{"decoder":[${many(524_288, () => '0')}],${small}}`]),
  () => folder.join([`{"decoder":[${many(3000, () => '{}')}],${small}}`]),
  () => folder.join([`{"decoder":"${'\\u0041'.repeat(100_000)}",${small}}`]),
  () => folder.join([`{"decoder":"${'a'.repeat(4_194_305)}",${small}}`]),
  () => folder.join([`{"model":{"vocab":{"a":0},"merges":[${many(4_194_305, () => '0')}]}}`]),
  () => folder.join([`{"added_tokens":[${many(1_048_577, () => '{"id":0,"content":"a"}')}],${small}}`]),
  () => folder.join([`{${small}}`, `{"additional_special_tokens":[${many(5000, () => '"a"')}]}`]),
];

const mutate = (random, pool) => folder.mutate(random, pool, fresh, values, keys, changed);
console.log(JSON.stringify(await explore({ ...JSON.parse(options), large, mutate, run })));
