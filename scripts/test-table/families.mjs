// The time that the tests of a family take, and that they may take: test/families.json.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { groups } from '../operations.mjs';
import { costOf } from './reports.mjs';

const kebab = (name) => name.replaceAll('_', '-');

/** @returns the table of budgets, in seconds of processor time */
export function readBudgets(file = path.join(import.meta.dirname, '..', '..', 'test', 'families.json')) {
  return JSON.parse(readFileSync(file, 'utf8'));
}

/**
 * The family of a test file: the one that lists it, else that of its operation or optimizer, else its folder.
 *
 * @param {string} file below test
 */
export function familyOf(file, { families }) {
  const listed = Object.entries(families).find(([, { files }]) => files.some((begin) => file.startsWith(begin)));
  if (listed) return listed[0];
  const [folder, ...rest] = file.split('/');
  if (rest.length === 0 || folder === 'ops' || folder === 'optimizers')
    return path.basename(file).replace('.test.ts', '');
  return folder;
}

/** The family of an operation: that of its test. */
export const familyOfOp = (op, budgets) => familyOf(`ops/${groups.get(op)}/${kebab(op)}.test.ts`, budgets);

/**
 * Seconds of each family on each device, and of its operations in --verify. Of several runs of a file the shortest counts.
 *
 * @returns {Map<string, Record<string, number>>}
 */
export function timesOf({ tests, verified }, budgets) {
  const least = new Map();
  const note = (key, ms) => least.set(key, Math.min(least.get(key) ?? Number.POSITIVE_INFINITY, ms));
  for (const { device, files, axis, deep, filtered } of tests)
    if (!axis && !deep && !filtered) for (const file of files) note(`${device} ${file.file}`, costOf(file));
  // A comparison with an earlier run does not judge.
  for (const { device, ops, cases, against, environment } of verified)
    if (cases === '' && !against && !environment.ORTHOKIT_EMULATOR_PTX)
      for (const { op, processorMs } of ops) note(`verify-${device} ${op}`, processorMs);
  const families = new Map();
  for (const [key, ms] of least) {
    const [column, name] = [key.slice(0, key.indexOf(' ')), key.slice(key.indexOf(' ') + 1)];
    const family = column.startsWith('verify-') ? familyOfOp(name, budgets) : familyOf(name, budgets);
    const row = families.get(family) ?? {};
    row[column] = (row[column] ?? 0) + ms / 1000;
    families.set(family, row);
  }
  return families;
}

/** The same test takes up to half as long again beside others that want the same caches: so far a family may be over. */
export const noise = 1.5;

/**
 * Families that are over their budgets, on a machine that takes so many times as long as the one of the budgets.
 *
 * @returns {{ words: string, fails: boolean }[]} in words, and whether it is more than others on the machine explain
 */
export function overBudget(times, budgets, slowness = 1) {
  return [...times].flatMap(([family, row]) => {
    const allowed = { ...budgets.default, ...budgets.families[family]?.seconds };
    return Object.entries(row)
      .filter(([column, seconds]) => column in allowed && seconds > slowness * allowed[column])
      .map(([column, seconds]) => ({
        words: `${family}: ${seconds.toFixed(1)} s on ${column}, and ${Number((slowness * allowed[column]).toFixed(1))} s are its budget`,
        fails: seconds > noise * slowness * allowed[column],
      }));
  });
}
