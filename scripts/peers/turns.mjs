// Racers that take turns, each turn a process of its own on one thread: A, B, C, A, B, C, … so that what slows the machine for
// a while slows all of them. Each prints a line of JSON, with `median_ms` and `min_ms` of its rounds, or with `skipped`.
import { spawnSync } from 'node:child_process';
import path from 'node:path';

export const python = process.env.ORTHOKIT_PYTHON ?? '/usr/bin/python3';
export const here = (file) => path.join(import.meta.dirname, file);

const { OPENBLAS_CORETYPE: _, OPENBLAS_L2_SIZE: __, ...plainEnvironment } = process.env;

/** The environment of this process without settings of OpenBLAS: a peer takes the kernels that suit the processor. */
export { plainEnvironment };

/** One thread; and freed memory stays with the process, so that a result that is allocated anew costs no page faults. */
const environment = {
  ...plainEnvironment,
  OMP_NUM_THREADS: '1',
  OPENBLAS_NUM_THREADS: '1',
  MKL_NUM_THREADS: '1',
  MALLOC_MMAP_MAX_: '0',
  MALLOC_TRIM_THRESHOLD_: `${2 ** 40}`,
};

/** The line that one process of [program, …words] prints last, or why there is none. */
export function turn([program, ...words], timeout = 300_000) {
  const options = { encoding: 'utf8', env: environment, timeout, maxBuffer: 1 << 26 };
  const { status, stdout, stderr, error } = spawnSync(program, words.map(String), options);
  if (status === 0) return JSON.parse(stdout.trim().split('\n').at(-1));
  const lines = (stderr ?? '').trim().split('\n');
  const said = error?.message ?? lines.findLast((line) => /error/i.test(line)) ?? `status ${status}`;
  return { skipped: said.replace(/ imported from .*/, '').trim() }; // the place is that of one machine
}

/** A peer that cannot be imported cannot be imported for the next case either. */
export const isMissing = ({ skipped }) => /ModuleNotFoundError|Cannot find package|ENOENT/.test(skipped ?? '');

export const median = (values) => {
  const sorted = [...values].sort((a, b) => a - b);
  return (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2;
};

/** One line of those of all turns: of `min_ms` the least, of the other times the median; `turns_ms` are the medians of turns. */
function joined(lines) {
  const times = Object.keys(lines[0]).filter((key) => key.endsWith('_ms'));
  const of = (key) => lines.map((line) => line[key]);
  const joint = times.map((key) => [key, key === 'min_ms' ? Math.min(...of(key)) : median(of(key))]);
  return { ...lines[0], ...Object.fromEntries(joint), turns_ms: of('median_ms') };
}

/**
 * Racers (a map of names to commands, each with the number of its turns where that is not `turns`) in turn: a map of names
 * to the line of all turns, or of the one that says why there is none.
 */
export function race(racers, turns) {
  const lines = new Map([...racers.keys()].map((name) => [name, []]));
  for (let i = 0; i < turns; i++)
    for (const [name, { command, most = turns, timeout }] of racers) {
      const own = lines.get(name);
      if (i < most && !own[0]?.skipped) own.push(turn(command, timeout));
    }
  return new Map([...lines].map(([name, own]) => [name, own.find((line) => line.skipped) ?? joined(own)]));
}
