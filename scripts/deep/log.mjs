// Read from the log of a part: why it failed, and how much it did.
import { stripVTControlCharacters } from 'node:util';

/** Commands that say how much they did: a pattern with the number, or one that is counted, and its word. */
const counted = [
  [/^\s*Tests .*?(\d+) passed/gm, 'tests'],
  [/operations and cases verified(?:, the same bits)?: (\d+)$/gm, 'operations and cases'],
  [/^order of threads /gm, 'orders'],
  [/tests failed out of (\d+)$/gm, 'programs of tests'],
  [/^(?:openmpi|mpich|gloo|nccl): .*: [\d.]+ s$/gm, 'checks'],
  [/^(\d+) mutants: /gm, 'mutants'],
  [/^(\d+) ratios: /gm, 'ratios'],
];

/** Such as `370 tests`; nothing where it tells no number. */
export function doneOf(log) {
  return counted
    .flatMap(([pattern, word]) => {
      const found = [...log.matchAll(pattern)].reduce((sum, [, number = '1']) => sum + Number(number), 0);
      return found > 0 ? [`${found.toLocaleString('en')} ${word}`] : [];
    })
    .join(', ');
}

/** A line: how to replay the case that failed, else the test that did, else the last words. */
export function reasonOf(colored) {
  const log = stripVTControlCharacters(colored);
  const words =
    /\bseed=-?\d+ replay: .*/.exec(log)?.[0] ?? /^ FAIL {2}(.*)/m.exec(log)?.[1] ?? log.trimEnd().split('\n').at(-1);
  return words.trim().slice(0, 200);
}
