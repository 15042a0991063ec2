// The tests of the README's command, on the CPU, once the addon and the C++ tests are built.
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { step } from './step.mjs';

const tests = path.join(import.meta.dirname, '..', '..', 'test');
const hasTests = (name) =>
  name.endsWith('.test.ts') ||
  (!name.includes('.') && readdirSync(path.join(tests, name)).some((file) => file.endsWith('.test.ts')));

/** What takes long and can run beside others; soak and fuzzing have a command of their own. */
const groups = [
  ['ops'],
  ['optimizers'],
  ['transport'],
  ['reliability'],
  ['sparse', 'tokenizers', 'transplant'],
  ['files', 'attacks'],
];
const apart = ['soak', 'fuzz'];
const others = readdirSync(tests).filter((name) => hasTests(name) && ![...groups.flat(), ...apart].includes(name));

const vitest = (names) => ({
  name: `tests: ${names.length > 3 ? 'the others' : names.join(', ')}`,
  run: step(`vitest ${names.map((name) => `test/${name}`).join(' ')}`),
});

export const jobs = [
  ...groups.slice(0, 4).map(vitest),
  { name: 'C++ tests', run: 'ctest --preset cpu' },
  ...groups.slice(4).map(vitest),
  vitest(others),
  { name: 'instruction sets', run: step('verify_sets'), lines: 8 },
];
