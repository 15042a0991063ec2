// Fuzzes what transplant reads and writes beside tables: config.json, generation_config.json and the index of shards.
// configuration.mjs <folder of the instrumented library> <options as JSON>
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
const { isConfigKey, patchConfigs, textConfig } = await load('transplant/output/config.js');
const { editJson } = await load('files/json/edit.js');
const { readIndex } = await load('files/model-folder/shard-index.js');
const { inTurns } = await load('core/turns.js');
const { OrthokitError } = await load('core/errors.js');

const indexName = 'model.safetensors.index.json';
const folder = new TextFolder(['config.json', 'generation_config.json', indexName]);
folder.install(calls);

async function run(input) {
  folder.open(input);
  const outcomes = [];
  for (const part of [configs, index]) {
    try {
      outcomes.push(await part(await Folder.open('read', 'path', 'folder', { followLinks: false })));
    } catch (error) {
      outcomes.push(refusal(error, OrthokitError, ['ERR_FORMAT']));
    }
  }
  return outcomes.join(' ');
}

/** The written text is JSON that says what was read, but for what was to change. */
async function configs(model) {
  const base = await model.readJson('config.json', isConfigKey, [textConfig]);
  const baseGeneration = await model.readJson('generation_config.json', isConfigKey, [textConfig]);
  if (!base) return 'accepted';
  const roles = new Map([['eos', 5]]);
  const newIdOf = (id) => (id % 2 === 0 ? id + 100 : undefined);
  const patches = patchConfigs({ base, baseGeneration, donor: base, donorGeneration: undefined, donorTokenizer: { roles }, rows: 321, newIdOf }); // biome-ignore format: one line
  for (const warning of patches.warnings) assert.ok(warning.length < 70_000);
  for (const [name, patch] of [
    ['config.json', patches.config],
    ['generation_config.json', patches.generation],
  ]) {
    const bytes = folder.files.get(name);
    if (!bytes) continue;
    const edited = await inTurns(editJson(bytes, patch, model.fail, name));
    const [before, after] = [JSON.parse(bytes.toString()), JSON.parse(Buffer.from(edited).toString())];
    merged(before, patch);
    assert.deepEqual(after, before);
  }
  return 'accepted';
}

function merged(into, patch) {
  for (const [key, value] of Object.entries(patch)) {
    const both = [into[key], value].every((part) => typeof part === 'object' && part !== null && !Array.isArray(part));
    if (both && Object.hasOwn(into, key)) merged(into[key], value);
    else Object.defineProperty(into, key, { value: JSON.parse(JSON.stringify(value)), enumerable: true, configurable: true, writable: true }); // biome-ignore format: one line
  }
}

/** The shards are those that JSON.parse sees, and lie in the folder. */
async function index(model) {
  const bytes = await model.read(indexName, 1 << 24);
  if (!bytes) return 'accepted';
  const { shardOf, metadata } = await inTurns(readIndex(new Uint8Array(bytes), model.fail));
  const { weight_map: map, metadata: given = null } = JSON.parse(Buffer.from(bytes).toString());
  assert.equal(JSON.stringify(metadata), JSON.stringify(given));
  assert.deepEqual([...shardOf].sort(), Object.entries(map).sort());
  for (const shard of shardOf.values()) assert.match(shard, /^[\w-][\w.-]*\.safetensors$/);
  return 'accepted';
}

const values = [null, true, 0, 1, 2, -1, 0.5, 1e300, '', 'a', 'x.safetensors', '../x.safetensors', '.x.safetensors', 'a/b.safetensors', 'x.bin', [], {}, [1, 2], [3], ['a'], { eos_token_id: 4 }, { vocab_size: 9 }]; // biome-ignore format: one line
const keys = ['__proto__', 'vocab_size', 'eos_token_id', 'bos_token_id', 'image_token_index', 'text_config', 'weight_map', 'metadata', 'total_size', 'w', 'x']; // biome-ignore format: one line

const latin1 = (value, indent) => Buffer.from(JSON.stringify(value, null, indent)).toString('latin1');

function fresh(random) {
  const ids = () => ({
    ...(random.chance(0.6) && { vocab_size: 3 }),
    ...(random.chance(0.5) && { eos_token_id: random.of([1, 2, null, [2, 3, 'a'], []]) }),
    ...(random.chance(0.5) && { bos_token_id: random.of([1, 2, 'a']) }),
    ...(random.chance(0.3) && { image_token_index: random.of([1, 2, 4]) }),
  });
  const config = { architectures: ['é'], rope: 5e-6, ...ids(), ...(random.chance(0.4) && { text_config: random.of([ids(), null, 3]) }) }; // biome-ignore format: one line
  const map = Object.fromEntries(['w', 'model.x', '__proto__', 'é'].map((name) => [name, random.of(['a.safetensors', 'b-1.safetensors'])])); // biome-ignore format: one line
  const shards = { ...(random.chance(0.7) && { metadata: { total_size: 8 } }), weight_map: map, x: [1] };
  return [
    latin1(config, random.of([0, 2])),
    random.chance(0.5) ? latin1(ids(), 2) : undefined,
    random.chance(0.7) ? latin1(shards, random.of([0, 2])) : undefined,
  ];
}

const many = (count, one) => Array.from({ length: count }, (_, i) => one(i)).join();
const large = [
  () => folder.join([`{${many(4097, (i) => `"${i}_token_id":0`)}}`]),
  () => folder.join([`{"eos_token_id":[${many(2000, (i) => i)}]}`]),
  () => folder.join(['{}', undefined, `{"weight_map":{${many(524_289, (i) => `"${i}":"x.safetensors"`)}}}`]),
];

const mutate = (random, pool) => folder.mutate(random, pool, fresh, values, keys, changed);
console.log(JSON.stringify(await explore({ ...JSON.parse(options), large, mutate, run })));
