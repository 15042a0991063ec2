// Parts of a page that a program writes, between <!-- name --> and <!-- end of name -->.
import { readFileSync, writeFileSync } from 'node:fs';

const marks = (name) => [`<!-- ${name} -->\n`, `<!-- end of ${name} -->`];

/** The text with what is between the marks of `name` replaced. */
export function replaceMarked(text, name, content) {
  const [begin, end] = marks(name);
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`there is no part <!-- ${name} --> … <!-- end of ${name} -->`);
  return `${text.slice(0, from + begin.length)}\n${content.trim()}\n\n${text.slice(to)}`;
}

/** The text between the marks of `name`. */
export function readMarked(text, name) {
  const [begin, end] = marks(name);
  return text.slice(text.indexOf(begin) + begin.length, text.indexOf(end)).trim();
}

export function writeMarked(file, name, content) {
  writeFileSync(file, replaceMarked(readFileSync(file, 'utf8'), name, content));
}
