// The test files that speak of a mutant's lines: by the words that they share, of which rare ones count most.
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { root } from './candidates.mjs';

/** Folders whose tests take minutes, or read no source of a mutant. */
const apart = /^(soak|fuzz|package|scripts)\//;

const wordsOf = (text) => new Set(text.match(/[A-Za-z][A-Za-z0-9]{2,}/g));
const camel = (name) => name.replaceAll(/[-_](\w)/g, (_, letter) => letter.toUpperCase());

/** @param {'cpu' | 'cuda'} device @returns {string[]} at most so many, the nearest first */
export function testsNear({ file, before, line, after }, device, most) {
  const tests = path.join(root, 'test');
  const texts = readdirSync(tests, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.test.ts') && !apart.test(name))
    .map((name) => ({ name, text: readFileSync(path.join(tests, name), 'utf8') }))
    .filter(({ text }) => new RegExp(`^// Devices: .*\\b${device}\\b`, 'm').test(text))
    .map(({ name, text }) => ({ name, words: wordsOf(text) }));
  const own = wordsOf([camel(path.parse(file).name), ...before, line, ...after].join('\n'));
  const scores = new Map(texts.map(({ name }) => [name, 0]));
  for (const word of own) {
    const having = texts.filter(({ words }) => words.has(word));
    for (const { name } of having) scores.set(name, scores.get(name) + Math.log(texts.length / having.length));
  }
  const ranked = [...scores].filter(([, score]) => score > 0).sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1));
  return ranked.slice(0, most).map(([name]) => `test/${name}`);
}
