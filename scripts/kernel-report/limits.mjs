// Figures against scripts/kernel-limits.json: largest values, except of `sectors` and `occupancy`, which are least ones.
import { readFileSync } from 'node:fs';
import path from 'node:path';

const limits = JSON.parse(readFileSync(path.join(import.meta.dirname, '..', 'kernel-limits.json'), 'utf8'));
const least = new Set(['sectors', 'occupancy']);

/** `row_kernel<256, SemidualRow<double>>` has the words row_kernel, 256, SemidualRow and double. */
const wordsOf = (name) => name.split(/\W+/).filter((word) => word !== '');

/** All words of a key are words of the name. */
const applies = (key, name) => {
  const words = wordsOf(name);
  return key.split(' ').every((word) => words.includes(word));
};

/** Limits of a kernel: those of all (`*`), then those of the keys that apply to its name, the ones with more words last. */
function limitsOf(name) {
  const keys = Object.keys(limits).filter((key) => key !== '*' && applies(key, name));
  const order = (key) => 1e3 * key.split(' ').length + key.length;
  return Object.assign({}, limits['*'], ...keys.sort((a, b) => order(a) - order(b)).map((key) => limits[key]));
}

const text = (value) => (Number.isInteger(value) ? String(value) : value.toFixed(3));

/** Sentences on the figures that pass their limit. */
export function passed(name, architecture, figures) {
  return Object.entries(limitsOf(name))
    .filter(([field, limit]) => (least.has(field) ? figures[field] < limit : figures[field] > limit))
    .map(([field, limit]) => `${name}, sm_${architecture}: ${field} ${text(figures[field])}, the limit is ${limit}`);
}

/** A kernel's function or what it is made of, not an element type: that would be an exception of every form in it. */
const isName = (word) => /(_kernel|^[A-Z]\w*)$/.test(word);

/** Sentences on the file itself: keys that no kernel has, exceptions without a figure or that nobody explains. */
export function mistakes(names, all = limits) {
  const keys = Object.keys(all).filter((key) => key !== '*');
  const wrong = {
    'is in the name of no kernel': (key) => !names.some((name) => applies(key, name)),
    'names no kernel': (key) => !isName(key.split(' ')[0]),
    'has no why': (key) => !all[key].why,
    'has a limit that is no figure': (key) =>
      Object.entries(all[key]).some(([field, limit]) => field !== 'why' && !Number.isFinite(limit)),
  };
  return Object.entries(wrong).flatMap(([what, is]) =>
    keys.filter(is).map((key) => `kernel-limits.json: the exception of ${key} ${what}`),
  );
}

/** The exceptions and their reasons, for the page. */
export const exceptions = Object.entries(limits)
  .filter(([key]) => key !== '*')
  .map(([key, { why, ...changed }]) => ({ key, why, changed }));
export const common = limits['*'];
