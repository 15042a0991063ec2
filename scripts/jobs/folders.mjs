// The folders of tests in parts, and which share a process. A process a file costs a second of processor time each, most
// of it to load the library again. What ends its own process or counts what that holds has its own, and so does each file
// that puts other modules in the place of the library's.
import { readdirSync } from 'node:fs';
import path from 'node:path';

const tests = path.join(import.meta.dirname, '..', '..', 'test');
const isFile = (name) => name.endsWith('.test.ts');
const hasTests = (name) =>
  isFile(name) || (!name.includes('.') && readdirSync(path.join(tests, name), { recursive: true }).some(isFile));

/**
 * Parts of which no one takes much longer than the others, with the seconds of processor time that each took on the CPU and
 * on the emulated device: as these are known before anything has run, the longest begins first, and no core is left
 * with it alone. Those that are `together` leave a process as they found it: their files run one after the other in one.
 *
 * @type {{ names: string[], cpu: number, cuda: number, together?: true }[]}
 */
const listed = [
  { names: ['ops'], cpu: 96, cuda: 190, together: true },
  { names: ['optimizers'], cpu: 56, cuda: 100, together: true },
  { names: ['nn', 'linalg', 'curvature'], cpu: 62, cuda: 85, together: true },
  { names: ['reliability', 'lifecycle'], cpu: 123, cuda: 54 },
  { names: ['examples', 'experiments'], cpu: 117, cuda: 5, together: true },
  { names: ['contracts', 'core', 'data'], cpu: 64, cuda: 14, together: true },
  { names: ['files', 'attacks', 'tfjs', 'arrays', 'cuda'], cpu: 95, cuda: 90 },
  { names: ['sparse', 'solvers', 'tokenizers', 'transplant', 'merging'], cpu: 73, cuda: 65, together: true },
  { names: ['scripts', 'cli', 'package'], cpu: 64, cuda: 12, together: true },
  { names: ['transport'], cpu: 37, cuda: 108, together: true },
];

/** Soak and fuzzing have a command of their own. */
const commanded = ['soak', 'fuzz'];
const known = new Set([...listed.flatMap(({ names }) => names), ...commanded]);
const rest = readdirSync(tests).filter((name) => hasTests(name) && !known.has(name)).sort(); // biome-ignore format: one line

/** All parts: a folder that none lists is in the last. */
export const parts = [
  ...listed,
  { names: rest.filter(isFile), cpu: 69, cuda: 0, title: 'files of the folder itself', together: true },
  { names: rest.filter((name) => !isFile(name)), cpu: 123, cuda: 88, title: 'the others', together: true },
];

/** Jobs of parts, the longest first. */
export const jobsOf = (parts, device, jobOf) =>
  parts
    .toSorted((a, b) => b[device] - a[device])
    .map(({ names, together, title = names.join(', ') }) =>
      jobOf(title, `${together ? '--together ' : ''}${names.map((name) => `test/${name}`).join(' ')}`),
    );
