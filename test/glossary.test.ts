// Devices: cpu
// The glossary's last table, "Names", holds in the code: fields of operations, fields of what calls take and give, and
// what folders call their things.
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { native } from '../lib/core/native.ts';

const root = path.join(import.meta.dirname, '..');
const glossary = readFileSync(path.join(root, 'docs', 'design', 'glossary.md'), 'utf8');

/** Words that are not said, and where. */
const rules = glossary
  .slice(glossary.indexOf('## Names'))
  .split('\n')
  .map((line) => /^\| (`.+`) \| .+ \| (.+) \|$/.exec(line))
  .filter((row) => row !== null)
  .map(([, words, places]) => ({
    words: [...words!.matchAll(/`(\w+)`/g)].map(([, word]) => word!),
    places: places!.split(', '),
  }));
const unsaid = (place: string): string[] =>
  rules.filter(({ places }) => places.includes(place)).flatMap(({ words }) => words);
/** Words that a folder of lib does not say: those of "`lib`", and of "`lib` but" another folder. */
const unsaidIn = (folder: string): string[] =>
  rules
    .filter(({ places }) => places.some((place) => place.startsWith('`lib`') && !place.includes(`\`${folder}\``)))
    .flatMap(({ words }) => words);

const filesIn = (folder: string): string[] =>
  readdirSync(path.join(root, folder), { recursive: true, encoding: 'utf8' })
    .map((file) => path.join(folder, file))
    .filter((file) => file.endsWith('.ts') && !file.startsWith('lib/core/native-ops'))
    .sort();
const read = (file: string): string => readFileSync(path.join(root, file), 'utf8');

/** Fields of the interfaces of a text whose names tell that users see them, as "Interface.field". */
const fieldsIn = (text: string): string[] =>
  [...text.matchAll(/^export interface (\w+(?:Options|Progress|Result|Report|End))\b[^\n]*\{\n(.*?)^\}/gms)].flatMap(
    ([, name, body]) => [...body!.matchAll(/^ {2}(?:readonly )?(\w+)\??:/gm)].map(([, field]) => `${name}.${field}`),
  );

/** The words of a text as the glossary counts them: parts of camelCase names, without an s at the end. */
const wordsIn = (text: string): string[] =>
  [...text.matchAll(/[A-Z]?[a-z]+/g)].map(([word]) => word.toLowerCase().replace(/s$/, ''));

const field = (name: string): string => name.slice(name.indexOf('.') + 1);

describe('names of the glossary', () => {
  it('are found', () => {
    expect(unsaid('operations')).toContain('most');
    expect(unsaid('results')).toContain('residual');
    expect(fieldsIn('export interface AResult<T> extends B {\n  readonly x: T;\n  y?: number;\n}\n')).toEqual([
      'AResult.x',
      'AResult.y',
    ]);
    expect(wordsIn('planRows(pieces) of transplantPlan')).toEqual(['plan', 'row', 'piece', 'of', 'transplant', 'plan']);
  });

  it('are those of fields of operations', () => {
    const operations: { name: string; fields: { name: string }[] }[] = JSON.parse(native.describe());
    const names = operations.flatMap(({ name, fields }) => fields.map((one) => `${name}.${one.name}`));
    expect(names.length).toBeGreaterThan(200);
    expect(names.filter((name) => unsaid('operations').includes(field(name)))).toEqual([]);
  });

  /** A share of |y|, which has no name of its own in the field. */
  const named = ['SensingResult.residual'];

  it('are those of what calls take and give', () => {
    const names = filesIn('lib').flatMap((file) => fieldsIn(read(file)));
    expect(names.length).toBeGreaterThan(200);
    const others = names.filter((name) => !named.includes(name));
    expect(others.filter((name) => unsaid('results').includes(field(name)))).toEqual([]);
  });

  const folders = readdirSync(path.join(root, 'lib'), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => `lib/${name}`);
  it.each(folders)('are those in %s', (folder) => {
    expect(unsaidIn(folder).length).toBeGreaterThan(0);
    const faults = filesIn(folder).flatMap((file) => {
      const said = new Set(wordsIn(read(file)));
      return unsaidIn(folder)
        .filter((word) => said.has(word))
        .map((word) => `${file}: ${word}`);
    });
    expect(faults).toEqual([]);
  });
});
