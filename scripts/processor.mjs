// The processor's own words about itself, apart from what the library finds.
import { readFileSync } from 'node:fs';

/** Weakest first, with the flags of /proc/cpuinfo that a processor must have (native/cpu/backend.cpp asks for the same). */
const flagsOf = {
  portable: [],
  avx2: ['avx2', 'fma', 'f16c', 'bmi2'],
  avx512: ['avx2', 'fma', 'f16c', 'bmi2', 'avx512f', 'avx512bw', 'avx512dq', 'avx512vl'],
};
export const instructionSets = Object.keys(flagsOf);

/**
 * @param {string} set
 * @param {string} [file] default `/proc/cpuinfo`
 * @returns {boolean | undefined} undefined where nobody can tell
 */
export function processorHas(set, file = '/proc/cpuinfo') {
  if (flagsOf[set].length === 0) return true;
  let text;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
  const flags = new Set(/^flags\s*: (.*)$/m.exec(text)?.[1]?.split(' '));
  return flagsOf[set].every((flag) => flags.has(flag));
}
