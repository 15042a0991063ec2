// Devices: cpu
// A message that says what a value must be says what it was: `<op>: <field> <what is wrong>, got <value>`.
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';

const root = path.join(import.meta.dirname, '..');
const filesOf = (folder: string, ending: RegExp): string[] =>
  readdirSync(path.join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => ending.test(file))
    .map((file) => path.join(folder, file));

/** The arguments of every call that begins like this, as text. */
function callsOf(text: string, begin: RegExp): string[] {
  return [...text.matchAll(begin)].map(({ index, 0: start }) => {
    let depth = 1;
    let inText = '';
    let at = index + start.length;
    for (; at < text.length && depth > 0; ++at) {
      const c = text[at]!;
      if (inText) {
        if (c === '\\') ++at;
        else if (c === inText) inText = '';
      } else if (c === '"' || c === "'" || c === '`') inText = c;
      else if (c === '(') ++depth;
      else if (c === ')') --depth;
    }
    return text.slice(index + start.length, at - 1);
  });
}

const wrong = (calls: readonly string[]): string[] =>
  // Two operands that share a tensor: the names are all there is to say.
  calls.filter((call) => / must /.test(call) && !/ must not share /.test(call) && !/\bgot\b/.test(call));

it.each(filesOf('lib', /\.ts$/))('%s', (file) => {
  expect(wrong(callsOf(readFileSync(path.join(root, file), 'utf8'), /new OrthokitError\(/g))).toEqual([]);
});

it.each(filesOf('native', /\.(h|cpp)$/))('%s', (file) => {
  const text = readFileSync(path.join(root, file), 'utf8');
  expect(wrong(callsOf(text, /\bError\((?=ErrorCode::)/g))).toEqual([]);
  // The fourth argument of require is the value; without one the message has to hold it.
  const unshown = callsOf(text, /\brequire\(/g).filter((call) => /ErrorCode::\w+,\s*("[^"]*"\s*)+$/.test(call));
  expect(wrong(unshown)).toEqual([]);
});
