// Lines with arithmetic or checks, and what a mutant makes of them.
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

export const root = path.join(import.meta.dirname, '..', '..');

/** Mutants taken of each part of the tree, and where its files lie. */
export const areas = {
  cpu: { count: 20, folders: ['native/cpu/kernels'] },
  cuda: { count: 10, folders: ['native/cuda/kernels'] },
  core: { count: 10, folders: ['native/core', 'native/addon'] },
  lib: { count: 10, folders: ['lib'] },
};

/** `[kind, pattern, replacement]`: each match of a pattern is a candidate. Operators stand between spaces, types do not. */
const changes = [
  ['sign', /(?<=[\w)\]]) \+ (?=[\w(])/g, () => ' - '], // of numbers, not of words
  ['sign', /(?<=[\w)\]]) - /g, () => ' + '],
  ['comparison', / < /g, () => ' <= '],
  ['comparison', / <= /g, () => ' < '],
  ['comparison', / > /g, () => ' >= '],
  ['comparison', / >= /g, () => ' > '],
  ['comparison', / ={2,3} /g, (found) => found.replace('=', '!')],
  ['comparison', / !={1,2} /g, (found) => found.replace('!', '=')],
  ['constant', /(?<![\w.])\d+(?![\w.])/g, (found) => String(Number(found) + 1)],
  [
    'check',
    /^(\s*)(?:require\(.*\);|check\(.*\);|if \(.*\) throw .*;|check\w*\(.*\);)\s*$/g,
    (_, indent) => `${indent}{}`,
  ],
];

const isCode = (line) => !/^\s*(\/\/|\*|\/\*|#|import |export \{|\} from)/.test(line);
/** True for a place that lies in a string, a comment or a template's arguments. */
const isQuoted = (line, at) =>
  /\/\//.test(line.slice(0, at)) || (line.slice(0, at).match(/['"`]/g) ?? []).length % 2 === 1;

export function filesOf(area) {
  return areas[area].folders
    .flatMap((folder) =>
      readdirSync(path.join(root, folder), { recursive: true, encoding: 'utf8' }).map((name) => `${folder}/${name}`),
    )
    .filter((file) => /\.(cpp|cu|cuh|h|ts)$/.test(file) && !/\/native-ops(\.ts$|\/)/.test(file))
    .sort();
}

/** All mutants of an area: a line with the lines around it, and what stands in its place. */
export function candidatesOf(area) {
  const all = [];
  for (const file of filesOf(area)) {
    const lines = readFileSync(path.join(root, file), 'utf8').split('\n');
    for (const [i, line] of lines.entries()) {
      if (!isCode(line)) continue;
      for (const [kind, pattern, replace] of changes)
        for (const match of line.matchAll(pattern)) {
          if (kind !== 'check' && isQuoted(line, match.index)) continue;
          const by = replace(...match);
          const changed = line.slice(0, match.index) + by + line.slice(match.index + match[0].length);
          all.push({
            area,
            kind,
            file,
            before: lines.slice(Math.max(0, i - 2), i),
            line,
            after: lines.slice(i + 1, i + 3),
            replacement: changed,
          });
        }
    }
  }
  return all;
}

/** The text with the mutant in it. @throws unless the line and those around it stand there exactly once */
export function applied(text, { file, before, line, after, replacement }) {
  const whole = [...before, line, ...after].join('\n');
  const places = text.split(whole).length - 1;
  if (places !== 1) throw new Error(`the mutant of ${file} applies to ${places} places, not to one: ${line.trim()}`);
  return text.replace(whole, () => [...before, replacement, ...after].join('\n'));
}
