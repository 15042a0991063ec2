// Which tokens of one vocabulary another one lacks: what a transplantation would have to approximate.
// usage: node examples/tokenizers/compare.mjs <base folder> <donor folder>
import { matchKinds, matchVocabularies, readTokenizer } from 'orthokit';

const [baseFolder, donorFolder] = process.argv.slice(2);
if (!baseFolder || !donorFolder) {
  console.error('usage: node examples/tokenizers/compare.mjs <base folder> <donor folder>');
  process.exit(2);
}
const base = await readTokenizer(baseFolder);
const donor = await readTokenizer(donorFolder);
const { kinds, counts, warnings } = matchVocabularies(base, donor);

for (const [side, { model, spelling, tokens }] of Object.entries({ base, donor }))
  console.log(`${side}: ${model}, ${spelling}, ${tokens.length} ids`);
for (const kind of matchKinds) if (counts[kind] > 0) console.log(`${kind}: ${counts[kind]}`);

const none = matchKinds.indexOf('none');
const lacking = donor.tokens.filter((token, id) => token !== undefined && kinds[id] === none);
// An even sample: the first ids alone would be bytes and short pieces.
const sample = Array.from(
  { length: Math.min(20, lacking.length) },
  (_, i) => lacking[Math.floor((i * lacking.length) / 20)],
);
if (sample.length > 0)
  console.log(`without counterpart, for example: ${sample.map((token) => JSON.stringify(token)).join(' ')}`);
for (const warning of warnings) console.log(`warning: ${warning}`);
