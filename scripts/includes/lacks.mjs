// Names that a source file uses without a header that declares them, in itself or in what it includes.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { bare, declarationsOf, includesOf, standardNamesOf, usesOf } from './names.mjs';
import { headersOf } from './standard.mjs';

/** Folders whose files are compiled alone where nobody asks that they are joined, for users above all. */
const compiled = /^(addon|core|cpu|ops)\/.*\.cpp$/;
const searched = /^(addon|core|cpu|math|ops)\/.*\.(h|cpp)$/;

/**
 * @param {string} folder
 * @param {string[]} names of files below it
 * @returns {string[]} what is missing, a line each
 */
export function lacks(folder, names) {
  const files = new Map();
  const declaredBy = new Map();
  for (const name of names.filter((one) => searched.test(one))) {
    const whole = readFileSync(path.join(folder, name), 'utf8');
    const text = bare(whole);
    files.set(name, { text, ...includesOf(whole) });
    if (name.endsWith('.h'))
      for (const word of declarationsOf(text)) declaredBy.set(word, [...(declaredBy.get(word) ?? []), name]);
  }

  /** All that a file includes, itself among it. */
  const reached = (name, own = new Set(), standard = new Set()) => {
    const file = files.get(name);
    if (file && !own.has(name)) {
      own.add(name);
      for (const header of file.standard) standard.add(header);
      for (const header of file.own) reached(header, own, standard);
    }
    return { own, standard };
  };

  const problems = [];
  for (const name of [...files.keys()].filter((one) => compiled.test(one)).sort()) {
    const { text } = files.get(name);
    const { own, standard } = reached(name);
    for (const word of standardNamesOf(text)) {
      const headers = headersOf(word);
      if (!headers) problems.push(`native/${name}: std::${word} is not in scripts/includes/standard.mjs`);
      else if (!headers.some((header) => standard.has(header)))
        problems.push(`native/${name}: std::${word} needs <${headers[0]}>`);
    }
    const here = declarationsOf(text);
    for (const word of usesOf(text)) {
      const headers = declaredBy.get(word) ?? [];
      if (headers.length > 0 && !here.has(word) && !headers.some((header) => own.has(header)))
        problems.push(`native/${name}: ${word} needs "${headers[0]}"`);
    }
  }
  return problems;
}
