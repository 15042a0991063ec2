// The folders of tests in parts, and which share a process. A process a file costs a second of processor time each, most of
// it to load the library again. What commands a process, ends it, plants faults in it, counts what it holds or puts other
// modules in the place of the library's has its own.
import { readdirSync } from 'node:fs';
import path from 'node:path';

const tests = path.join(import.meta.dirname, '..', '..', 'test');
const isFile = (name) => name.endsWith('.test.ts');
const hasTests = (name) =>
  isFile(name) || (!name.includes('.') && readdirSync(path.join(tests, name), { recursive: true }).some(isFile));

/**
 * Parts of which no one takes much longer than the others, with the seconds of processor time that each took on the CPU and
 * on the emulated device: as these are known before anything has run, the longest begins first, and no core is left with
 * it alone. Those that are `together` compute with the library and no more: their files run one after the other in one
 * process.
 *
 * @type {{ names: string[], cpu: number, cuda: number, together?: true }[]}
 */
const listed = [
  { names: ['ops'], cpu: 102, cuda: 220, together: true },
  { names: ['optimizers'], cpu: 57, cuda: 99, together: true },
  { names: ['nn', 'linalg', 'curvature'], cpu: 64, cuda: 108, together: true },
  { names: ['reliability'], cpu: 110, cuda: 46 },
  { names: ['examples', 'experiments'], cpu: 108, cuda: 5 },
  { names: ['contracts', 'core', 'lifecycle'], cpu: 100, cuda: 14 },
  { names: ['files', 'attacks'], cpu: 87, cuda: 3 },
  { names: ['sparse', 'solvers', 'tokenizers', 'transplant', 'merging'], cpu: 85, cuda: 84 },
  { names: ['scripts', 'cli', 'package', 'tfjs', 'data', 'arrays'], cpu: 82, cuda: 12 },
  { names: ['transport'], cpu: 47, cuda: 133 },
];

/** Soak and fuzzing have a command of their own. */
const commanded = ['soak', 'fuzz'];
const known = new Set([...listed.flatMap(({ names }) => names), ...commanded]);
const rest = readdirSync(tests).filter((name) => hasTests(name) && !known.has(name)).sort(); // biome-ignore format: one line

/** All parts: a folder that none lists is in the last. */
export const parts = [
  ...listed,
  { names: rest.filter(isFile), cpu: 72, cuda: 0, title: 'files of the folder itself' },
  { names: rest.filter((name) => !isFile(name)), cpu: 95, cuda: 160, title: 'the others' },
];

/** Jobs of parts, the longest first. */
export const jobsOf = (parts, device, jobOf) =>
  parts
    .toSorted((a, b) => b[device] - a[device])
    .map(({ names, together, title = names.join(', ') }) =>
      jobOf(title, `${together ? '--no-isolate ' : ''}${names.map((name) => `test/${name}`).join(' ')}`),
    );
