// The folders of tests, and which of them share a process. A process a file costs a second of processor time each, most of
// it to load the library again. What commands a process, ends it, plants faults in it, counts what it holds or puts other
// modules in the place of the library's has its own.
import { readdirSync } from 'node:fs';
import path from 'node:path';

const tests = path.join(import.meta.dirname, '..', '..', 'test');
const hasTests = (name) =>
  name.endsWith('.test.ts') ||
  (!name.includes('.') && readdirSync(path.join(tests, name)).some((file) => file.endsWith('.test.ts')));

/** Tests that compute with the library and no more: the files of a group run one after the other in one process. */
export const together = [['ops'], ['optimizers'], ['nn', 'linalg', 'curvature']];

/** The long ones of the others. */
export const long = [
  ['transport'],
  ['sparse', 'solvers', 'tokenizers', 'transplant', 'merging'],
  ['reliability'],
  ['files', 'attacks'],
];

/** Soak and fuzzing have a command of their own. */
const apart = ['soak', 'fuzz'];

/** The others, files of the folder itself among them. */
export const others = readdirSync(tests)
  .sort()
  .filter((name) => hasTests(name) && ![...together, ...long, apart].flat().includes(name));

export const pathsOf = (names) => names.map((name) => `test/${name}`).join(' ');
