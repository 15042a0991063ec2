// Spellings of one name, and places in files that list things.

/** row_scale and row-scale → RowScale. */
export const pascal = (name) => name.replace(/(^|[_-])(.)/g, (_, _start, letter) => letter.toUpperCase());
/** row_scale and row-scale → rowScale. */
export const camel = (name) => name.replace(/[_-](.)/g, (_, letter) => letter.toUpperCase());
/** row_scale → row-scale. */
export const kebab = (name) => name.replaceAll('_', '-');

/**
 * The text with a piece put in where a pattern ends, or before what it finds.
 *
 * @param {string} text
 * @param {RegExp} pattern
 * @param {string} piece
 * @param {'after' | 'before'} [side]
 */
export function inserted(text, pattern, piece, side = 'after') {
  const found = pattern.exec(text);
  if (!found) throw new Error(`there is no ${pattern}`);
  const at = found.index + (side === 'after' ? found[0].length : 0);
  return text.slice(0, at) + piece + text.slice(at);
}

/** A list of exports with one more, in the order of the files that they come from. */
export function withExport(text, line) {
  const fileOf = (statement) => /from '(.*)\.ts';/.exec(statement)[1];
  const statements = [...text.matchAll(/^export [^;]* from '.*';\n/gm)];
  const behind = statements.find(([statement]) => fileOf(statement) > fileOf(line));
  const at = behind ? behind.index : text.length;
  return `${text.slice(0, at)}${line}\n${text.slice(at)}`;
}
