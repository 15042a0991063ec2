// The tests of the README's command, on the CPU, once the addon and the C++ tests are built.
import { jobsOf, parts } from './folders.mjs';
import { step } from './step.mjs';

export const jobs = [
  ...jobsOf(parts, 'cpu', (title, words) => ({ name: `tests: ${title}`, run: step(`vitest ${words}`) })),
  { name: 'instruction sets', run: step('verify_sets'), lines: 8 },
  // The others of ctest's are among those of instruction sets and of reliability, in larger sizes.
  { name: 'C++ tests', run: "ctest --preset cpu -R '^(native|reference)$'" },
];
