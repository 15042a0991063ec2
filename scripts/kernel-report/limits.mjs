// Figures against scripts/kernel-limits.json: largest values, except of `sectors` and `occupancy`, which are least ones.
import { readFileSync } from 'node:fs';
import path from 'node:path';

const limits = JSON.parse(readFileSync(path.join(import.meta.dirname, '..', 'kernel-limits.json'), 'utf8'));
const least = new Set(['sectors', 'occupancy']);

/** Limits of a kernel: those of all (`*`), then those of the keys that its name contains, the longest last. */
function limitsOf(name) {
  const keys = Object.keys(limits).filter((key) => key === '*' || name.includes(key));
  return Object.assign({}, ...keys.sort((a, b) => a.length - b.length).map((key) => limits[key]));
}

const text = (value) => (Number.isInteger(value) ? String(value) : value.toFixed(3));

/** Sentences on the figures that pass their limit. */
export function passed(name, architecture, figures) {
  return Object.entries(limitsOf(name))
    .filter(([field, limit]) => (least.has(field) ? figures[field] < limit : figures[field] > limit))
    .map(([field, limit]) => `${name}, sm_${architecture}: ${field} ${text(figures[field])}, the limit is ${limit}`);
}

/** Sentences on the file itself: keys that no kernel has, exceptions that nobody explains. */
export function mistakes(names) {
  const exceptions = Object.keys(limits).filter((key) => key !== '*');
  return [
    ...exceptions
      .filter((key) => !names.some((name) => name.includes(key)))
      .map((key) => `no kernel's name contains ${key}`),
    ...exceptions.filter((key) => !limits[key].why).map((key) => `the exception of ${key} has no why`),
  ].map((what) => `kernel-limits.json: ${what}`);
}

/** The exceptions and their reasons, for the page. */
export const exceptions = Object.entries(limits)
  .filter(([key]) => key !== '*')
  .map(([key, { why, ...changed }]) => ({ key, why, changed }));
export const common = limits['*'];
