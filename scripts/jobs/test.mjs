// The tests of the README's command, on the CPU, once the addon and the C++ tests are built.
import { long, others, pathsOf, together } from './folders.mjs';
import { step } from './step.mjs';

const vitest = (name, names, options = '') => ({
  name: `tests: ${name}`,
  run: step(`vitest ${options}${pathsOf(names)}`),
});

/** The longest first, so that no core is left with it alone. */
export const jobs = [
  vitest('the others', others),
  ...together.map((names) => vitest(names.join(', '), names, '--no-isolate ')),
  // The others of ctest's are among those of instruction sets and of reliability, in larger sizes.
  { name: 'C++ tests', run: "ctest --preset cpu -R '^(native|reference)$'" },
  ...long.map((names) => vitest(names.join(', '), names)),
  { name: 'instruction sets', run: step('verify_sets'), lines: 8 },
];
